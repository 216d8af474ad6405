"""A proxy between a gate and its key service: holds answers back, replaces them, breaks connections, and counts requests.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .waiting import wait_until

# A reply in place of the service's: status and body.
Reply = tuple[int, bytes]

# The kinds of calls, by the second segment of the path.
KINDS = ("changes", "resolve", "usage", "receipts")


@dataclass
class Call:
    """One request of the gate."""

    kind: str
    at: float
    answered: bool = False


class FaultProxy:
    """Forwards to the service's port. Each kind of call can be held, delayed, replaced or broken."""

    def __init__(self, to_port: int):
        self.to_port = to_port
        self.calls: list[Call] = []
        self._open = {kind: threading.Event() for kind in KINDS}
        self._instead: dict[str, Callable[[], Reply | None]] = {}
        self._delay: dict[str, float] = {}
        for event in self._open.values():
            event.set()
        fault_proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer must not wait for the client's acknowledgement of its head.
            disable_nagle_algorithm = True
            wbufsize = -1

            def handle_any(self):
                fault_proxy.handle(self)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # the gate has disconnected

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def handle(self, asked: BaseHTTPRequestHandler) -> None:
        kind = asked.path.split("?")[0].split("/")[3]
        body = asked.rfile.read(int(asked.headers.get("content-length", 0)))
        call = Call(kind, time.monotonic())
        self.calls.append(call)
        reply = None if kind in self._instead else self._forward(asked, body)
        self._open[kind].wait()
        time.sleep(self._delay.get(kind, 0))
        # Also for a call that is already under way.
        if instead := self._instead.get(kind):
            reply = instead()
        call.answered = True
        if reply is None:
            asked.connection.shutdown(socket.SHUT_RDWR)
            asked.close_connection = True
            return
        status, answer = reply
        asked.send_response(status)
        asked.send_header("content-length", str(len(answer)))
        asked.end_headers()
        asked.wfile.write(answer)
        asked.wfile.flush()

    def _forward(self, asked: BaseHTTPRequestHandler, body: bytes) -> Reply | None:
        try:
            service = http.client.HTTPConnection("127.0.0.1", self.to_port, timeout=40)
            headers = {"authorization": asked.headers["authorization"]}
            service.request(asked.command, asked.path, body or None, headers)
            answer = service.getresponse()
            return answer.status, answer.read()
        except OSError:
            return None
        finally:
            service.close()

    # Faults.

    def hold(self, *kinds: str) -> None:
        """Holds the answers to calls of these kinds, including calls that are under way."""
        for kind in kinds:
            self._open[kind].clear()

    def release(self, *kinds: str) -> None:
        for kind in kinds or KINDS:
            self._open[kind].set()

    def delay(self, kind: str, seconds: float) -> None:
        """Delays the answers to calls of this kind by so much."""
        self._delay[kind] = seconds

    def instead(self, kind: str, reply: Callable[[], Reply | None]) -> None:
        """`reply()` in place of the service's answer; `None` breaks the connection."""
        self._instead[kind] = reply

    def behave(self) -> None:
        self._instead.clear()
        self._delay.clear()
        self.release()

    # Observations.

    def count(self, kind: str, since: float = 0.0) -> int:
        return sum(1 for c in list(self.calls) if c.kind == kind and c.at >= since)

    def held(self, kind: str) -> int:
        """How many calls of a kind wait for their answer."""
        return sum(1 for c in list(self.calls) if c.kind == kind and not c.answered)

    def wait_held(self, kind: str, count: int = 1) -> None:
        """Waits until so many calls of a kind wait for their answer."""
        wait_until(f"{count} held {kind}", lambda: self.held(kind) >= count, every=0.002)

    def stop(self) -> None:
        self.behave()
        self._server.shutdown()
        self._server.server_close()
