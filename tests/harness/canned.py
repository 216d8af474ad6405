"""An upstream with a prepared answer for each path, which records its requests."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import bootstrap


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Canned:
    """`answers` are bodies by path. Other paths get `{}`. `content_type` is what all of them claim, if it is not empty."""

    def __init__(self):
        self.answers: dict[str, bytes] = {}
        self.content_type = "application/json"
        self.asked: list[Asked] = []
        canned = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                canned.asked.append(Asked(self.command, self.path, headers, body))
                answer = canned.answers.get(self.path, b"{}")
                self.send_response(200)
                if canned.content_type:
                    self.send_header("content-type", canned.content_type)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def overlay(self, config: dict) -> None:
        """An overlay that makes it the upstream of a gate."""
        bootstrap.lead_to(bootstrap.upstream(config), self.port)

    def forget(self) -> None:
        self.asked.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
