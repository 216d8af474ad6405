"""`GET /key` and `GET /usage`: a key's own account through the gate, for people and programs without any other credential."""

import json

import pytest

from harness import keys as made_here
from harness import metered
from harness import service as services
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("own"), kinds={"inline": (1, "free", {})}) as (service, (gate,)):
        yield service, gate


def told(gate, key, path="/api/v1/key") -> dict:
    return json.loads(ask(gate, key, path).body)


def ask(gate, key, path="/api/v1/key"):
    return gate.send("GET", path, [("authorization", key.bearer)])


def test_a_key_sees_what_it_spends(stack):
    service, gate = stack
    key = service.key(tier="pro", budgets={"month_nano_usd": 2_000_000_000})
    before = ask(gate, key)
    assert (before.status, before.header("content-type")) == (200, "application/json")
    data = json.loads(before.body)["data"]
    assert (data["label"], data["limit"], data["limit_reset"], data["usage"]) == ("e2e", 2.0, "monthly", 0.0)
    assert metered.post(gate, key).status == 200

    def spent():
        data = told(gate, key)["data"]
        return data["usage"] > 0 and data

    data = wait_until("its cost", spent)
    assert data["limit_remaining"] == pytest.approx(2.0 - data["usage"], abs=1e-9)
    usage = told(gate, key, "/v1/usage")
    (row,) = [row for row in usage["data"] if row["model"] == "gpt-4o"]
    assert (row["requests"], row["cost"]) == (1, data["usage"])


def test_it_is_free(stack):
    service, gate = stack
    key = service.key(tier="free")
    for _ in range(3):
        assert ask(gate, key).status == 200
    assert gate.models(key).header("x-ratelimit-remaining-requests") == "59", "only the request itself"
    assert not any(row.get("tokens_charged") for row in gate.rows())


def test_the_official_sdk_reads_it(stack):
    service, gate = stack
    key = service.key(tier="free")
    account = gate.openai(key).get("/key", cast_to=dict)
    assert account["data"]["rate_limit"]["requests"] == 60


def test_a_key_without_credit_sees_why(stack):
    service, gate = stack
    key = service.key(team=service.team(prepaid=True))
    wait_until("the key", lambda: gate.models(key).status == 429)
    assert told(gate, key)["data"]["id"] == key.id


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [("revoke", 403, "key_revoked"), ("suspend", 401, "invalid_api_key")],
)
def test_a_key_that_has_ended_sees_nothing(stack, change, status, code):
    service, gate = stack
    key = service.key()
    assert ask(gate, key).status == 200
    service.change(key, change, wait=1000)
    answer = ask(gate, key)
    assert (answer.status, answer.error["code"]) == (status, code)


def test_a_mistake_is_told_by_its_field(stack):
    service, gate = stack
    key = service.key()
    answer = ask(gate, key, "/api/v1/usage?from=yesterday")
    assert (answer.status, answer.error["param"]) == (400, "from")


def test_nobody_keeps_an_account_of_an_inline_key(stack):
    _, gate = stack
    answer = ask(gate, gate.key("inline"))
    assert (answer.status, answer.error["code"]) == (404, "no_key_service")


def test_a_flood_of_questions_is_bounded_for_each_key(stack):
    service, gate = stack
    key = service.key()
    answers = [ask(gate, key) for _ in range(40)]
    refused = [a for a in answers if a.status != 200]
    assert refused and all(a.status in (429, 503) for a in refused)
    assert all(a.header("retry-after") for a in refused)


def test_without_the_service_it_can_be_asked_again(tmp_path):
    with services.stack(tmp_path) as (service, (gate,)):
        key = service.key()
        assert ask(gate, key).status == 200
        service.kill()
        answer = ask(gate, key)
        assert (answer.status, answer.error["code"]) == (503, "gate_not_ready")
        assert gate.models(key).status == 200, "the key itself works on"
        service.start()


def test_the_question_holds_no_key(stack):
    service, gate = stack
    assert not made_here.leaked_in(service.output() + gate.log())
