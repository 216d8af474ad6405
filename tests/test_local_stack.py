"""The first five minutes of a newcomer: `gmtech up` (what `make run` starts), a demo key, an answer, Ctrl-C."""

import os
import signal
from pathlib import Path

import openai
import pytest

from harness import paths
from harness.process import Process
from harness.waiting import free_port, listens, wait_until


class LocalStack:
    """`gmtech up` on ports and in a directory of its own."""

    def __init__(self, directory: Path):
        self.api, self.admin, self.upstream = free_port(), free_port(), free_port()
        self.directory = directory / "local"
        self.process = Process(
            "gmtech up",
            [str(paths.gmtech()), "up"],
            directory / "up.log",
            env={
                "API_PORT": str(self.api),
                "ENVOY_ADMIN_PORT": str(self.admin),
                "UPSTREAM_PORT": str(self.upstream),
                "LOCAL_DIR": str(self.directory),
                "ENVOY_BIN": str(paths.envoy()),
                "MOCK_LLM_BIN": str(paths.mock_llm()),
                "FILTER_WASM": str(paths.wasm()),
            },
        )

    def demo(self) -> dict[str, str]:
        """`demo.env`, once the stack is ready."""
        file = self.directory / "demo.env"
        self.process.wait_ready("demo.env", file.exists, deadline=60)
        lines = [line.removeprefix("export ") for line in file.read_text().splitlines() if "=" in line]
        return dict(line.split("=", 1) for line in lines)

    def ports(self) -> list[int]:
        return [self.api, self.admin, self.upstream]

    def children(self) -> list[int]:
        """Processes that were started by it, directly or not."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                except (OSError, IndexError):
                    continue
        found, new = [], [self.process.pid]
        while new:
            new = [pid for pid, parent in parents.items() if parent in new]
            found += new
        return found


@pytest.fixture
def stack(tmp_path):
    """Started, and ended even where a test fails."""
    one = LocalStack(tmp_path)
    yield one
    one.process.stop()


def unquoted(text: str) -> str:
    return text.strip("'\"")


def client(demo: dict[str, str]) -> openai.OpenAI:
    return openai.OpenAI(base_url=unquoted(demo["OPENAI_BASE_URL"]), api_key=unquoted(demo["OPENAI_API_KEY"]))


HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_starts_serves_and_leaves_nothing_behind(stack, number):
    demo = stack.demo()
    assert client(demo).chat.completions.create(**HELLO).choices
    assert unquoted(demo["ENVOY_ADMIN_URL"]).endswith(f":{stack.admin}")
    assert all(listens(port) for port in stack.ports())
    children = stack.children()
    assert len(children) >= 2, "an upstream and an Envoy"
    stack.process.signal(number)
    assert stack.process.wait_exit() == 0
    wait_until("its processes to end", lambda: not [p for p in children if _runs(p)])
    assert not [port for port in stack.ports() if listens(port)]
    assert not (stack.directory / "demo.env").exists(), "the demo key is gone with the stack"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_stacks_run_side_by_side(tmp_path):
    stacks = []
    try:
        for name in ("one", "other"):
            directory = tmp_path / name
            directory.mkdir()
            stacks.append(LocalStack(directory))
        one, other = (stack.demo() for stack in stacks)
        assert client(one).models.list().data
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(
                base_url=unquoted(other["OPENAI_BASE_URL"]), api_key=unquoted(one["OPENAI_API_KEY"])
            ).models.list()
    finally:
        for stack in stacks:
            stack.process.stop()


def test_the_demo_keys_file_is_the_owners_alone(stack):
    stack.demo()
    assert (stack.directory / "demo.env").stat().st_mode & 0o077 == 0


def test_a_port_in_use_is_said_and_nothing_stays(stack, tmp_path):
    stack.demo()
    directory = tmp_path / "second"
    directory.mkdir()
    second = Process(
        "second gmtech up",
        [str(paths.gmtech()), "up"],
        directory / "up.log",
        env={
            "API_PORT": str(stack.api),
            "ENVOY_ADMIN_PORT": str(free_port()),
            "UPSTREAM_PORT": str(free_port()),
            "LOCAL_DIR": str(directory / "local"),
            "ENVOY_BIN": str(paths.envoy()),
            "MOCK_LLM_BIN": str(paths.mock_llm()),
            "FILTER_WASM": str(paths.wasm()),
        },
    )
    assert second.wait_exit(60) != 0
    assert "API_PORT" in second.output()
    assert client(stack.demo()).models.list().data, "the first one goes on"


def test_it_ends_when_envoy_does(stack):
    stack.demo()
    (envoy,) = [pid for pid in stack.children() if "envoy" in Path(f"/proc/{pid}/exe").resolve().name]
    os.kill(envoy, signal.SIGKILL)
    assert stack.process.wait_exit() != 0
    wait_until("the upstream to end", lambda: not listens(stack.upstream))
