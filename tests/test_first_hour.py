"""The first hour of docs/operators/local-stack.md, command by command: every `sh` block between the comments `<!-- first
hour -->` and `<!-- /first hour -->`, in order, in a directory and with ports of its own.

The line `make run` is what a reader runs in a second terminal. The test starts it from the checkout, waits until it is
ready, and interrupts it at the end. All other lines are one session of bash, which ends at the first command that fails.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import paths
from harness.process import Process
from harness.waiting import free_port

PAGE = paths.ROOT / "docs/operators/local-stack.md"
OPEN, CLOSE = "<!-- first hour -->", "<!-- /first hour -->"
STACK = re.compile(r"^make run\b.*$", re.MULTILINE)


def walk() -> str:
    """The commands, as a reader copies them."""
    section = PAGE.read_text().split(OPEN, 1)[1].split(CLOSE, 1)[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))


@pytest.fixture
def home(tmp_path) -> Path:
    """A directory with what a checkout has, and without `.local`."""
    for name in ("target", "envoy", ".venv"):
        (tmp_path / name).symlink_to(paths.ROOT / name)
    return tmp_path


def test_every_command_of_the_first_hour_works(home):
    ports = ("API_PORT", "ENVOY_ADMIN_PORT", "UPSTREAM_PORT", "SERVICE_PORT", "SYNC_PORT")
    variables = {name: str(free_port()) for name in ports}
    variables |= {"LOCAL_DIR": str(home / ".local"), "ENVOY_BIN": str(paths.envoy())}
    variables["MAKEFLAGS"] = ""  # of the `make` that runs the tests
    commands, started = STACK.subn("", walk(), count=1)
    assert started == 1, "it starts with `make run`"
    stack = Process("make run", ["make", "-C", str(paths.ROOT), "run"], home / "run.log", env=variables)
    try:
        stack.wait_ready("demo.env", (home / ".local/demo.env").exists, deadline=240)
        script = "set -eEuo pipefail\ntrap 'echo \"failed: $BASH_COMMAND\" >&2' ERR\n" + commands
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=home,
            env={**clean(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    finally:
        if stack.alive():
            os.killpg(stack.pid, signal.SIGINT)  # Ctrl-C, as a terminal sends it: to make and to what it runs
        stack.wait_exit(30)


def clean() -> dict[str, str]:
    """The environment without the variables of another stack."""
    theirs = ("GMTECH_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
