"""The first five minutes of a newcomer: `gmtech up` (what `make run` starts), a demo key, an answer, a key of one's own,
Ctrl-C."""

import json
import os
import signal
import subprocess
from pathlib import Path

import openai
import pytest

from harness import paths
from harness.process import Process
from harness.waiting import free_port, listens, wait_until


class LocalStack:
    """`gmtech up` on ports and in a directory of its own."""

    def __init__(self, directory: Path, **variables: str):
        self.api, self.admin, self.upstream = free_port(), free_port(), free_port()
        self.service, self.sync = free_port(), free_port()
        self.directory = directory / "local"
        self.process = Process(
            "gmtech up",
            [str(paths.gmtech()), "up"],
            directory / "up.log",
            env={
                "API_PORT": str(self.api),
                "ENVOY_ADMIN_PORT": str(self.admin),
                "UPSTREAM_PORT": str(self.upstream),
                "SERVICE_PORT": str(self.service),
                "SYNC_PORT": str(self.sync),
                "LOCAL_DIR": str(self.directory),
                "ENVOY_BIN": str(paths.envoy()),
                "MOCK_LLM_BIN": str(paths.mock_llm()),
                "FILTER_WASM": str(paths.wasm()),
                **variables,
            },
        )

    def demo(self) -> dict[str, str]:
        """`demo.env`, once the stack is ready."""
        file = self.directory / "demo.env"
        self.process.wait_ready("demo.env", file.exists, deadline=60)
        lines = [line.removeprefix("export ") for line in file.read_text().splitlines() if "=" in line]
        return dict(line.split("=", 1) for line in lines)

    def gmtech(self, *args: str) -> dict:
        """What the command line says with the variables of `demo.env`."""
        variables = {name: unquoted(text) for name, text in self.demo().items()}
        command = [str(paths.gmtech()), *args, "--json"]
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def ports(self) -> list[int]:
        return [self.api, self.admin, self.upstream, self.service, self.sync]

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


def client(demo: dict[str, str], key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=unquoted(demo["OPENAI_BASE_URL"]), api_key=key or unquoted(demo["OPENAI_API_KEY"]), max_retries=0
    )


HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_starts_serves_and_leaves_nothing_behind(stack, number):
    demo = stack.demo()
    assert client(demo).chat.completions.create(**HELLO).choices
    assert unquoted(demo["ENVOY_ADMIN_URL"]).endswith(f":{stack.admin}")
    assert all(listens(port) for port in stack.ports())
    children = stack.children()
    assert len(children) >= 3, "a key service, an upstream and an Envoy"
    stack.process.signal(number)
    assert stack.process.wait_exit() == 0
    wait_until("its processes to end", lambda: not [p for p in children if _runs(p)])
    assert not [port for port in stack.ports() if listens(port)]
    left = {file.name for file in stack.directory.iterdir() if file.suffix != ".log"}
    left -= {"gmtech.db-shm", "gmtech.db-wal"}  # there or not, as SQLite left them
    own = {"gmtech.db", "gmtech.db.served", "gmtech.db.reserve", "gmtech.db.lock", "admin.token", "sync.token"}
    assert left == own, "the service's own, and no demo key"


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


CREATE = ("keys", "create", "--team", "demo", "--name", "ci", "--tier", "free")


def test_a_key_works_as_soon_as_it_is_made_and_not_a_second_longer_than_it_may(stack):
    demo = stack.demo()
    made = stack.gmtech(*CREATE)
    mine = client(demo, made["key"])
    assert mine.chat.completions.create(**HELLO).choices, "at once"

    revoked = stack.gmtech("keys", "revoke", made["id"])
    assert revoked["status"] == "revoked"

    def refused() -> bool:
        try:
            mine.models.list()
        except openai.PermissionDeniedError as error:
            return error.code == "key_revoked"
        return False

    wait_until("the revoked key to be refused", refused, deadline=1)
    assert client(demo).models.list().data, "other keys go on"


def test_what_a_key_used_is_counted_and_paid_from_the_teams_credit(stack):
    key = stack.gmtech(*CREATE)
    used = client(stack.demo(), key["key"]).chat.completions.create(**HELLO).usage
    assert used.total_tokens > 0
    wait_until("the usage to arrive", lambda: stack.gmtech("keys", "show", key["id"])["last_used_at"], deadline=10)
    team = stack.gmtech("teams", "balance", "demo")
    assert team["prepaid"] and not team["exhausted"]
    assert 99_000_000_000 < team["balance_nano_usd"] < 100_000_000_000


def test_keys_that_were_made_outlive_the_stack_and_demo_keys_do_not(stack, tmp_path):
    made = stack.gmtech(*CREATE)
    before = stack.demo()
    stack.process.signal(signal.SIGINT)
    assert stack.process.wait_exit() == 0
    again = LocalStack(tmp_path)
    try:
        demo = again.demo()
        assert client(demo, made["key"]).models.list().data
        assert client(demo).models.list().data
        with pytest.raises(openai.PermissionDeniedError):
            client(demo, unquoted(before["OPENAI_API_KEY"])).models.list()
        assert demo["GMTECH_ADMIN_TOKEN"] == before["GMTECH_ADMIN_TOKEN"]
    finally:
        again.process.stop()


def test_only_their_owner_can_read_secrets(stack):
    stack.demo()
    for name in ("demo.env", "envoy.json", "admin.token", "sync.token", "gmtech.db"):
        assert (stack.directory / name).stat().st_mode & 0o077 == 0, name


def test_no_output_shows_the_services_tokens(stack):
    token = unquoted(stack.demo()["GMTECH_ADMIN_TOKEN"])
    tokens = [token, (stack.directory / "sync.token").read_text().strip()]
    texts = [stack.process.output()] + [file.read_text() for file in stack.directory.glob("*.log")]
    assert not [text for text in texts if any(token in text for token in tokens)]


def test_the_variables_of_another_stack_do_not_count(tmp_path):
    one = LocalStack(tmp_path, GMTECH_ADMIN_TOKEN="token-of-another-stack", GMTECH_SYNC_TOKEN="token-of-another-stack")
    try:
        assert unquoted(one.demo()["GMTECH_ADMIN_TOKEN"]) != "token-of-another-stack"
        assert one.gmtech("keys", "list", "--team", "demo")["data"]
    finally:
        one.process.stop()


def test_a_port_in_use_is_named_and_nothing_is_left(stack, tmp_path):
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
            "SERVICE_PORT": str(free_port()),
            "SYNC_PORT": str(free_port()),
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
    wait_until("the others to end", lambda: not [port for port in stack.ports() if listens(port)])


def test_the_gate_goes_on_while_the_key_service_is_killed_and_started_again(stack):
    demo = stack.demo()
    (service,) = [pid for pid in stack.children() if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(service, signal.SIGKILL)
    wait_until("the service to be gone", lambda: not listens(stack.service))
    assert client(demo).chat.completions.create(**HELLO).choices, "without the service"
    wait_until("the service to be back", lambda: listens(stack.service) and listens(stack.sync), deadline=30)
    made = stack.gmtech(*CREATE)
    assert client(demo, made["key"]).models.list().data
    assert stack.process.alive()
