"""A whole stack: a mock upstream, an Envoy with the filter, and keys."""

import re
from dataclasses import dataclass
from pathlib import Path

import openai

from . import http1, keys
from .bootstrap import render
from .envoy import Envoy
from .keys import Key
from .mock import MockLlm, Seen
from .waiting import free_port

PROVIDER_KEY = "provider-secret-for-the-mock"

# The keys of a shared gate. Each test takes keys that no other test uses.
# kind: (how many, tier, more of the record)
KINDS: dict[str, tuple[int, str, dict]] = {
    "free": (30, "free", {}),
    "pro": (5, "pro", {}),
    "team": (150, "team", {}),
    # One request every 100 ms, three at once: a limit whose promised waits are short.
    "quick": (20, "free", {"limits": {"requests_per_minute": 600, "requests_burst": 3}}),
    # One request a second, one at once: a client that is always over its limit.
    "single": (10, "free", {"limits": {"requests_per_minute": 60, "requests_burst": 1}}),
    # One request a second, three at once.
    "trio": (10, "free", {"limits": {"requests_per_minute": 60, "requests_burst": 3}}),
    # One request every three seconds, one at once: waits that outlast the start of a Node process.
    "crawling": (5, "free", {"limits": {"requests_per_minute": 20, "requests_burst": 1}}),
    "five": (5, "free", {"limits": {"requests_per_minute": 5}}),
    # May use some models only.
    "picky": (20, "team", {"models": ["gpt-4o*", "text-embedding-3-small"]}),
    # A limit on tokens that is smaller than an ordinary request.
    "frugal": (10, "team", {"limits": {"tokens_per_minute": 100}}),
    "suspended": (5, "free", {"status": "suspended"}),
    "revoked": (10, "free", {"status": "revoked"}),
    "expired": (5, "free", {"expires_at": "2020-01-01T00:00:00Z"}),
    "expires-later": (2, "free", {"expires_at": "2100-01-01T00:00:00Z"}),
}

# Envoy's messages about a failed VM. A reload is counted only when the next stream arrives, so
# the log and the access log are checked as well.
FAILED_STATS = re.compile(r"^wasm\..*vm_reload")
FAILED_LOG = re.compile(r"Function: \S+ failed|Uncaught RuntimeError|wasm_fail_stream|panicked at")


@dataclass(frozen=True)
class Counted:
    """A line of the filter's counter on the Prometheus page."""

    tier: str
    decision: str


