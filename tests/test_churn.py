"""Configurations change many times under load, while streams are open and the key service answers slowly. In the end the
ledger agrees with the upstream, to the token, and so does everything else that a VM keeps beyond a configuration: metrics,
places in flight, what is held of bodies, the poll."""

import copy
import json
import threading
from contextlib import contextmanager

import pytest

from harness import bootstrap as places
from harness import http1, metered
from harness import service as services
from harness.books import agree, counted, events, truth
from harness.dynamic import Ecds, Lds
from harness.fault_proxy import FaultProxy
from harness.gate import Counted, Gate
from harness.uploads import Upload
from harness.waiting import free_port, wait_until

UPDATES = 20
CLIENTS = 6
ENDLESS = {"requests_per_minute": 1_000_000, "tokens_per_minute": 100_000_000, "max_in_flight": 100}
# An answer of the service to usage; another root context ticks meanwhile.
SLOW = 0.03
MIB = 1 << 20


class Load(threading.Thread):
    """One client that sends the next request as soon as it has an answer, on a new connection each time. (A listener that
    is replaced closes its connections after a while, and a request that is cut off cannot be compared to the token.)"""

    def __init__(self, ports: list[int], key):
        super().__init__(daemon=True)
        self.ports, self.key = ports, key
        self.answered = 0
        self.odd: list[str] = []
        self.ending = False
        self.start()

    def run(self) -> None:
        while not self.ending:
            # Half of them are streams of about a tenth of a second, so that some are open at any moment.
            streamed = {"stream": True} if self.answered % 2 else {}
            mock = "output_tokens=12;event_delay_ms=8" if streamed else "output_tokens=5"
            raw = http1.request("POST", metered.CHAT_PATH, metered.headers(self.key, mock), metered.body(**streamed))
            port = self.ports[self.answered % len(self.ports)]
            try:
                answer = http1.exchange(port, raw)
            except OSError as refused:
                answer = http1.Answer(ended=repr(refused))
            if (answer.status, answer.ended) == (200, "complete"):
                self.answered += 1
            else:
                self.odd.append(answer.ended + answer.everything())


@contextmanager
def loaded(service, ports: list[int]):
    """Clients at work. At the end all their requests have been answered."""
    keys = service.keys(CLIENTS, limits=ENDLESS)
    loads = [Load(ports, key) for key in keys]
    yield loads
    for load in loads:
        load.ending = True
    for load in loads:
        load.join()
    odd = [text for load in loads for text in load.odd]
    assert not odd, odd[:3]


@pytest.fixture
def slow(tmp_path):
    """A service that answers late to usage: (service, fault_proxy)."""
    service = services.Service(tmp_path)
    fault_proxy = FaultProxy(service.sync_port)
    fault_proxy.delay("usage", SLOW)
    yield service, fault_proxy
    fault_proxy.stop()
    service.stop()


@contextmanager
def running(directory, fault_proxy, **options):
    with services.gate(directory, fault_proxy.port, **options) as gate:
        services.ready(gate)
        yield gate
        fault_proxy.behave()


def changed(gate: Gate, turn: int) -> str:
    """The filter's configuration with a harmless change."""
    config = json.loads(places.plugin(gate.rendered)["configuration"]["value"])
    config.setdefault("metering", {})["default_output_tokens"] = 1024 + turn
    return json.dumps(config)


def in_force(gate: Gate, key, turn: int) -> None:
    """Waits until requests are judged by the changed configuration."""

    def reserved() -> bool:
        assert metered.post(gate, key).status == 200
        charge = metered.Charge.of(metered.rows(gate, key)[-1])
        return charge.reserved - charge.prompt_estimate == 1024 + turn

    wait_until("the next configuration", reserved)


class Remembering:
    """An overlay that keeps the rendered configuration, before another overlay changes it."""

    def __init__(self, overlay):
        self.overlay = overlay

    def __call__(self, bootstrap: dict) -> dict:
        self.rendered = copy.deepcopy(bootstrap)
        return self.overlay(bootstrap)


@pytest.mark.parametrize("watch", [Lds, Ecds])
def test_twenty_updates_under_load_lose_and_double_nothing(slow, tmp_path, watch):
    service, fault_proxy = slow
    overlay = Remembering(watch(tmp_path / "watch"))
    with running(tmp_path / "gate", fault_proxy, overlay=overlay) as gate:
        gate.rendered = overlay.rendered
        with loaded(service, [gate.port]) as loads:
            for turn in range(UPDATES):
                # Each configuration has been at work before the next one comes.
                before = [load.answered for load in loads]
                assert overlay.overlay.update(gate, changed(gate, turn))
                wait_until(
                    "answers under it", lambda b=before: all(x.answered >= n + 2 for x, n in zip(loads, b, strict=True))
                )
        agree(service, gate)
        answered = sum(load.answered for load in loads)
        assert sum(sums["requests"] for sums in truth(gate).values()) == answered
        assert gate.counted()[Counted("team", "allowed")] == answered
        for load in loads:
            assert metered.limits(gate, load.key)["max_in_flight"]["used"] == 0


