"""A real Envoy as a plain subprocess, and readers of its output: stats, Prometheus page, logs."""

import json
import re
from pathlib import Path

import httpx

from . import paths
from .process import Process
from .waiting import wait_until

# How soon a line of the access log is in its file; Envoy's own default is ten seconds.
FLUSH_MS = 20


class Envoy:
    """Runs `bootstrap` (a dict) until `stop`. Two workers, since exact limits on one worker prove little."""

    def __init__(self, bootstrap: dict, directory: Path, *, concurrency: int = 2, name: str = "envoy"):
        config = directory / f"{name}.json"
        config.write_text(json.dumps(bootstrap))
        self.admin_port = bootstrap["admin"]["address"]["socket_address"]["port_value"]
        self.process = Process(
            name,
            [
                str(paths.envoy()),
                "--config-path", str(config),
                "--concurrency", str(concurrency),
                "--disable-hot-restart",
                "--file-flush-interval-msec", str(FLUSH_MS),
                "--component-log-level", "wasm:debug",
                "--drain-time-s", "1",
                "--parent-shutdown-time-s", "2",
            ],
            directory / f"{name}.log",
        )  # fmt: skip
        self._admin = httpx.Client(base_url=f"http://127.0.0.1:{self.admin_port}", trust_env=False)
        self.process.wait_ready("LIVE on its admin port", self._live)

    def _live(self) -> bool:
        try:
            return self._admin.get("/ready").text.strip() == "LIVE"
        except httpx.TransportError:
            return False

    def admin(self, path: str) -> str:
        return self._admin.get(path).raise_for_status().text

    def log_level(self, component: str, level: str) -> None:
        """Sets the log level from now on."""
        self._admin.post(f"/logging?{component}={level}").raise_for_status()

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Counters and gauges by name, those that match a regular expression."""
        text = self.admin(f"/stats?filter={pattern}" if pattern else "/stats")
        found = re.findall(r"^(\S+): (\d+)$", text, re.MULTILINE)
        return {name: int(value) for name, value in found}

    def stat(self, name: str) -> int:
        """One counter; zero if it does not exist yet."""
        return self.stats(f"^{re.escape(name)}$").get(name, 0)

    def prometheus(self) -> str:
        return self.admin("/stats/prometheus")

    def lines(self) -> list[str]:
        """The complete lines that it has written so far."""
        return self.process.output().split("\n")[:-1]

    def log(self) -> str:
        """Envoy's own log, without the access log's lines."""
        return "\n".join(line for line in self.lines() if not line.startswith("{"))

    def rows(self) -> list[dict]:
        """The JSON access log so far."""
        return [json.loads(line) for line in self.lines() if line.startswith("{")]

    def requests_ended(self) -> int:
        """Requests of the API that have ended in any way: each has, or will have, a row."""
        counted = self.stats(r"^http\.api\.downstream_rq_(total|active)$")
        return counted["http.api.downstream_rq_total"] - counted["http.api.downstream_rq_active"]

    def rows_after(self, start: int) -> list[dict]:
        """The access log from row `start` on, once it has caught up with what has ended."""
        wait_until(
            "the access log to catch up",
            lambda: len(self.rows()) >= self.requests_ended(),
            deadline=5,
        )
        return self.rows()[start:]

    def alive(self) -> bool:
        return self.process.alive()

    def stop(self) -> None:
        self._admin.close()
        self.process.stop()
