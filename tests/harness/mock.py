"""mock-llm as a subprocess, and the requests that it received."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from . import paths
from .process import Process
from .waiting import free_port, listens


@dataclass(frozen=True)
class Seen:
    """One request as the upstream saw it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str | None

    def values(self, name: str) -> list[str]:
        """Every value of a header, in order, so that a duplicate is seen as one."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def names(self) -> list[str]:
        return [key.lower() for key, _ in self.headers]


class MockLlm:
    """An OpenAI-shaped upstream; `x-mock: …` in a request makes it misbehave."""

    def __init__(self, directory: Path, *args: str, port: int | None = None):
        self.port = port or free_port()
        self.process = Process(
            "mock-llm",
            [str(paths.mock_llm()), "--port", str(self.port), *args],
            directory / "mock-llm.log",
        )
        self.process.wait_ready("its port", lambda: listens(self.port))
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def seen(self) -> list[Seen]:
        """The requests received since the last `forget`."""
        answer = self._http.get("/__mock/requests").raise_for_status().json()
        return [
            Seen(r["method"], r["target"], [tuple(h) for h in r["headers"]], (r["body"] or {}).get("text"))
            for r in answer
        ]

    def forget(self) -> None:
        self._http.delete("/__mock/requests").raise_for_status()

    def stop(self) -> None:
        self._http.close()
        self.process.stop()
