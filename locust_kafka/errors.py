"""The errors of this package.

KafkaPluginError                 what is wrong and what to do, in one sentence for the user
├── SettingsError                a refused option, attribute or config file
├── NotReady                     the run cannot begin: no broker, a topic missing
└── RunInvalid                   the run's figures cannot be trusted: an ear lost, books that do not balance
"""

from __future__ import annotations

EXIT_NOT_STARTED = 3
"""Exit code: a setting was refused, or the run could not begin."""
EXIT_INVALID = 4
"""Exit code: the run is invalid."""
EXIT_BOTTLENECK = 5
"""Exit code: the run is invalid because the generator could have moved its figures."""


class KafkaPluginError(Exception):
    """Base of all errors meant for the user; `str()` is the sentence to show."""


class SettingsError(KafkaPluginError):
    """A setting was refused: names the value, the limit and what to do."""


class NotReady(KafkaPluginError):
    """The run cannot begin."""


class RunInvalid(KafkaPluginError):
    """The run went on without something its figures need."""