def two_listeners(bootstrap: dict) -> dict:
    """The same API on a second port with another configuration: each VM has two root contexts."""
    (first,) = bootstrap["static_resources"]["listeners"]
    second = copy.deepcopy(first)
    second["name"] = "second"
    second["address"]["socket_address"]["port_value"] = free_port()
    bootstrap["static_resources"]["listeners"] = [second]
    config = json.loads(places.plugin(bootstrap)["configuration"]["value"])
    config["service"]["unknown_key_seconds"] = 7
    places.configure(bootstrap, json.dumps(config))
    bootstrap["static_resources"]["listeners"] = [first, second]
    return bootstrap


def test_two_listeners_whose_configurations_differ_lose_nothing(slow, tmp_path):
    service, fault_proxy = slow
    with running(tmp_path / "gate", fault_proxy, overlay=two_listeners) as gate:
        _, second = gate.bootstrap["static_resources"]["listeners"]
        with loaded(service, [gate.port, second["address"]["socket_address"]["port_value"]]) as loads:
            wait_until("requests", lambda: sum(load.answered for load in loads) >= 600, 30)
        agree(service, gate)


def test_what_is_under_way_when_its_configuration_ends_goes_from_the_next(slow, tmp_path):
    """The root context that sent a batch ends before the answer arrives."""
    service, fault_proxy = slow
    overlay = Remembering(Ecds(tmp_path / "watch"))
    with running(tmp_path / "gate", fault_proxy, overlay=overlay) as gate:
        gate.rendered = overlay.rendered
        key = service.key()
        fault_proxy.hold("usage")
        assert metered.post(gate, key).status == 200
        fault_proxy.wait_held("usage")
        assert overlay.overlay.update(gate, changed(gate, 1))
        assert metered.post(gate, key).status == 200
        fault_proxy.release("usage")
        agree(service, gate)
        assert len(events(service)) == 2


def test_a_service_that_is_no_longer_configured_gets_what_was_used_under_it(slow, tmp_path):
    service, fault_proxy = slow
    overlay = Remembering(Ecds(tmp_path / "watch"))
    with running(tmp_path / "gate", fault_proxy, overlay=overlay) as gate:
        gate.rendered = overlay.rendered
        key = service.key()
        fault_proxy.instead("usage", lambda: (503, b""))
        assert metered.post(gate, key).status == 200
        wait_until("a refused post", lambda: fault_proxy.count("usage") >= 1)
        assert overlay.overlay.update(gate, "{}")
        wait_until("a gate without keys", lambda: gate.models(key).status == 401)
        fault_proxy.behave()
        wait_until("the event", lambda: counted(service).get(key.id, {}).get("requests") == 1)
        agree(service, gate)


# What else a VM keeps.


@pytest.mark.parametrize("watch", [Lds, Ecds])
def test_a_revocation_arrives_though_the_poll_began_under_the_last_configuration(slow, tmp_path, watch):
    service, fault_proxy = slow
    overlay = Remembering(watch(tmp_path / "watch"))
    with running(tmp_path / "gate", fault_proxy, overlay=overlay) as gate:
        gate.rendered = overlay.rendered
        for turn in range(1, 6):
            key, other = service.key(), service.key()
            wait_until("the keys", lambda k=key, o=other: gate.models(k).status == gate.models(o).status == 200)
            fault_proxy.hold("changes")
            fault_proxy.wait_held("changes")
            assert overlay.overlay.update(gate, changed(gate, turn))
            in_force(gate, other, turn)
            service.change(key, "revoke")
            fault_proxy.release("changes")
            # An answer that never comes is waited for six seconds.
            wait_until("its end", lambda k=key: gate.models(k).status == 403, deadline=2)


def test_of_two_listeners_on_two_workers_one_polls(slow, tmp_path):
    service, fault_proxy = slow
    with running(tmp_path / "gate", fault_proxy, overlay=two_listeners) as gate:
        key = service.key(limits=ENDLESS)
        wait_until("the key", lambda: gate.models(key).status == 200)
        fault_proxy.hold("changes")
        fault_proxy.wait_held("changes")
        # Usage is posted at ticks, and each root context ticks as often.
        for _ in range(5):
            posts = fault_proxy.count("usage")
            assert metered.post(gate, key).status == 200
            wait_until("a later tick", lambda p=posts: fault_proxy.count("usage") > p)
        assert fault_proxy.held("changes") == 1


def test_bodies_that_began_under_the_last_configuration_count_in_the_next(start, tmp_path):
    bounds = {"per_body_bytes": 8 * MIB, "per_key_bytes": 8 * MIB, "unresolved_bytes": MIB, "all_bytes": 16 * MIB}
    overlay = Remembering(Ecds(tmp_path / "watch"))
    kinds = {"endless": (1, "team", {"limits": ENDLESS})}
    gate = start(kinds=kinds, concurrency=1, config={"held_bodies": bounds}, overlay=overlay)
    gate.rendered = overlay.rendered
    key = gate.key("endless")
    first = Upload(gate, key, 8 * MIB, chunked=True)
    first.send(6 * MIB)
    assert overlay.overlay.update(gate, changed(gate, 1))
    in_force(gate, key, 1)
    second = Upload(gate, key, 6 * MIB)
    answer = second.answer()
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded"), answer.everything()
    assert "request bodies on their way" in answer.error["message"]
    second.close()
    first.close()
    large = metered.body("x" * (7 * MIB), max_tokens=5)
    wait_until("what was held to be free", lambda: metered.post(gate, key, large).status == 200)
    assert metered.limits(gate, key)["max_in_flight"]["used"] == 0
