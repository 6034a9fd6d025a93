"""A collector that behaves as told: ok, hang (accepts, never answers), slow (answers after 2 s).  collector.py MODE PORT."""

from __future__ import annotations

import http.server
import sys
import time


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mode = "ok"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.mode == "hang":
            time.sleep(3600)
        if self.mode == "slow":
            time.sleep(2)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Collector.mode = sys.argv[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Collector)
    print("ready", flush=True)
    server.serve_forever()
