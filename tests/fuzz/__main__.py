"""`make fuzz`: bad input in bulk.  Exits with 1 when a target broke, and prints its input.

Usage: python -m tests.fuzz [--inputs N] [--seed N] [--target NAME] [--only NUMBER] [--list]
"""

from __future__ import annotations

import argparse
import os
import random
import sys

# As in tests/conftest.py: this process stays without gevent's patches.  Children inherit the variable.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"


def main() -> int:
    """Parse the command line and fuzz; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Try bad input in bulk on every parser.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together [1000000]")
    parser.add_argument("--seed", type=int, help="makes the same inputs again [a new one]")
    parser.add_argument("--target", default="", help="try this one alone")
    parser.add_argument("--only", type=int, help="the number of the only input to be tried")
    parser.add_argument("--list", action="store_true", help="name the targets, each with its law")
    chosen = parser.parse_args()
    from tests.fuzz.campaign import campaign
    from tests.fuzz.runner import attempt
    from tests.fuzz.targets import TARGETS

    chosen_targets = [target for target in TARGETS if chosen.target in ("", target.name)]
    if chosen.list:
        for target in chosen_targets:
            print(f"{target.name}: {target.law.__doc__}")
        return 0
    seed = random.SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    if not chosen_targets:
        parser.error(f"no target {chosen.target!r}: --list names them")
    if chosen.only is not None:
        found = [finding for target in chosen_targets if (finding := attempt(target, seed, chosen.only))]
        print("\n".join(map(str, found)) or "no finding")
        return bool(found)
    return bool(campaign(chosen.inputs, seed, chosen.target))


if __name__ == "__main__":
    sys.exit(main())
