"""A child process with its output in a file: shown when a test fails, silent otherwise."""

import os
import signal
import subprocess
from pathlib import Path

from .waiting import wait_until


class Process:
    """Starts at construction. `stop` ends it and always waits for it. `more` is for `subprocess.Popen`."""

    def __init__(self, name: str, args: list[str], log: Path, env: dict[str, str] | None = None, **more):
        self.name = name
        self.log = log
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                args,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                **more,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def alive(self) -> bool:
        return self._child.poll() is None

    def exit_code(self) -> int | None:
        return self._child.poll()

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_ready(self, what: str, probe, deadline: float = 30.0) -> None:
        """Waits until `probe` is true. Fails at once with the output if the process ends."""

        def ready_or_dead():
            if not self.alive():
                raise AssertionError(
                    f"{self.name} ended with {self.exit_code()} before {what}:\n{self.output()[-6000:]}"
                )
            return probe()

        wait_until(f"{self.name}: {what}", ready_or_dead, deadline)

    def wait_exit(self, deadline: float = 15.0) -> int:
        return self._child.wait(deadline)

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def stop(self, deadline: float = 10.0) -> None:
        if self.alive():
            self._child.terminate()
            try:
                self._child.wait(deadline)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait()
