"""Waits with a deadline. No other place in the tests polls."""

import itertools
import os
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(what: str, probe: Callable[[], T], deadline: float = 10.0, every: float = 0.01) -> T:
    """Returns the first true value of `probe`; fails with `what` and the last value after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"waited {deadline} s for {what}; last seen: {value!r}")
        time.sleep(every)


def _ports():
    """Ports below those that the kernel gives to clients, a range for each of the processes that run tests side by side."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 12_000 + 5_000 * (worker % 4)
    offset = os.getpid() % 5_000
    return itertools.cycle(first + (offset + n) % 5_000 for n in range(5_000))


_candidates = _ports()


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now, and that no other caller of these tests gets soon."""
    for port in _candidates:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def listens(port: int) -> bool:
    """Whether a program accepts connections there."""
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0
