"""Run one command that must not outlive whoever started it.

Started as a script by `EmbeddedKafka`, with the standard library alone.  It holds the read end of a pipe whose
write end only the parent has: when the parent ends, however it ends (kill -9 included), the pipe closes, and the
command and its folder go too.  It is in a session of its own, so Ctrl-C in the parent's terminal does not take the
broker away before the load test has drained.  (PR_SET_PDEATHSIG would follow the spawning *thread*, on Linux only.)

Usage: supervisor.py FOLDER LOGFILE COMMAND [ARGUMENT ...]
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Start the command; end it and remove FOLDER when standard input closes."""
    folder, log_file, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with open(log_file, "ab") as log:  # noqa: PTH123 - pathlib costs 20 ms of start-up here
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    # The broker alone, as `kill -9` would: its folder stays, and the thread below ends this process.
    signal.signal(signal.SIGUSR1, lambda _number, _frame: child.kill())
    ending = threading.Event()
    threading.Thread(target=_leave_with, args=(child, ending), daemon=True).start()
    try:
        while sys.stdin.buffer.read(4096):
            pass
    finally:
        ending.set()
        child.kill()  # its data dies with it: there is nothing to shut down in good order
        child.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _leave_with(child: subprocess.Popen[bytes], ending: threading.Event) -> None:
    """When the command ends by itself, end too; the parent reads the log and removes the folder."""
    code = child.wait()
    if not ending.is_set():
        os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
