"""Tiers of the key service: edited there, in force in every Envoy within a second, and kept while the service is away."""

import sqlite3

import pytest

from harness import metered
from harness import service as services
from harness.waiting import wait_until

# One key.
INLINE = {"inline": (1, "free", {})}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """The gate's own configuration says other limits for `free`, and has an inline key of it."""
    config = {"tiers": {"free": {"requests_per_minute": 11, "tokens_per_minute": 40000}}}
    with services.stack(tmp_path_factory.mktemp("tiers"), config=config, kinds=INLINE) as (service, (gate,)):
        yield service, gate


def shown(gate, key) -> str | None:
    """The limit of requests that answers show."""
    return gate.models(key).header("x-ratelimit-limit-requests")


def chat(gate, key, model):
    return metered.post(gate, key, metered.body(model=model))


def change(service, tier, **fields) -> None:
    service.ask("PATCH", f"/tiers/{tier}", json=fields)


def test_a_change_of_a_tier_is_in_force_within_a_second(stack):
    service, gate = stack
    key = service.key(tier="free")
    assert shown(gate, key) == "60", "the service's limits, not the gate's own"
    change(service, "free", requests_per_minute=30)
    wait_until("the new limit", lambda: shown(gate, key) == "30", deadline=1)
    change(service, "free", requests_per_minute=60)
    wait_until("the old limit", lambda: shown(gate, key) == "60", deadline=1)


def test_an_inline_key_keeps_the_configured_tier(stack):
    _, gate = stack
    assert shown(gate, gate.key("inline")) == "11"


def test_where_the_gates_own_tiers_differ_is_told(stack):
    service, _ = stack
    (proxy,) = wait_until("the poll", lambda: [p for p in service.ask("GET", "/proxies")["data"] if p["tiers_different"]])
    assert (proxy["live"], proxy["tiers_different"], proxy["tiers_only_configured"]) == (True, ["free"], [])
    found = {check["name"]: check for check in service.cli_json("doctor")["checks"]}
    assert found["limits"]["status"] == "warn"
    assert proxy["id"] in found["limits"]["detail"] and "(free)" in found["limits"]["detail"]


def test_proxies_tell_their_version_and_how_many_keys_they_hold(stack):
    service, gate = stack

    def proxy():
        (one,) = service.ask("GET", "/proxies")["data"]
        return one

    key = service.key(tier="free")
    assert gate.models(key).status == 200
    keys = service.ask("GET", "/keys?limit=500")["data"]
    wait_until("the count", lambda: proxy()["keys_held"] == len(keys), deadline=10)
    assert proxy()["filter_version"] == service.cli("--version").split()[-1]
    # A revoked key is held, so that it is refused by its name.
    service.ask("POST", f"/keys/{key.id}/revoke", json={})
    wait_until("the poll", lambda: proxy()["current"], deadline=10)
    assert proxy()["keys_held"] == len(keys)


def test_a_model_that_is_taken_out_of_a_tier_is_refused(stack):
    service, gate = stack
    service.ask("POST", "/tiers", json={"name": "gold", "requests_per_minute": 600, "tokens_per_minute": 100_000})
    key = service.key(tier="gold")
    assert chat(gate, key, "gpt-4o").status == 200
    change(service, "gold", models=["gpt-4o-mini*"])
    refused = wait_until("its end", lambda: (a := chat(gate, key, "gpt-4o")).status == 403 and a, deadline=1)
    assert refused.error["code"] == "model_not_found"
    assert chat(gate, key, "gpt-4o-mini").status == 200


def test_a_new_key_of_a_new_tier_works_at_once(stack):
    service, gate = stack
    service.ask("POST", "/tiers", json={"name": "silver", "requests_per_minute": 77, "tokens_per_minute": 100_000})
    assert shown(gate, service.key(tier="silver")) == "77"


def test_what_was_spent_stays_spent(stack):
    service, gate = stack
    service.ask("POST", "/tiers", json={"name": "tiny", "requests_per_minute": 2, "tokens_per_minute": 100_000})
    key = service.key(tier="tiny")
    assert [gate.models(key).status for _ in range(3)] == [200, 200, 429]
    change(service, "tiny", requests_per_minute=3)
    wait_until("the new limit", lambda: shown(gate, key) == "3", deadline=1)
    assert gate.models(key).status == 429, "half a minute of debt is no new bucket"


def test_the_last_known_tiers_stay_while_the_service_is_away(tmp_path):
    with services.stack(tmp_path) as (service, (gate,)):
        key = service.key(tier="free")
        change(service, "free", requests_per_minute=30)
        wait_until("the new limit", lambda: shown(gate, key) == "30", deadline=1)
        service.kill()
        assert shown(gate, key) == "30"
        service.start()


def test_a_key_of_a_tier_that_nobody_has_is_a_503_until_somebody_has_it(tmp_path):
    """The service removes no tier that a key has, so its database is changed by hand, as a restore of a part of it does."""
    with services.stack(tmp_path) as (service, (gate,)):
        service.ask("POST", "/tiers", json={"name": "ghost", "requests_per_minute": 600, "tokens_per_minute": 100_000})
        known, lost = service.key(tier="free"), service.key(tier="ghost")
        assert chat(gate, lost, "gpt-4o").status == 200
        service.stop()
        with sqlite3.connect(service.file) as database:
            assert database.execute("DELETE FROM tiers WHERE name = 'ghost'").rowcount == 1
        service.start()
        # Another Envoy, which has never heard of the tier.
        other = services.gate(tmp_path / "other", service)
        try:
            services.ready(other)
            answer = chat(other, lost, "gpt-4o")
            assert (answer.status, answer.error["code"]) == (503, "gate_unavailable"), answer.everything()
            assert other.seen() == [], "nothing passes without limits"
            assert answer.header("x-should-retry") != "false"
            assert chat(other, known, "gpt-4o").status == 200, "one key, and not the gate"
            service.ask("POST", "/tiers", json={"name": "ghost", "requests_per_minute": 77, "tokens_per_minute": 100_000})
            wait_until("the tier", lambda: shown(other, lost) == "77", deadline=5)
        finally:
            other.check()
            other.stop()
