"""An idle process beside the run: how late the machine itself wakes whoever waits, in ms.

It wakes every 2 ms and does nothing else; interrupted, it prints the median, p99, p99.9 and the maximum of its lateness,
without the first seconds (its argument).
What a thread of the generator suffers from the machine is no less.
"""

import contextlib
import sys
import time

EVERY_S = 0.002


def main() -> None:
    """Come and go until interrupted."""
    late: list[float] = []
    time.sleep(float(sys.argv[1]))
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            due = time.perf_counter() + EVERY_S
            time.sleep(EVERY_S)
            late.append((time.perf_counter() - due) * 1e3)
    late.sort()
    ranks = [late[int(share * (len(late) - 1))] for share in (0.5, 0.99, 0.999, 1)]
    print("LATE", *(f"{ms:.2f}" for ms in ranks), flush=True)


if __name__ == "__main__":
    main()
