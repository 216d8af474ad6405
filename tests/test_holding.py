"""Request bodies are charged before they are held. What one key, unknown keys and all keys together make Envoy hold is
bounded, and more than that is refused."""

import re
import socket
from pathlib import Path

import pytest

from harness import bootstrap, http1, keys, metered
from harness import service as services
from harness.fault_proxy import FaultProxy
from harness.uploads import Upload, send_all
from harness.waiting import wait_until

MIB = 1 << 20
UPLOADS = 16
SIZE = 30 * MIB
# One request a second, so that what was charged can be seen, and any number of tokens.
ROOMY = {"limits": {"requests_per_minute": 60, "tokens_per_minute": 1_000_000_000}}


class Memory:
    """Envoy's resident memory since construction, in bytes beyond what it was then."""

    def __init__(self, gate):
        self._proc = Path(f"/proc/{gate.envoy.process.pid}")
        # Resets the peak (proc(5)).
        (self._proc / "clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def _read(self, field: str) -> int:
        (line,) = [x for x in (self._proc / "status").read_text().splitlines() if x.startswith(field + ":")]
        return int(line.split()[1]) << 10

    def now(self) -> int:
        return self._read("VmRSS") - self._before

    def peak(self) -> int:
        """The most that it was at any moment."""
        return self._read("VmHWM") - self._before


def test_a_key_with_one_place_has_one_body_held(start):
    """The attack: two requests a minute, one at a time, and sixteen uploads that never end."""
    small = {"limits": {"requests_per_minute": 2, "max_in_flight": 1}}
    gate = start(kinds={"small": (1, "free", small), "team": (1, "team", {})})
    key = gate.key("small")
    memory = Memory(gate)
    first = Upload(gate, key, SIZE)
    first.send(4 * MIB)
    others = [Upload(gate, key, SIZE) for _ in range(UPLOADS - 1)]
    answers = [u.answer() for u in others]
    assert {a.status for a in answers} == {429}, [a.everything() for a in answers]
    assert {r["decision"] for r in gate.rows()} == {"rate_limit_in_flight"}
    assert [u.sent for u in others] == [0] * len(others), "refused before their bodies"
    first.send(first.size - 1)
    assert first.sent == first.size - 1
    assert memory.peak() < 2 * SIZE
    # It was charged when its head arrived, and holds its place until it ends.
    limits = metered.limits(gate, key)
    assert (limits["requests_per_minute"]["remaining"], limits["max_in_flight"]["used"]) == (1, 1)
    first.close()
    wait_until("its place to come free", lambda: metered.limits(gate, key)["max_in_flight"]["used"] == 0)
    assert metered.limits(gate, key)["requests_per_minute"]["remaining"] == 1
    for upload in others:
        upload.close()
    assert gate.seen() == []


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_one_key_without_a_cap_on_requests_in_flight(start, chunked):
    """On one worker, since the bound is a worker's."""
    gate = start(kinds={"roomy": (2, "team", ROOMY)}, concurrency=1)
    key, other = gate.key("roomy"), gate.key("roomy")
    memory = Memory(gate)
    uploads = [Upload(gate, key, SIZE, chunked=chunked) for _ in range(UPLOADS)]
    send_all(uploads, SIZE - 1)
    wait_until("the refusals", lambda: len(gate.rows()) >= UPLOADS - 2)
    refused = [u for u in uploads if u.answered()]
    whole = [u for u in uploads if u not in refused]
    assert len(whole) <= 2
    assert sum(u.sent for u in whole) <= 64 * MIB
    answers = [u.answer() for u in refused]
    assert {(a.status, a.error["code"]) for a in answers} == {(429, "rate_limit_exceeded")}
    assert all(a.header("retry-after") == "1" and a.header("x-should-retry") == "true" for a in answers)
    assert "request bodies on their way" in answers[0].error["message"]
    # Nothing of the refused bodies is held any more.
    wait_until("the memory to be given back", lambda: memory.now() < 160 * MIB, deadline=30)
    if not chunked:
        # A request that is refused at once spends nothing. Tokens that refill while a body is sent are not given back twice.
        assert metered.limits(gate, key)["requests_per_minute"]["used"] <= len(whole)
    # Other keys are not affected.
    assert metered.post(gate, other).status == 200
    for upload in uploads:
        upload.close()
    # The held bytes are free again.
    large = metered.body("x" * (20 * MIB), max_tokens=5)
    wait_until("what was held to be free", lambda: metered.post(gate, key, large).status == 200)


def test_the_bound_on_the_bodies_of_all_keys(start):
    bounds = {"per_body_bytes": 8 * MIB, "per_key_bytes": 8 * MIB, "unresolved_bytes": MIB, "all_bytes": 20 * MIB}
    gate = start(kinds={"team": (5, "team", {})}, concurrency=1, config={"held_bodies": bounds})
    uploads = [Upload(gate, gate.key("team"), 8 * MIB) for _ in range(4)]
    for upload in uploads:
        upload.send(8 * MIB - 1)
    # Two fit. Which two depends on the order in which Envoy reads them.
    wait_until("two refusals", lambda: sum(u.answered() for u in uploads) == 2)
    for answer in [u.answer() for u in uploads if u.answered()]:
        assert (answer.status, answer.error["code"]) == (503, "gate_overloaded")
        assert answer.header("retry-after") == "1"
    assert "overloaded" in {r.get("decision") for r in gate.rows()}
    for upload in uploads:
        upload.close()
    wait_until("room for another", lambda: metered.post(gate, gate.key("team")).status == 200)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_that_is_too_large(start, chunked):
    gate = start(kinds={"roomy": (1, "team", ROOMY)}, config={"held_bodies": {"per_body_bytes": MIB}})
    key = gate.key("roomy")
    upload = Upload(gate, key, 3 * MIB, chunked=chunked)
    if chunked:
        upload.send(3 * MIB - 1)
    answer = upload.answer()
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert "1 MiB" in answer.error["message"]
    assert metered.limits(gate, key)["requests_per_minute"]["used"] == 1
    upload.close()
    assert gate.seen() == []


# What Envoy itself bounds.


class Deaf:
    """An upstream that accepts connections and reads nothing."""

    def __enter__(self) -> "Deaf":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self._listener.getsockname()[1]
        return self

    def __exit__(self, *_) -> None:
        self._listener.close()


def heap(config: dict, size: int) -> None:
    """Sets the memory that Envoy may allocate."""
    (monitor,) = [m for m in config["overload_manager"]["resource_monitors"] if m["name"].endswith("fixed_heap")]
    monitor["typed_config"]["max_heap_size_bytes"] = size
    config["overload_manager"]["refresh_interval"] = "0.02s"


def test_an_upstream_that_does_not_read(start):
    """Envoy holds what it has forwarded until the upstream takes it. When that is too much, new requests get a 503."""
    with Deaf() as deaf:

        def overlay(config):
            heap(config, 160 * MIB)
            bootstrap.lead_to(bootstrap.upstream(config), deaf.port)

        gate = start(kinds={"roomy": (1, "team", ROOMY)}, overlay=overlay, mock=False)
        key, memory = gate.key("roomy"), Memory(gate)
        uploads: list[Upload] = []

        def refused() -> bool:
            uploads.append(Upload(gate, key, SIZE))
            uploads[-1].send(SIZE)
            # One after the other: each is forwarded whole, or refused, before the next one begins.
            wait_until("its way", lambda: forwarded(gate) == len(uploads) or uploads[-1].answered(), deadline=20)
            return uploads[-1].answered()

        wait_until("Envoy to have enough", refused, deadline=120, every=0)
        answer = uploads[-1].answer()
        assert (answer.status, answer.error["code"]) == (503, "service_unavailable")
        assert len(uploads) > 1 and not any(upload.answered() for upload in uploads[:-1]), "what is under way goes on"
        assert memory.peak() < 300 * MIB
        for upload in uploads:
            upload.close()
        wait_until("it to go on", lambda: gate.send("GET", "/healthz").status == 200)


def forwarded(gate) -> int:
    """The requests that Envoy has begun to send to the upstream."""
    return gate.envoy.stat("cluster.upstream.upstream_rq_total")


# What all workers share. It never shrinks while Envoy runs.


def test_names_of_models_do_not_grow_what_all_workers_share(start):
    """A client can invent names of models without end. The lengths of names and values that the filter stores do not depend
    on them."""
    gate = start(kinds={"steady": (1, "free", {"limits": {**metered.STEADY, "requests_per_minute": 60_000}})}, concurrency=1)
    key = gate.key("steady")
    # Each answer is longer than the one before, so that something is learned of each model.
    models = ["m" * length for length in (1, 2, 30, 100, 256)]
    # At this level the log has the arguments of each call of the VM.
    gate.envoy.log_level("wasm", "trace")
    stored = []
    for count, model in enumerate(models, start=1):
        before = len(gate.log().splitlines())
        data = metered.body(model=model)
        assert metered.post(gate, key, data, f"output_tokens={2_000 * count}").status == 200
        metered.charges(gate, key, count)
        later = gate.log().splitlines()[before:]
        writes = [re.search(r"\[vm->host\] \S*proxy_set_shared_data\(\d+, (\d+), \d+, (\d+), \d+\)", line) for line in later]
        stored.append({(int(w[1]), int(w[2])) for w in writes if w})
    gate.envoy.log_level("wasm", "debug")
    name = len(f"q/{key.id}")
    assert stored == [{(name, 73), (name, 8 * 16)}] * len(models)


# While an unknown key is asked about.


@pytest.fixture
def slow(tmp_path):
    """A service whose answers can be held back, and a gate of one worker."""
    service = services.Service(tmp_path)
    fault_proxy = FaultProxy(service.sync_port)
    gate = services.gate(tmp_path / "gate", fault_proxy.port, concurrency=1)
    services.ready(gate)
    yield service, fault_proxy, gate
    gate.check()
    fault_proxy.behave()
    gate.stop()
    fault_proxy.stop()
    service.stop()


def test_bodies_that_wait_for_a_key(slow):
    """Invented keys and large bodies, while the service answers slowly."""
    service, fault_proxy, gate = slow
    memory = Memory(gate)
    fault_proxy.hold("resolve", "changes")
    uploads = [Upload(gate, keys.make(), 8 * MIB) for _ in range(12)]
    send_all(uploads, 8 * MIB - 1)
    held = memory.peak()
    assert held < 72 * MIB, f"{held >> 20} MiB of {sum(u.sent for u in uploads) >> 20} MiB"
    answers = [u.answer() for u in uploads]
    assert {a.status for a in answers} == {503}
    assert all(a.header("retry-after") and a.header("x-should-retry") != "false" for a in answers)
    for upload in uploads:
        upload.close()
    fault_proxy.behave()
    assert metered.post(gate, service.key()).status == 200


def test_clients_that_leave_while_their_keys_are_asked_about(slow):
    """The VM hears of every answer, even if no request waits for it any more, and removes the question from the SDK's
    table. Otherwise the question would stay there for ever."""
    service, fault_proxy, gate = slow
    asked = services.resolves(gate)
    rows = len(gate.rows())
    fault_proxy.hold("resolve", "changes")
    gone = 10
    for number in range(gone):
        with http1.connect(gate.port) as s:
            s.sendall(http1.request("GET", "/api/v1/models", metered.headers(keys.make())))
            fault_proxy.wait_held("resolve", number + 1)
    wait_until("their rows", lambda: len(gate.rows()) == rows + gone)
    # At this level the log names each call of the VM.
    gate.envoy.log_level("wasm", "trace")
    fault_proxy.behave()

    def told() -> int:
        return gate.log().count("[host->vm] proxy_on_http_call_response(")

    wait_until("the answers to arrive in the VM", lambda: told() >= gone)
    gate.envoy.log_level("wasm", "debug")
    assert services.resolves(gate) - asked == gone
    assert gate.models(service.key()).status == 200
