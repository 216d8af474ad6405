"""Fixtures: the shared gate, and the check after every test."""

import os

import pytest

from harness import measurements
from harness.canned import Canned
from harness.gate import Gate

# The machine's HTTP proxy must not be used for the loopback.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.fixture(scope="session")
def shared_gate(tmp_path_factory):
    """One gate for every test that only uses it. Keys are not shared: each test takes its own."""
    gate = Gate(tmp_path_factory.mktemp("gate"))
    yield gate
    gate.stop()


@pytest.fixture
def gate(shared_gate) -> Gate:
    return shared_gate


@pytest.fixture
def start(tmp_path):
    """Starts gates of a test's own and stops them: `start(config={…}, overlay=…)`."""
    gates: list[Gate] = []

    def start_one(**options) -> Gate:
        directory = tmp_path / f"gate{len(gates)}"
        directory.mkdir()
        gates.append(Gate(directory, **options))
        return gates[-1]

    yield start_one
    for gate in gates:
        gate.stop()


@pytest.fixture(scope="module")
def canned():
    """An upstream with prepared answers, for the gates of a module."""
    canned = Canned()
    yield canned
    canned.stop()


@pytest.fixture(autouse=True)
def gates_stay_healthy(request):
    """After every test: no running gate has a failed VM, a dead Envoy or a key in its logs.

    It requests `start` first where a test uses it, so that this check runs before the test's gates are stopped.
    """
    if "start" in request.fixturenames:
        request.getfixturevalue("start")
    if "gate" in request.fixturenames:
        request.getfixturevalue("gate")
    for gate in Gate.running:
        gate.mark()
    yield
    for gate in list(Gate.running):
        gate.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows logs if a test fails."""
    report = yield
    if report.failed:
        for number, gate in enumerate(Gate.running):
            rows = [str(row) for row in gate.envoy.rows()[gate._first_row :]]
            report.sections.append((f"Envoy {number}", gate.log()[-8000:]))
            report.sections.append((f"access log {number}", "\n".join(rows[-20:])))
            if gate.mock:
                report.sections.append((f"mock-llm {number}", gate.mock.process.output()[-2000:]))
    return report


def pytest_sessionfinish(session):
    """Sends the measurements of a worker to the process that reports."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["told"] = measurements.lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    measurements.lines.extend(getattr(node, "workeroutput", {}).get("told", []))


def pytest_terminal_summary(terminalreporter):
    """Prints the measurements."""
    if measurements.lines:
        terminalreporter.section("measured")
        for line in measurements.lines:
            terminalreporter.write_line(line)