class Gate:
    """A running stack. `config` is the filter's configuration, `keys` is added to it from `KINDS`."""

    running: list["Gate"] = []

    def __init__(
        self,
        directory: Path,
        *,
        config: dict | None = None,
        kinds: dict[str, tuple[int, str, dict]] | None = None,
        overlay=None,
        concurrency: int = 2,
        mock: bool = True,
        passthrough: bool = False,
        vm_may_fail: bool = False,
        **render_options,
    ):
        self._pool: dict[str, list[Key]] = {}
        made: list[Key] = []
        for kind, (count, tier, extra) in (KINDS if kinds is None else kinds).items():
            self._pool[kind] = [keys.make(tier, **extra) for _ in range(count)]
            made += self._pool[kind]
        self.passthrough = passthrough
        self.vm_may_fail = vm_may_fail
        self.config = {**(config or {}), "keys": {**keys.table(made), **(config or {}).get("keys", {})}}
        self.mock = MockLlm(directory, "--require-key", PROVIDER_KEY) if mock else None
        self.upstream_port = self.mock.port if self.mock else free_port()
        self.port = free_port()
        self.bootstrap = render(
            directory,
            api_port=self.port,
            admin_port=free_port(),
            upstream_port=self.upstream_port,
            upstream_key=PROVIDER_KEY,
            config=self.config,
            passthrough=passthrough,
            **render_options,
        )
        if overlay:
            self.bootstrap = overlay(self.bootstrap) or self.bootstrap
        try:
            self.envoy = Envoy(self.bootstrap, directory, concurrency=concurrency)
        except BaseException:
            if self.mock:
                self.mock.stop()
            raise
        self.mark()
        Gate.running.append(self)

    # Requests.

    def key(self, kind: str = "team") -> Key:
        """A key that no other test uses."""
        assert self._pool[kind], f"no {kind} keys left: raise their number in KINDS"
        return self._pool[kind].pop()

    def url(self, base: str = "/api/v1") -> str:
        return f"http://127.0.0.1:{self.port}{base}"

    def openai(self, key: Key | str, *, base: str = "/api/v1", **options) -> openai.OpenAI:
        """The official client as a customer makes it."""
        text = key.text if isinstance(key, Key) else key
        return openai.OpenAI(api_key=text, base_url=self.url(base), timeout=30, **options)

    def send(self, method, path, headers=(), body=b"", **options) -> http1.Answer:
        """Sends one HTTP/1.1 request verbatim, on a connection of its own."""
        return http1.exchange(self.port, http1.request(method, path, headers, body), **options)

    def models(self, key: Key, *more: tuple) -> http1.Answer:
        """The smallest metered request."""
        return self.send("GET", "/api/v1/models", [("authorization", key.bearer), *more])

    # Observations.

    def mark(self) -> None:
        """Marks the start of a test: it ignores earlier logs and requests."""
        self.upstream_may_see_keys = False
        self.mark_rows()
        if self.mock:
            self.mock.forget()

    def mark_rows(self) -> None:
        """Marks the rows that Envoy has logged so far as checked."""
        self.start_of_test(len(self.envoy.rows_after(0)), len(self.envoy.lines()))

    def start_of_test(self, row: int, line: int) -> None:
        """Where the test's part of the log begins."""
        self._first_row, self._first_line = row, line

    def rows(self) -> list[dict]:
        """The access log of this test, complete."""
        return self.envoy.rows_after(self._first_row)

    def seen(self) -> list[Seen]:
        """The requests that the upstream got in this test."""
        assert self.mock, "this gate has no mock"
        return self.mock.seen()

    def log(self) -> str:
        """Envoy's own log of this test."""
        lines = self.envoy.lines()[self._first_line :]
        return "\n".join(line for line in lines if not line.startswith("{"))

    def counted(self) -> dict[Counted, int]:
        """The filter's request counter, by tier and decision."""
        found: dict[Counted, int] = {}
        pattern = r"^gmtech_requests\{([^}]*)\} (\d+)$"
        for labels, value in re.findall(pattern, self.envoy.prometheus(), re.MULTILINE):
            by_name = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            found[Counted(by_name["gmtech_tier"], by_name["gmtech_decision"])] = int(value)
        return found

    def check(self) -> None:
        """Checks after every test that no VM has failed, Envoy is running and no key has leaked."""
        assert self.envoy.alive(), f"Envoy died with {self.envoy.process.exit_code()}"
        reloads = self.envoy.stats(FAILED_STATS.pattern)
        assert reloads or self.passthrough, "Envoy counts reloads under another name: this check sees nothing"
        if not self.vm_may_fail:
            assert not any(reloads.values()), f"a wasm VM failed: {reloads}"
        self.rows()  # waits for rows that are not in the file yet
        logs = "\n".join(self.envoy.lines()[self._first_line :])
        if not self.vm_may_fail:
            assert not FAILED_LOG.search(logs), f"a wasm VM failed: {FAILED_LOG.search(logs)}"
        places = {
            "Envoy's log or the access log": logs,
            "the stats": self.envoy.admin("/stats"),
        }
        if self.mock:
            places["mock-llm's log"] = self.mock.process.output()
            if not self.upstream_may_see_keys:
                places["what the upstream got"] = repr(self.mock.seen())
        leaks = {place: found for place, text in places.items() if (found := keys.leaked_in(text))}
        assert not leaks, f"keys leaked: {leaks}"

    # The end.

    def stop(self) -> None:
        Gate.running.remove(self)
        self.envoy.stop()
        if self.mock:
            self.mock.stop()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.stop()
