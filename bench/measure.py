"""Measures Envoy's CPU time per request with and without the filter, in one interleaved run on one machine.

It promises no absolute time. The two Envoys differ only in the filter (envoy.yaml, and the same with `--no-filter`; or two
modules, with `--against`). They run side by side and are loaded in turns (A B, B A, A B, …), so that other work on the machine
affects both. The report has the ratio of each pair, and the median.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness import paths  # noqa: E402
from harness.bootstrap import manager  # noqa: E402
from harness.gate import Gate  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
MESSAGE = "Please sum up the following text in one sentence. " * 20
# Limits that no load reaches, since requests that pass are measured.
ENDLESS = {"requests_per_minute": 1_000_000_000, "tokens_per_minute": 1_000_000_000}

CASES = {
    # name: method, path, body
    "models": ("GET", "/v1/models", ""),
    "chat": (
        "POST",
        "/v1/chat/completions",
        '{"model":"gpt-4o","messages":[{"role":"user","content":"%s"}],"max_tokens":40}' % MESSAGE,
    ),
    "stream": (
        "POST",
        "/v1/chat/completions",
        '{"model":"gpt-4o","messages":[{"role":"user","content":"%s"}],"max_tokens":40,"stream":true}' % MESSAGE,
    ),
}


@dataclass(frozen=True)
class Sample:
    """One turn of load on one Envoy."""

    requests: int
    cpu_seconds: float

    @property
    def microseconds(self) -> float:
        return self.cpu_seconds / self.requests * 1e6


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def wrk_script(directory: Path, case: str, key: str) -> Path:
    """The request, as wrk's Lua reads it. It holds a key that lives as long as this run."""
    method, _, body = CASES[case]
    script = directory / f"{case}.lua"
    script.write_text(
        f'wrk.method = "{method}"\n'
        f'wrk.headers["authorization"] = "Bearer {key}"\n'
        f'wrk.headers["content-type"] = "application/json"\n' + (f"wrk.body = [[{body}]]\n" if body else "")
    )
    script.chmod(0o600)
    return script


def load(gate: Gate, script: Path, case: str, seconds: int, connections: int) -> Sample:
    """Loads one Envoy and returns its CPU time per request. Any answer but 200 fails the run."""
    pid = gate.envoy.process.pid
    counters = r"^http\.api\.downstream_rq_(completed|2xx)$"
    before, began = gate.envoy.stats(counters), cpu_seconds(pid)
    url = f"http://127.0.0.1:{gate.port}{CASES[case][1]}"
    subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    cpu, after = cpu_seconds(pid) - began, gate.envoy.stats(counters)
    done, good = (after[n] - before[n] for n in ("http.api.downstream_rq_completed", "http.api.downstream_rq_2xx"))
    # wrk abandons its last requests, which Envoy counts as ended without an answer.
    assert done and done - good <= connections, f"{done - good} of {done} requests were not answered 200"
    return Sample(done, cpu)


def measure(
    case: str, pairs: int, seconds: int, connections: int, workers: int, against: Path | None
) -> list[tuple[Sample, Sample]]:
    """Pairs (without, with) in alternating order, after a discarded turn on each. "Without" is without the
    filter, or with the other module."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gates = []
        for name, passthrough, module in (("without", against is None, against), ("with", False, None)):
            (directory / name).mkdir()
            kinds = {} if passthrough else {"endless": (1, "team", {"limits": ENDLESS})}
            gate = Gate(
                directory / name, passthrough=passthrough, kinds=kinds, concurrency=workers, overlay=quiet, wasm=module
            )
            stack.callback(gate.stop)
            gates.append(gate)
        # Without the filter any key passes; its length is the same.
        key = gates[1].key("endless").text
        keys = [key if against is None else gates[0].key("endless").text, key]
        scripts = [wrk_script(directory / name, case, key) for name, key in zip(("without", "with"), keys, strict=True)]
        for gate, script in zip(gates, scripts, strict=True):
            load(gate, script, case, 1, connections)
        done = []
        for number in range(pairs):
            turns = [0, 1] if number % 2 == 0 else [1, 0]
            samples = {turn: load(gates[turn], scripts[turn], case, seconds, connections) for turn in turns}
            done.append((samples[0], samples[1]))
        assert not any(gates[1].envoy.stats("vm_reload").values()), "a VM failed, so the filter was not measured"
        return done


def quiet(config: dict) -> None:
    """Writes both access logs to /dev/null: both Envoys pay for the formatting, and neither for the disk."""
    for log in manager(config)["access_log"]:
        log["name"] = "envoy.access_loggers.file"
        log["typed_config"]["@type"] = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
        log["typed_config"]["path"] = "/dev/null"


def report(case: str, pairs: list[tuple[Sample, Sample]]) -> None:
    print(f"\n{case}: CPU of Envoy per request, µs")
    print(f"  {'pair':>4}  {'without':>8}  {'with':>8}  {'added':>7}  {'ratio':>6}  {'requests':>17}")
    for number, (a, b) in enumerate(pairs, 1):
        added, ratio = b.microseconds - a.microseconds, b.microseconds / a.microseconds
        print(
            f"  {number:>4}  {a.microseconds:>8.1f}  {b.microseconds:>8.1f}  {added:>7.1f}  {ratio:>6.3f}"
            f"  {a.requests:>8} {b.requests:>8}"
        )
    ratios = [b.microseconds / a.microseconds for a, b in pairs]
    added = statistics.median(b.microseconds - a.microseconds for a, b in pairs)
    print(
        f"  median of the pairs: ratio {statistics.median(ratios):.3f}"
        f" (from {min(ratios):.3f} to {max(ratios):.3f}), added {added:.1f} µs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=9, help="pairs of turns a case (9)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a turn (3)")
    parser.add_argument("--connections", type=int, default=16, help="connections of wrk (16)")
    parser.add_argument("--workers", type=int, default=1, help="workers of each Envoy (1)")
    parser.add_argument("--case", action="append", choices=CASES, help="which case; repeat it (all)")
    parser.add_argument("--against", type=Path, help="another module, to compare with in place of no filter")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing. On Debian or Ubuntu: sudo apt-get install wrk. On macOS: brew install wrk")
    if not Path("/proc/self/stat").exists():
        sys.exit("CPU times are read from /proc: this runs on Linux")
    print(f"{platform.platform()}, {os.cpu_count()} cores; the module has {paths.wasm().stat().st_size} bytes")
    for case in options.case or CASES:
        pairs = measure(
            case, options.pairs, options.seconds, options.connections, options.workers, options.against
        )
        report(case, pairs)


if __name__ == "__main__":
    main()
