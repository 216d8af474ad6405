"""HTTP/2 with prior knowledge, which sends header names and values without checking them."""

import socket
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .http1 import Answer, connect


def exchange(
    port: int,
    method: str,
    path: str,
    headers: list[tuple[str | bytes, str | bytes]] = (),
    body: bytes = b"",
    trailers: list[tuple[str | bytes, str | bytes]] = (),
    pseudo: list[tuple[str, str]] | None = None,
    deadline: float = 10,
) -> Answer:
    """One request on a connection of its own. `status` 0 with `ended` means a reset or a closed connection."""
    connection = _client()
    start = pseudo or _pseudo(method, path)
    fields = [(_raw(k), _raw(v)) for k, v in [*start, *headers]]
    answer = Answer()
    with connect(port) as s:
        try:
            connection.send_headers(1, fields, end_stream=not body and not trailers)
            # A view: large bodies would be copied once for every frame.
            pending = memoryview(body)
            _flush(s, connection)
            answer, pending = _drive(s, connection, answer, pending, trailers, deadline)
        except (h2.exceptions.ProtocolError, OSError) as error:
            answer.ended = answer.ended or f"{type(error).__name__}: {error}"
    return answer


def unfinished(port: int, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> socket.socket:
    """A connection with a request whose end never comes; `body` fits into the windows of a new one."""
    connection = _client()
    connection.send_headers(1, [(_raw(k), _raw(v)) for k, v in [*_pseudo(method, path), *headers]])
    assert not _send_body(connection, body, [], ends=False)
    s = connect(port)
    _flush(s, connection)
    return s


def _client() -> h2.connection.H2Connection:
    config = h2.config.H2Configuration(
        client_side=True,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=True,
        header_encoding=None,
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    return connection


def _pseudo(method: str, path: str) -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "http"), (":authority", "gate.test"), (":path", path)]


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _flush(s: socket.socket, connection: h2.connection.H2Connection) -> None:
    data = connection.data_to_send()
    if data:
        s.sendall(data)


def _send_body(connection, pending: bytes, trailers, ends: bool = True) -> bytes:
    while pending:
        room = min(connection.local_flow_control_window(1), connection.max_outbound_frame_size)
        if room <= 0:
            return pending
        chunk, pending = pending[:room], pending[room:]
        connection.send_data(1, chunk, end_stream=ends and not pending and not trailers)
    if trailers:
        connection.send_headers(1, [(_raw(k), _raw(v)) for k, v in trailers], end_stream=True)
    return b""


def _drive(s, connection, answer: Answer, pending: bytes, trailers, deadline: float):
    end = time.monotonic() + deadline
    unsent = bool(pending or trailers)
    while not answer.ended:
        if unsent and answer.status == 0:
            pending = _send_body(connection, pending, trailers)
            unsent = bool(pending)
        _flush(s, connection)
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            data = s.recv(65536)
        except TimeoutError:
            answer.ended = "timeout"
            break
        if not data:
            answer.ended = "closed"
            break
        for event in connection.receive_data(data):
            _take(connection, answer, event)
        _flush(s, connection)
    return answer, pending


def _take(connection, answer: Answer, event) -> None:
    if isinstance(event, h2.events.ResponseReceived):
        fields = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers]
        answer.status = int(dict(fields)[":status"])
        answer.headers = [(k, v) for k, v in fields if not k.startswith(":")]
    elif isinstance(event, h2.events.DataReceived):
        answer.body += event.data
        connection.acknowledge_received_data(event.flow_controlled_length, 1)
    elif isinstance(event, h2.events.StreamEnded):
        answer.ended = "complete"
    elif isinstance(event, h2.events.StreamReset):
        answer.ended = f"reset {event.error_code}"
    elif isinstance(event, h2.events.ConnectionTerminated):
        answer.ended = answer.ended or f"goaway {event.error_code}"
