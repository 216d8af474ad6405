"""The description of the management API: valid, sufficient to generate a client, and true of what the service does."""

import json
import os
import subprocess

import httpx
import pytest

from harness import paths
from harness.postgres import Postgres
from harness.service import ADMIN_TOKEN, Service

TOOLS = paths.TESTS / "api"

# How long the fuzzer goes on, in seconds, on each database. Its first phase, every edge of every field, is not cut.
FUZZ_SECONDS = int(os.environ.get("GMTECH_API_FUZZ_SECONDS", "30"))


# An error of CPython's in `ast.parse` (python/cpython#106905), which ends the fuzzer's process now and then. Then it has
# said nothing of the service, and runs again.
INTERPRETER_BUG = "AST constructor recursion depth mismatch"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("description"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def description(service, tmp_path_factory):
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(service.ask("GET", "/openapi.json"), indent=1))
    return path


def ran(*command, **options) -> subprocess.CompletedProcess:
    """A program that has ended."""
    command = [str(part) for part in command]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def succeeded(done: subprocess.CompletedProcess) -> str:
    """The output of a program that must have succeeded."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-20_000:]}\n{done.stderr[-5_000:]}"
    return done.stdout


def run(*command, **options) -> str:
    """The output of a program that must succeed."""
    return succeeded(ran(*command, **options))


def tool(name: str):
    return paths.api_tools() / "venv/bin" / name


def test_it_is_valid(description):
    run(tool("openapi-spec-validator"), description)


def test_it_keeps_the_rules_of_openapi(description):
    spectral = paths.api_tools() / "node_modules/.bin/spectral"
    run(spectral, "lint", description, "--ruleset", TOOLS / "rules.yaml", "--fail-severity", "warn")


def test_a_client_made_from_it_leads_a_key_through_its_whole_life(service, description, tmp_path):
    run(
        tool("openapi-python-client"), "generate", "--path", description, "--output-path", tmp_path / "client",
        "--meta", "none", "--config", TOOLS / "client.yaml", "--fail-on-warning",
    )  # fmt: skip
    env = {**os.environ, "GMTECH_ADMIN_URL": f"http://127.0.0.1:{service.port}", "GMTECH_ADMIN_TOKEN": ADMIN_TOKEN}
    run(tool("python"), TOOLS / "life_of_a_key.py", env={**env, "PYTHONPATH": str(tmp_path)})


@pytest.fixture(params=["sqlite", "postgres"])
def fuzzed(request, tmp_path):
    if request.param == "sqlite":
        server, service = None, Service(tmp_path)
    else:
        server = Postgres()
        service = Service(tmp_path, database=server.url)
    yield service
    service.stop()
    if server:
        server.stop()


def test_the_service_does_what_its_description_says(fuzzed):
    """All checks of the fuzzer: no 5xx, no undeclared answer, no described request refused, no other request accepted."""
    fuzzed.team()
    for _ in range(3):
        done = ran(
            tool("schemathesis"), "--config-file", TOOLS / "schemathesis.toml", "run",
            f"http://127.0.0.1:{fuzzed.port}/admin/v1/openapi.json", "--checks", "all", "--max-time", FUZZ_SECONDS,
            env={**os.environ, "GMTECH_ADMIN_TOKEN": ADMIN_TOKEN, "PYTHONUTF8": "1"},
        )  # fmt: skip
        if INTERPRETER_BUG not in done.stdout:
            break
    succeeded(done)
    # Not by the token: the fuzzer may have revoked that.
    ready = httpx.get(f"http://127.0.0.1:{fuzzed.port}/readyz", trust_env=False, timeout=10)
    assert ready.status_code == 200, ready.text
    assert "panicked" not in fuzzed.output()
