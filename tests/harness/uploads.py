"""Uploads that end only when a test says so."""

import functools
import select
from concurrent.futures import ThreadPoolExecutor

from . import http1, metered

# Seconds in which the gate must read something or answer. Only a gate that does neither is waited for so long.
PATIENCE = 20


@functools.cache
def content(size: int) -> bytes:
    """A chat request of this size."""
    return metered.body("x" * (size - len(metered.body("", max_tokens=5))), max_tokens=5)


class Upload:
    """A body that is sent up to its last byte, unless it is refused before."""

    def __init__(self, gate, key, size: int, *, chunked: bool = False, mock: str = ""):
        framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(size))
        self.size, self.chunked, self.sent = size, chunked, 0
        # What of the last frame the socket has not taken yet.
        self._rest = b""
        self._socket = http1.connect(gate.port, timeout=30)
        self._socket.sendall(http1.request("POST", metered.CHAT_PATH, metered.headers(key, mock, framing)))

    def answered(self, within: float = 0) -> bool:
        """Whether an answer has arrived, or the gate has closed the connection."""
        return bool(select.select([self._socket], [], [], within)[0])

    def send(self, until: int) -> None:
        """Sends up to the byte `until`, however slowly the gate reads. Stops when the gate has answered."""
        self._socket.setblocking(False)
        while self._rest or self.sent < until:
            if not self._rest:
                piece = content(self.size)[self.sent : min(until, self.sent + 65536)]
                self._rest = b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece
                self.sent += len(piece)
            answered, reads, _ = select.select([self._socket], [self._socket], [], PATIENCE)
            if answered:
                return
            assert reads, f"neither read nor answered for {PATIENCE} s, after {self.sent} bytes"
            try:
                self._rest = self._rest[self._socket.send(self._rest) :]
            except OSError:
                return

    def answer(self) -> http1.Answer:
        return http1.receive(self._socket, deadline=20)

    def close(self) -> None:
        self._socket.close()


def send_all(uploads: list[Upload], until: int) -> None:
    """All at once."""
    with ThreadPoolExecutor(len(uploads)) as pool:
        list(pool.map(lambda upload: upload.send(until), uploads))
