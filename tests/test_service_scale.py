"""Many keys: the time that a gate takes to learn them, their memory, the cost of a lookup, and the effect of a thousand
changes a second on requests. The tests assert ratios and print times, which depend on the machine."""

import os
import statistics
import threading
import time
from pathlib import Path

import pytest

from harness import http1, measurements
from harness import service as services
from harness.waiting import wait_until

pytestmark = pytest.mark.alone

MANY = int(os.environ.get("GMTECH_MANY_KEYS", "5000"))
FEW = 10

# What 100,000 records may weigh in Envoy: their bytes, the map's own, and two copies of what a page needs.
MIB_FOR_100K = 120


def resident(gate) -> float:
    """Envoy's resident memory in MiB."""
    status = Path(f"/proc/{gate.envoy.process.pid}/status").read_text()
    (line,) = [row for row in status.splitlines() if row.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def cpu(gate) -> float:
    """CPU seconds of all its threads so far."""
    fields = Path(f"/proc/{gate.envoy.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(gate, chosen, count: int) -> list[float]:
    """So many requests with keys in turn, one after the other; how long each took."""
    raws = [http1.request("GET", "/api/v1/models", [("authorization", key.bearer)]) for key in chosen]
    times = []
    with http1.connect(gate.port) as s:
        for n in range(count):
            start = time.monotonic()
            s.sendall(raws[n % len(raws)])
            assert http1.receive(s).status == 200
            times.append(time.monotonic() - start)
    return times


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Two services with a gate each, one with few keys and one with many; and how long the many took to learn."""
    directories = [tmp_path_factory.mktemp(name) for name in ("few", "many")]
    with services.stack(directories[0]) as (small, (few,)):
        few_keys = small.keys(FEW)
        large = services.Service(directories[1])
        try:
            many_keys = large.keys(MANY)
            version = large.ask("GET", f"/keys/{many_keys[-1].id}")["version"]
            many = services.gate(directories[1], large)
            began = time.monotonic()
            try:
                wait_until("all keys", lambda: has(large, version), 120, every=0.005)
                measurements.tell(f"{MANY} keys learned by an empty Envoy in {time.monotonic() - began:.2f} s")
                yield few, few_keys, many, many_keys, large
                many.check()
            finally:
                many.stop()
        finally:
            large.stop()


def has(service, version: int) -> bool:
    """Whether the one live proxy has reported this version."""
    proxies = service.ask("GET", "/proxies")["data"]
    return any(p["version"] >= version for p in proxies)


def test_the_memory_of_many_keys(crowd):
    few, _, many, many_keys, _ = crowd
    extra = resident(many) - resident(few)
    measurements.tell(f"{MANY} keys weigh {extra:.1f} MiB more than {FEW}, {extra * 2**20 / MANY:.0f} bytes each")
    # Below some thousand keys the difference of two processes says nothing.
    if MANY >= 50_000:
        assert extra < MIB_FOR_100K * MANY / 100_000


def test_a_lookup_costs_the_same_among_many(crowd):
    few, few_keys, many, many_keys, _ = crowd
    spread = many_keys[:: max(1, MANY // 1000)]
    turns, requests = (15, 1000) if MANY >= 50_000 else (5, 400)
    costs: dict[str, list[float]] = {"few": [], "many": []}
    for gate, chosen in ((few, few_keys), (many, spread)):
        ask(gate, chosen, requests)
    for turn in range(turns):
        order = [("few", few, few_keys), ("many", many, spread)]
        for name, gate, chosen in order if turn % 2 else order[::-1]:
            before = cpu(gate)
            ask(gate, chosen, requests)
            costs[name].append((cpu(gate) - before) / requests)
    ratios = [m / f for m, f in zip(costs["many"], costs["few"], strict=True)]
    ratio = statistics.median(ratios)
    measurements.tell(
        f"CPU of a request among {MANY} keys against {FEW}: {ratio:.2f} (median of {turns} interleaved pairs, "
        f"{min(ratios):.2f} to {max(ratios):.2f}; {1e6 * statistics.median(costs['many']):.0f} µs)"
    )
    assert ratio < 1.5


CHANGES = 1000  # a second


def test_requests_keep_their_latency_while_a_thousand_keys_a_second_change(crowd):
    _, _, many, many_keys, service = crowd
    asking = many_keys[:100]
    team = service.team()
    calm = ask(many, asking, 1500)
    ending, made = threading.Event(), [0]

    def change() -> None:
        asked = {"team": team, "name": "e2e", "tier": "team"}
        due = time.monotonic()
        while not ending.is_set():
            service.ask("POST", "/keys/batch", json={"keys": [asked] * (CHANGES // 10)})
            made[0] += CHANGES // 10
            due += 0.1
            time.sleep(max(0.0, due - time.monotonic()))

    changing = threading.Thread(target=change)
    began = time.monotonic()
    changing.start()
    busy = []
    while time.monotonic() < began + 4:
        busy += ask(many, asking, 200)
    rate = made[0] / (time.monotonic() - began)
    ending.set()
    changing.join()
    ratio = statistics.median(busy) / statistics.median(calm)
    p99 = statistics.quantiles(busy, n=100)[98] / statistics.quantiles(calm, n=100)[98]
    measurements.tell(
        f"latency with {rate:.0f} changes a second against none: median {ratio:.2f}, 99th percentile {p99:.2f} times "
        f"({1000 * statistics.median(busy):.2f} ms against {1000 * statistics.median(calm):.2f} ms)"
    )
    assert rate > 0.8 * CHANGES, "the changes were not made fast enough to say anything"
    assert ratio < 3
