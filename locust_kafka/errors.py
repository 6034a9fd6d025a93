"""The errors of this package, and the exit codes of a run.

KafkaPluginError                 what is wrong and what to do, in one sentence for the user
├── SettingsError                an option, a class attribute, an argument or the configuration file was refused
├── NotReady                     the run cannot begin: no broker, a topic that is missing, no permission
└── RunInvalid                   the run's figures cannot be trusted: the reply consumer failed, say

RunOver (a GreenletExit)         a greenlet wanted to send after its run had ended; it ends, and the log says so
"""

from __future__ import annotations

from gevent import GreenletExit

EXIT_NOT_STARTED = 3
"""Exit code: a setting was refused, or the run could not begin."""
EXIT_INVALID = 4
"""Exit code: the run is invalid."""
EXIT_BOTTLENECK = 5
"""Exit code: the run is invalid because the generator could have moved its figures."""
EXIT_CUT_SHORT = 6
"""Exit code: the run was cut short; some requests are UNFINISHED."""
EXIT_CHECK = 7
"""Exit code: the run is valid, and a check failed."""


class KafkaPluginError(Exception):
    """Base of all errors meant for the user; `str()` is the sentence to show."""


class SettingsError(KafkaPluginError, ValueError):
    """A setting was refused: the sentence names the value, the limit and what to do."""


class NotReady(KafkaPluginError):
    """The run cannot begin."""


class RunInvalid(KafkaPluginError):
    """The run went on without something its figures need."""


def said(error: BaseException) -> str:
    """What an exception says; "" when the user's own class fails to say it."""
    try:
        return str(error)
    except Exception:
        return ""


class RunOver(GreenletExit):  # type: ignore[misc] # gevent ships without types
    """Nothing can be sent any more: the run of this user has ended.

    It ends the greenlet that wanted to send, as Locust's own kill would.
    """
