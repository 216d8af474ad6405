"""The limit on requests over two Envoy workers: exact, separate for each key, and right about when to come back."""

import re
import time

import pytest

from harness import durations
from harness.burst import burst
from harness.hostile import CHAT


def wait_promised(answer) -> None:
    """Sleeps for as long as a refusal says, as an SDK does."""
    time.sleep(int(answer.header("retry-after-ms")) / 1000)


def workers_used(gate) -> int:
    """The number of workers that hold, or held, connections of the API's listener."""
    counted = gate.envoy.stats(rf"^listener\..*_{gate.port}\.worker_\d+\.downstream_cx_total$")
    return sum(1 for n in counted.values() if n)


@pytest.mark.parametrize("count", [61, 150])
def test_of_quick_requests_on_a_free_key_exactly_60_pass(gate, count):
    key = gate.key("free")
    done = burst(gate.port, {key: count}, connections=100)
    assert done.ended - done.began < 1, "not quick enough for this test to mean anything"
    assert workers_used(gate) == 2
    assert sorted(set(done.statuses(key))) == [200, 429]
    assert done.passed(key) == 60
    assert len(gate.seen()) == 60, "what was refused never reached the upstream"


def test_after_the_promised_wait_exactly_the_promised_number_more_pass(gate):
    key = gate.key("free")
    first = burst(gate.port, {key: 61})
    assert first.passed(key) == 60
    (refusal,) = first.refusals(key)
    wait_promised(refusal)
    second = burst(gate.port, {key: 30})
    assert second.ended - first.began < 2, "too slow: two were due by now"
    assert second.passed(key) == 1, "one request was promised, and one passes"
    time.sleep(max(0.0, first.ended + 4 - time.monotonic()))
    third = burst(gate.port, {key: 30})
    assert third.ended - first.began < 5, "too slow: four were due by now"
    assert third.passed(key) == 3, "at one a second, three more after four seconds"


def test_before_the_promised_wait_nothing_passes(gate):
    key = gate.key("free")
    refusal = burst(gate.port, {key: 61}).refusals(key)[0]
    promised = time.monotonic() + int(refusal.header("retry-after-ms")) / 1000
    tries = 0
    while (answer := gate.models(key)).status == 429:
        tries += 1
        assert time.monotonic() < promised + 1, "refused after the promised instant"
    # The promised wait starts at the refusal, which is earlier than its reading. So the limit opens before `promised`.
    assert answer.status == 200
    assert time.monotonic() > promised - 0.5
    assert tries > 3


def test_a_whole_reset_restores_the_whole_burst(gate):
    key = gate.key("trio")
    first = burst(gate.port, {key: 4})
    assert first.passed(key) == 3
    reset = durations.seconds(first.refusals(key)[0].header("x-ratelimit-reset-requests"))
    assert 2.5 < reset <= 3
    time.sleep(reset)
    second = burst(gate.port, {key: 10})
    assert second.passed(key) == 3


def test_three_keys_at_once_do_not_touch_one_another(gate):
    keys = [gate.key("free") for _ in range(3)]
    bystander = gate.key("free")
    done = burst(gate.port, {key: 65 for key in keys})
    assert done.ended - done.began < 1
    assert [done.passed(key) for key in keys] == [60, 60, 60]
    assert gate.models(bystander).header("x-ratelimit-remaining-requests") == "59"


def test_keys_of_one_team_have_limits_of_their_own(start):
    five = {"limits": {"requests_per_minute": 5}}
    kinds = {"one": (1, "free", {"team": "acme"}), "other": (1, "free", {"team": "acme", **five})}
    gate = start(kinds=kinds)
    one, other = gate.key("one"), gate.key("other")
    done = burst(gate.port, {one: 30, other: 30})
    assert (done.passed(one), done.passed(other)) == (30, 5)


def test_refused_requests_do_not_consume(gate):
    key = gate.key("trio")
    first = burst(gate.port, {key: 53})
    assert first.passed(key) == 3
    again = burst(gate.port, {key: 50}).refusals(key)
    assert again, "still over the limit"
    waits = [int(a.header("retry-after-ms")) for a in again]
    assert max(waits) <= 1000, "a hundred refusals have not moved the promised instant"
    wait_promised(again[-1])
    assert gate.models(key).status == 200


def test_requests_refused_for_other_reasons_do_not_consume(gate):
    key = gate.key("free")
    for _ in range(20):
        assert gate.send("GET", "/v2/models", [("authorization", key.bearer)]).status == 404
        assert gate.send("GET", f"/v1/models?key={key.text}", [("authorization", key.bearer)]).status == 401
    assert gate.models(key).header("x-ratelimit-remaining-requests") == "59"


