"""HTTP/1.1 as bytes: sends requests that no client library sends, and reads the answers with h11."""

import json
import socket
import time
from dataclasses import dataclass, field

import h11


@dataclass
class Answer:
    """An answer, or how the connection ended without one (`status` 0)."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    ended: str = ""

    def values(self, name: str) -> list[str]:
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The one value of a header; a duplicate fails."""
        found = self.values(name)
        assert len(found) <= 1, f"{name} came {len(found)} times: {found}"
        return found[0] if found else None

    @property
    def error(self) -> dict:
        """OpenAI's error object, checked for its shape: JSON, four keys, a text as message, type and code."""
        assert self.header("content-type") == "application/json", (self.headers, self.body)
        error = json.loads(self.body)["error"]
        assert sorted(error) == ["code", "message", "param", "type"], error
        assert all(isinstance(error[k], str) and error[k] for k in ("message", "type", "code")), error
        return error

    def everything(self) -> str:
        """The whole answer as text, to search for text that must not be in it."""
        head = "\n".join(f"{k}: {v}" for k, v in self.headers)
        return f"{self.status}\n{head}\n\n{self.body.decode(errors='replace')}"


def connect(port: int, timeout: float = 10) -> socket.socket:
    s = socket.create_connection(("127.0.0.1", port), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def receive(s: socket.socket, method: bytes = b"GET", deadline: float = 10) -> Answer:
    """Reads one answer to a request with `method`; 1xx answers are passed over."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    # h11 pairs answers with requests: it is told of one; what was really sent is the caller's business.
    reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    reader.send(h11.EndOfMessage())
    answer = Answer()
    end = time.monotonic() + deadline
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            s.settimeout(max(0.01, end - time.monotonic()))
            try:
                reader.receive_data(s.recv(65536))
            except TimeoutError:
                answer.ended = "timeout"
                return answer
            except OSError:
                answer.ended = "reset"
                return answer
        elif isinstance(event, h11.Response):
            answer.status = event.status_code
            answer.headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers]
        elif isinstance(event, h11.Data):
            answer.body += event.data
        elif isinstance(event, h11.EndOfMessage):
            answer.ended = "complete"
            return answer
        elif isinstance(event, h11.ConnectionClosed):
            answer.ended = "closed"
            return answer
        elif event is h11.PAUSED:
            answer.ended = "switched"
            return answer


def exchange(port: int, raw: bytes, deadline: float = 10) -> Answer:
    """One request as bytes on a connection of its own, and its answer."""
    with connect(port) as s:
        try:
            s.sendall(raw)
        except OSError:
            pass  # the server may answer and close before all of a hostile request was written
        method = raw.split(b" ", 1)[0]
        # For a method that h11 does not accept as a token, the answer is read as for any other.
        return receive(s, method if method in (b"HEAD", b"CONNECT") else b"GET", deadline)


def request(
    method: str | bytes,
    path: str | bytes,
    headers: list[tuple[str | bytes, str | bytes]] = (),
    body: bytes = b"",
    host: str = "gate.test",
) -> bytes:
    """A request's bytes: a host header and, with a body, a content-length; everything else as given."""

    def raw(text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode("latin-1")

    lines = [raw(method) + b" " + raw(path) + b" HTTP/1.1", b"host: " + raw(host)]
    lines += [raw(k) + b": " + raw(v) for k, v in headers]
    if body:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
