"""A small stateful app to be hosted: a counter in memory, a health answer, a log line for each request, an end at SIGTERM.

It knows its PORT and its own folder, and nothing of the platform that runs it.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
VERSION = (HERE / "version.txt").read_text().strip()
PAGE = (HERE / "public" / "index.html").read_text()

lock = threading.Lock()
count = 0


class Answers(BaseHTTPRequestHandler):
    """One thread for each connection, which is kept open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "text/plain", "ok\n")
        elif self.path == "/":
            self.answer(200, "text/html; charset=utf-8", PAGE.replace("@COUNT@", str(count)))
        elif self.path == "/count":
            self.answer_json({"version": VERSION, "count": count})
        else:
            self.answer(404, "text/plain", "not here\n")

    def do_POST(self):
        global count
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/count":
            self.answer(404, "text/plain", "not here\n")
            return
        with lock:
            count += 1
            now = count
        self.answer_json({"version": VERSION, "count": now})

    def answer_json(self, value):
        self.answer(200, "application/json", json.dumps(value) + "\n")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(f"{self.command} {self.path} {args[1] if len(args) > 1 else '-'}", flush=True)


class Server(ThreadingHTTPServer):
    # Idle connections are kept open by their clients; the process does not wait for them.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def main():
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Answers)

    def end(_signal, _frame):
        print(f"counter {VERSION} ends with a count of {count}", flush=True)
        # `shutdown` waits for `serve_forever`, which this very thread runs.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    print(f"counter {VERSION} listens on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
