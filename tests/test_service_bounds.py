"""The gate keeps to the bounds that the key service has of a key: keys that rotation continues share one limit, and
addresses and endpoints follow the record."""

import json

import pytest

from harness import service as services
from harness.hostile import CHAT
from harness.waiting import wait_until

JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("bounds")) as running:
        yield running


@pytest.fixture
def service(stack):
    return stack[0]


@pytest.fixture
def gate(stack):
    (gate,) = stack[1]
    return gate


def rotated(service, key):
    return service._told(service.ask("POST", f"/keys/{key.id}/rotate", json={"overlap_seconds": 3600}))


def limits(gate, key):
    return json.loads(gate.send("GET", "/v1/limits", [("authorization", key.bearer)]).body)["data"]


def test_rotating_a_key_gives_no_fresh_limit(service, gate):
    first = service.key(limits={"requests_per_minute": 2})
    assert gate.models(first).status == 200
    second = rotated(service, first)
    assert gate.models(second).status == 200
    for key in (first, second):
        assert gate.models(key).status == 429, "two a minute, of both together"
    third = rotated(service, second)
    answer = gate.models(third)
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")
    for key in (first, second, third):
        requests = limits(gate, key)[0]
        assert (requests["id"], requests["limit"], requests["remaining"]) == (first.id, 2, 0)


def patched(service, gate, key, **change):
    """Changes the key, and waits until the gate has the change."""
    before = services.applied(gate)
    service.ask("PATCH", f"/keys/{key.id}", json=change)
    wait_until("the change", lambda: services.applied(gate) > before)


def test_addresses_and_endpoints_follow_the_record(service, gate):
    key = service.key(allowed_ips=["10.0.0.0/8"])
    refused = gate.models(key)
    assert (refused.status, refused.error["code"]) == (401, "ip_not_authorized")
    patched(service, gate, key, allowed_ips=["10.0.0.0/8", "127.0.0.1"], endpoints=["embeddings"])
    wait_until("the key to pass", lambda: gate.models(key).status == 200)
    chat = gate.send("POST", "/api/v1/chat/completions", [("authorization", key.bearer), JSON], CHAT)
    assert (chat.status, chat.error["code"]) == (403, "permission_denied")
    patched(service, gate, key, allowed_ips=None, endpoints=None)
    wait_until(
        "every endpoint",
        lambda: gate.send("POST", "/api/v1/chat/completions", [("authorization", key.bearer), JSON], CHAT).status == 200,
    )
    refusals = {"endpoint_not_allowed", "ip_not_authorized"}
    row = wait_until(
        "its refusals", lambda: (r := service.usage(key=key.id).get(key.id)) and refusals <= set(r["refusals"]) and r
    )
    assert row["refusals"]["ip_not_authorized"] >= 1
