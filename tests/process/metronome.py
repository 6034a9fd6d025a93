"""A process that only comes and goes every 10 ms, and says by how many ms it came late: what the machine itself does."""

import time

EVERY_S = 0.01

while True:
    due = time.perf_counter() + EVERY_S
    time.sleep(EVERY_S)
    late_s = time.perf_counter() - due
    if late_s > 0.005:
        print(f"{late_s * 1e3:.1f}", flush=True)
