"""Whether the reply consumer's thread is stuck, or the exchange greenlet blocked: the watermark stands still then."""

from __future__ import annotations

STUCK_NS = 5_000_000_000
BLOCKED_LOOKS = 15
"""After so many looks in a row that find replies waiting, the exchange greenlet is known to be blocked."""


class WatermarkCheck:
    """Looks at the watermark once a second; more than once, for a paused process is neither stuck nor blocked."""

    def __init__(self) -> None:
        self._stuck = self._blocked = 0

    def check(self, age_ns: int, *, waiting: bool) -> str:
        """Why the run cannot go on, in a sentence; "" when it can.

        Args:
            age_ns: of the watermark.
            waiting: whether something was handed over that nobody has judged.
        """
        old = age_ns > STUCK_NS
        self._stuck = self._stuck + 1 if old and not waiting else 0
        self._blocked = self._blocked + 1 if old and waiting else 0
        if self._stuck > 1:
            return f"the reply consumer is stuck: nothing came from it for {STUCK_NS / 1e9:.0f} s"
        if self._blocked > BLOCKED_LOOKS:
            return f"replies have waited for {BLOCKED_LOOKS} s to be judged: the exchange greenlet is blocked"
        return ""