def test_requests_that_the_upstream_refuses_consume(gate):
    key = gate.key("free")
    for left, status in [("59", 500), ("58", 400), ("57", 429)]:
        headers = [("authorization", key.bearer), ("x-mock", f"status={status}")]
        answer = gate.send("POST", "/v1/chat/completions", headers, CHAT)
        assert (answer.status, answer.header("x-ratelimit-remaining-requests")) == (status, left)


@pytest.mark.parametrize(
    ("kind", "limit"), [("free", 60), ("pro", 3000), ("team", 5000), ("five", 5), ("quick", 600)]
)
def test_tiers_and_overrides(gate, kind, limit):
    answer = gate.models(gate.key(kind))
    assert answer.header("x-ratelimit-limit-requests") == str(limit)


def test_an_override_of_five_a_minute(gate):
    key = gate.key("five")
    done = burst(gate.port, {key: 20})
    assert done.passed(key) == 5
    refusal = done.refusals(key)[0]
    assert 11_000 <= int(refusal.header("retry-after-ms")) <= 12_000
    assert refusal.header("retry-after") == "12"
    assert refusal.header("x-should-retry") == "true", "twelve seconds are worth waiting for"


def test_a_pro_key_passes_where_a_free_one_is_refused(gate):
    key = gate.key("pro")
    assert burst(gate.port, {key: 200}).passed(key) == 200


def test_a_sustained_load_gets_the_rate_and_not_one_more(gate):
    key = gate.key("quick")
    passed = 0
    began = time.monotonic()
    while time.monotonic() - began < 2:
        passed += gate.models(key).status == 200
        elapsed_after = time.monotonic() - began
    assert passed <= 3 + elapsed_after * 10
    assert passed >= 3 + 2 * 10 - 3, "somebody who always asks gets what is due"


def test_the_headers_of_an_answer(gate):
    key = gate.key("free")
    for remaining in ("59", "58", "57"):
        answer = gate.models(key)
        assert answer.status == 200
        assert answer.header("x-ratelimit-limit-requests") == "60"
        assert answer.header("x-ratelimit-remaining-requests") == remaining
        used = 60 - int(remaining)
        assert used - 0.9 < durations.seconds(answer.header("x-ratelimit-reset-requests")) <= used
        assert answer.header("x-ratelimit-limit-tokens") == "40000"
        assert 0 <= int(answer.header("x-ratelimit-remaining-tokens")) <= 40000
        durations.seconds(answer.header("x-ratelimit-reset-tokens"))
        for name in ("retry-after", "retry-after-ms", "x-should-retry"):
            assert answer.header(name) is None


def test_the_headers_and_message_of_a_refusal(gate):
    key = gate.key("trio")
    done = burst(gate.port, {key: 4})
    (answer,) = done.refusals(key)
    assert answer.header("x-ratelimit-limit-requests") == "60"
    assert answer.header("x-ratelimit-remaining-requests") == "0"
    reset = durations.seconds(answer.header("x-ratelimit-reset-requests"))
    assert 2 < reset <= 3
    assert answer.header("x-ratelimit-limit-tokens") == "40000"
    assert answer.header("x-ratelimit-remaining-tokens") is not None
    assert answer.header("x-ratelimit-reset-tokens") is not None
    assert answer.header("x-ratelimit-scope") == "key"
    assert answer.header("retry-after") == "1"
    assert 1 <= int(answer.header("retry-after-ms")) <= 1000
    assert answer.header("x-should-retry") == "true"
    assert answer.header("x-request-id")
    error = answer.error
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    pattern = (
        rf"Rate limit reached for {key.id} in team {key.team} on requests per min \(RPM\): "
        r"Limit (\d+), Used (\d+), Requested 1\. Please try again in (\S+)\. Rate limit exceeded: "
    )
    found = re.match(pattern, error["message"])
    assert found, error["message"]
    assert durations.seconds(found[3]) == pytest.approx(int(answer.header("retry-after-ms")) / 1000, abs=0.002)


def test_the_upstreams_own_limits_are_replaced(gate):
    """The mock sends limits of its own on every answer, as providers do."""
    answer = gate.models(gate.key("free"))
    assert answer.values("x-ratelimit-limit-requests") == ["60"]
    assert answer.values("x-ratelimit-limit-tokens") == ["40000"]
    assert len(answer.values("x-ratelimit-remaining-requests")) == 1
    assert len(answer.values("x-ratelimit-reset-requests")) == 1
