"""Serves the repositories of a folder by git's own `http-backend`, to whoever signs in.

Its words: port, folder, the file with `user:secret`, the file to write down what it saw, where `/moved/` leads, and, to speak
TLS, the files of its certificate and its key. Below `/told/` it says the secret back. While it is asked it looks whether any
process of the machine carries the secret among its words or in its environment, and whether somebody else could read the file
in which git finds it.
"""
import base64
import glob
import os
import ssl
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, FOLDER, KEY, SEEN, ELSEWHERE = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
KNOWN = open(KEY, "rb").read()
SECRET = KNOWN.split(b":", 1)[1]


def saw(line):
    with open(SEEN, "a") as seen:
        seen.write(line + "\n")


def leaks():
    for place in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(place, "rb") as words:
                if SECRET in words.read():
                    saw("LEAK " + place)
        except OSError:
            pass
    for place in glob.glob(tempfile.gettempdir() + "/.tmp*/.rhone-git-*/home/credentials"):
        try:
            if os.stat(place).st_mode & 0o077:
                saw("LEAK " + place)
        except OSError:
            pass


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(body)

    def answer(self, body):
        shown = self.headers.get("Authorization", "-")
        saw(f"{self.command} {self.path} {shown}")
        leaks()
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", ELSEWHERE + self.path.removeprefix("/moved"))
            self.end_headers()
            return
        if shown != "Basic " + base64.b64encode(KNOWN).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="repositories"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith("/told/"):
            line = b"ERR your password is " + SECRET
            answer = b"001e# service=git-upload-pack\n0000" + f"{len(line) + 4:04x}".encode() + line
            self.send_response(200)
            self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            self.end_headers()
            self.wfile.write(answer)
            return
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": FOLDER,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=False)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def shutdown_request(self, request):
        # Over TLS an answer without a length ends when it is said to end: else it may have been cut off by anybody.
        if isinstance(request, ssl.SSLSocket):
            # That is said, and whether the other says it, too, is not waited for.
            request.settimeout(0)
            try:
                request.unwrap()
            except (OSError, ValueError):
                pass
        super().shutdown_request(request)


server = Server(("127.0.0.1", PORT), Handler)
if len(sys.argv) > 6:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[6], sys.argv[7])
    # Whoever does not trust the certificate goes away in the middle of the handshake: in the thread of the request.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
