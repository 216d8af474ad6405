"""Bounds of a key besides its models: the addresses and endpoints that it may be used for, and the limits that it shares
with the key that it continues. All without a key service: the records stand in the filter's configuration."""

import json
import socket

import openai
import pytest

from harness import http1, keys
from harness.burst import burst
from harness.gate import Counted, Gate
from harness.hostile import CHAT

JSON = ("content-type", "application/json")
KINDS = {
    "office": (4, "team", {"addresses": ["203.0.113.0/24", "2001:db8::/32"]}),
    "local": (4, "team", {"addresses": ["127.0.0.1", "::1"]}),
    "away": (5, "team", {"addresses": ["10.0.0.0/8"], "limits": {"requests_per_minute": 1}}),
    "chats": (3, "team", {"endpoints": ["chat_completions"]}),
    "free": (1, "free", {}),
}


def behind_one_proxy(bootstrap):
    """One trusted proxy in front, which sets `x-forwarded-for`. The listener takes IPv4 and IPv6."""
    (listener,) = [each for each in bootstrap["static_resources"]["listeners"] if each["name"] == "api"]
    listener["address"]["socket_address"].update({"address": "::", "ipv4_compat": True})
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["xff_num_trusted_hops"] = 1


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """The address of the peer is the client's, as in envoy.yaml."""
    with Gate(tmp_path_factory.mktemp("direct"), kinds=KINDS) as gate:
        yield gate


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    with Gate(tmp_path_factory.mktemp("behind"), kinds=KINDS, overlay=behind_one_proxy) as gate:
        yield gate


def forwarded_for(gate, key, addresses):
    return gate.models(key, *([("x-forwarded-for", addresses)] if addresses else []))


# The proxy's header; the client's address, as the refusal names it; whether the office's key passes.
FORWARDED = [
    ("203.0.113.7", "203.0.113.7", True),
    ("2001:db8::7", "2001:db8::7", True),
    ("::ffff:203.0.113.7", "203.0.113.7", True),
    ("203.0.114.7", "203.0.114.7", False),
    ("2001:db9::7", "2001:db9::7", False),
    # Only the last address comes from the proxy. The client may have written the others.
    ("203.0.113.7, 198.51.100.1", "198.51.100.1", False),
    ("198.51.100.1, 203.0.113.7", "203.0.113.7", True),
    # Without the header, the address is the proxy's own.
    (None, "127.0.0.1", False),
    ("not an address", "127.0.0.1", False),
]


@pytest.mark.parametrize("addresses, client, passes", FORWARDED, ids=[str(row[0]) for row in FORWARDED])
def test_a_trusted_proxy_names_the_clients_address(behind, office, addresses, client, passes):
    answer = forwarded_for(behind, office, addresses)
    if passes:
        assert answer.status == 200
        return
    assert (answer.status, answer.error["code"]) == (401, "ip_not_authorized")
    assert answer.error["message"].startswith(f"Your IP {client} is not authorized to use key `{office.id}`.")
    assert answer.header("www-authenticate") == "Bearer"


@pytest.fixture(scope="module")
def office(behind):
    return behind.key("office")


def test_without_a_trusted_proxy_no_header_changes_the_clients_address(gate):
    local, away = gate.key("local"), gate.key("away")
    for claimed in [None, "10.0.0.1", "10.0.0.1, 10.0.0.2"]:
        assert forwarded_for(gate, local, claimed).status == 200
        answer = forwarded_for(gate, away, claimed)
        assert (answer.status, answer.error["code"]) == (401, "ip_not_authorized")
        assert "127.0.0.1" in answer.error["message"]
    for header in ["x-real-ip", "forwarded", "x-envoy-external-address", "true-client-ip"]:
        assert gate.models(away, (header, "10.0.0.1")).status == 401


def test_a_stolen_key_spends_nothing_of_its_owners_limit(behind):
    away = behind.key("away")
    for _ in range(3):
        assert forwarded_for(behind, away, "203.0.113.7").status == 401
    assert forwarded_for(behind, away, "10.0.0.1").status == 200, "the one request a minute is still there"
    assert not [seen for seen in behind.seen() if "203.0.113.7" in seen.values("x-forwarded-for")]


def test_an_ipv6_client_over_a_listener_of_both_kinds(behind):
    raw = http1.request("GET", "/api/v1/models", [("authorization", behind.key("office").bearer)])
    with socket.create_connection(("::1", behind.port), timeout=10) as client:
        client.sendall(raw)
        answer = http1.receive(client)
    assert (answer.status, answer.error["code"]) == (401, "ip_not_authorized")
    assert answer.error["message"].startswith("Your IP ::1 is not authorized")


def test_a_refused_address_is_in_the_log_the_metrics_and_an_sdks_exception(gate):
    away = gate.key("away")
    with pytest.raises(openai.AuthenticationError) as raised:
        gate.openai(away, max_retries=0).models.list()
    assert raised.value.code == "ip_not_authorized"
    (row,) = gate.rows()
    assert (row["decision"], row["key_id"], row["response_code"]) == ("ip_not_authorized", away.id, 401)
    assert gate.counted()[Counted("team", "ip_not_authorized")] > 0


def test_a_body_from_another_address_is_refused_and_not_read(gate):
    away = gate.key("away")
    answer = gate.send("POST", "/api/v1/chat/completions", [("authorization", away.bearer), JSON], CHAT)
    assert (answer.status, answer.error["code"]) == (401, "ip_not_authorized")
    assert gate.seen() == []


def test_a_key_may_use_its_endpoints_and_see_its_models(gate):
    key = gate.key("chats")
    client = gate.openai(key, max_retries=0)
    assert client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    assert client.models.list()
    assert gate.send("GET", "/v1/limits", [("authorization", key.bearer)]).status == 200
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.embeddings.create(model="text-embedding-3-small", input="x")
    assert raised.value.code == "permission_denied"
    assert f"key `{key.id}` may not use endpoints of the group 'embeddings'" in raised.value.message
    with pytest.raises(openai.NotFoundError):
        client.files.list()  # closed for everybody
    decisions = [row["decision"] for row in gate.rows()]
    assert decisions.count("endpoint_not_allowed") == 1


def test_keys_of_one_chain_have_one_limit_together_over_both_workers(start):
    limits = {"requests_per_minute": 5}
    first = keys.make("free", limits=limits)
    chain = [first, *(keys.make("free", team=first.team, lineage=first.id, limits=limits) for _ in range(2))]
    gate = start(kinds={}, config={"keys": keys.table(chain)})
    done = burst(gate.port, {key: 5 for key in chain}, connections=15)
    assert sum(done.passed(key) for key in chain) == 5
    for key in chain:
        answer = json.loads(gate.send("GET", "/v1/limits", [("authorization", key.bearer)]).body)
        requests = answer["data"][0]
        assert (answer["key"], requests["id"], requests["remaining"]) == (key.id, first.id, 0)
