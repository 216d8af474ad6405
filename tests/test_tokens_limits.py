"""The limit on tokens as a customer meets it: three different refusals, headers that agree with `/limits`, weights,
metrics."""

import json
import time

import openai
import pytest

from harness import durations, http1, metered
from harness.gate import Gate
from harness.metered import STEADY, WORDS, body, charge, charges, limits, post, stream
from harness.node import story

PROMPT = metered.prompt_tokens()
OUTPUT = len(WORDS.split())

# A tier of its own, so that its metrics come from one test.
COUNTED = {"requests_per_minute": 6000, "tokens_per_minute": 1_000_000}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    kinds = {
        "free": (10, "free", {}),
        "steady": (20, "free", {"limits": STEADY}),
        # 100 tokens a second, 200 at once.
        "quick": (5, "free", {"limits": {"tokens_per_minute": 6000, "tokens_burst": 200}}),
        "small": (5, "free", {"limits": {"tokens_per_minute": 100}}),
        "two": (2, "free", {"limits": {**STEADY, "max_in_flight": 2}}),
        "requests": (5, "free", {"limits": {"requests_per_minute": 60, "requests_burst": 2}}),
        "counted": (2, "counted", {}),
    }
    with Gate(tmp_path_factory.mktemp("limits"), kinds=kinds, config={"tiers": {"counted": COUNTED}}) as gate:
        yield gate


# Refusals.


def test_a_client_that_waits_gets_through(gate):
    """By the SDK's own retry: one refusal, one wait, one answer."""
    key = gate.key("quick")
    hello = {"model": "gpt-4o", "messages": [{"role": "user", "content": WORDS}], "max_tokens": 150}
    client = gate.openai(key, default_headers={"x-mock": "output_tokens=150"})
    client.chat.completions.create(**hello)
    began = time.monotonic()
    client.chat.completions.create(**hello)
    waited = time.monotonic() - began
    first, refused, last = charges(gate, key, 3)
    assert (first.status, refused.status, last.status) == (200, 429, 200)
    assert refused.decision == "rate_limit_tokens"
    assert 1 < waited < 3


def test_a_refusal_that_waiting_cures_says_for_how_long(gate):
    key = gate.key("quick")
    assert post(gate, key, body(max_tokens=180), "output_tokens=180").status == 200
    asked = charge(gate, key).prompt_estimate + 180
    answer = post(gate, key, body(max_tokens=180))
    assert answer.status == 429
    error = answer.error
    assert (error["type"], error["code"], error["param"]) == ("tokens", "rate_limit_exceeded", None)
    for word in [key.id, key.team, "tokens per min (TPM)", "Limit 6000", "Requested", "Please try again in"]:
        assert word in error["message"], error["message"]
    wait = int(answer.header("retry-after-ms"))
    assert 1000 < wait < 2000 and answer.header("retry-after") == "2"
    assert answer.header("x-should-retry") == "true"
    # The remaining tokens, and one more each ten milliseconds of the wait, are what was requested.
    assert -0.1 <= asked - wait / 10 - int(answer.header("x-ratelimit-remaining-tokens")) < 1
    time.sleep(wait / 1000)
    assert post(gate, key, body(max_tokens=180)).status == 200, "after the promised wait it passes"


def test_a_refusal_before_the_promised_wait_is_over(gate):
    key = gate.key("quick")
    assert post(gate, key, body(max_tokens=180), "output_tokens=180").status == 200
    promised = None
    while (answer := post(gate, key, body(max_tokens=180))).status == 429:
        now = time.monotonic()
        due = now + int(answer.header("retry-after-ms")) / 1000
        promised = due if promised is None else promised
        assert abs(due - promised) < 0.2, "refusals do not move it"
        assert now < promised + 0.2
    assert promised and time.monotonic() > promised - 0.2


def test_what_can_never_fit_is_not_tried_again(gate):
    """Waiting cannot cure it, so the SDK is told not to retry, and makes one call."""
    key = gate.key("small")
    with pytest.raises(openai.RateLimitError) as raised:
        gate.openai(key).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "word " * 500}])
    error = raised.value
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "tokens")
    for words in ("Request too large", "Rate limit exceeded", key.id, key.team, "tokens per min (TPM)", "Limit 100"):
        assert words in error.message, error.message
    headers = error.response.headers
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers and "retry-after-ms" not in headers
    assert [row["decision"] for row in metered.rows(gate, key)] == ["rate_limit_tokens"], "one call"
    assert gate.seen() == []


def test_the_node_sdk_does_not_try_it_again_either(gate):
    error = story(gate.url(), gate.key("small").text, "upload 1")["error"]
    assert (error["class"], error["status"], error["type"]) == ("RateLimitError", 429, "tokens")
    assert len(gate.rows()) == 1


def test_what_is_too_large_consumes_no_request(gate):
    key = gate.key("small")
    for _ in range(3):
        assert post(gate, key, body("word " * 500, max_tokens=5)).status == 429
    assert limits(gate, key)["requests_per_minute"]["used"] == 0


def test_a_generous_cap_is_no_reason_to_refuse(gate):
    """The prompt fits, and the output is held to what the bucket has."""
    key = gate.key("free")
    answer = post(gate, key, body(max_tokens=1_000_000))
    assert answer.status == 200
    settled = charge(gate, key)
    assert (settled.charged, settled.reserved) == (PROMPT + OUTPUT, 40_000)
    assert post(gate, key, body(max_tokens=1_000_000)).status == 200, "and the rest was given back"


def test_many_choices_are_reserved_for(gate):
    key = gate.key("free")
    assert post(gate, key, body(max_tokens=100, n=5)).status == 200
    settled = charge(gate, key)
    assert settled.reserved == settled.prompt_estimate + 5 * 100
    assert settled.charged == PROMPT + 5 * OUTPUT


def test_it_learns_how_long_answers_are(gate):
    """Without a cap the first request reserves the default. A short answer lowers the next reservation by a sixteenth of
    the difference, a long one raises it by half."""
    key = gate.key("steady")
    for count, output in enumerate([50, 1963, 50], start=1):
        assert post(gate, key, body(), f"output_tokens={output}").status == 200
        metered.wait_until("its row", lambda: len(metered.rows(gate, key)) == count)
    reserved = [c.reserved - c.prompt_estimate for c in charges(gate, key, 3)]
    assert reserved == [1024, 963, 1463]


def test_an_answer_that_had_to_be_short_teaches_nothing(gate):
    key = gate.key("steady")
    for count, cap in enumerate([{"max_tokens": 1}] * 3 + [{}], start=1):
        assert post(gate, key, body(**cap)).status == 200
        metered.wait_until("its row", lambda: len(metered.rows(gate, key)) == count)
    reserved = [c.reserved - c.prompt_estimate for c in charges(gate, key, 4)]
    assert reserved == [1, 1, 1, 1024]


def test_what_was_held_for_long_is_not_given_back_over_what_has_refilled(gate):
    """Three reservations of nearly the whole bucket, each made after the bucket had refilled. Their clients hang up one
    after the other, and another client spends what is there after each. That must be one burst, not three."""
    key = gate.key("quick")
    full = limits(gate, key)["tokens_per_minute"]["remaining"]
    held = []
    for _ in range(3):
        held.append(stream(gate, key, "first_event_ms=60000", max_tokens=full - 50))
        metered.wait_until("it to be under way", lambda: len(gate.seen()) == len(held))
        metered.wait_until("the bucket to refill", lambda: limits(gate, key)["tokens_per_minute"]["remaining"] == full)
    began = time.monotonic()
    for count, going in enumerate(held, start=1):
        going.hang_up()
        metered.wait_until("its settlement", lambda: sum(c.source == "lower_bound" for c in all_charges(gate, key)) == count)
        post(gate, key, body(max_tokens=full - 50), f"output_tokens={full - 50}")
    spent = sum(c.charged for c in all_charges(gate, key) if c.source == "exact")
    assert spent > full - 50, "what was there could be spent"
    assert spent <= full + 100 * (time.monotonic() - began) + 1, "the burst, and what came back meanwhile"


def all_charges(gate, key) -> list[metered.Charge]:
    return [metered.Charge.of(row) for row in metered.rows(gate, key)]


# Headers and `/limits`.


def test_asking_for_the_limits_costs_nothing_and_reaches_nobody(gate):
    key = gate.key("requests")
    for _ in range(20):
        seen = limits(gate, key)
    assert seen["requests_per_minute"]["used"] == 0
    assert (seen["requests_per_minute"]["limit"], seen["requests_per_minute"]["remaining"]) == (60, 2)
    while gate.models(key).status == 200:
        pass
    assert limits(gate, key)["requests_per_minute"]["remaining"] == 0, "and can be asked by who has nothing left"
    assert all(s.path == "/v1/models" for s in gate.seen())


def test_what_the_limits_look_like(gate):
    key = gate.key("two")
    post(gate, key, body(max_tokens=5))
    charge(gate, key)
    for path in ("/api/v1/limits", "/v1/limits"):
        answer = gate.send("GET", path, [("authorization", key.bearer)])
        assert answer.header("content-type") == "application/json"
        told = json.loads(answer.body)
        assert (told["object"], told["key"], told["team"], told["tier"]) == ("list", key.id, key.team, "free")
        assert [x["name"] for x in told["data"]] == ["requests_per_minute", "tokens_per_minute", "max_in_flight"]
        for limit in told["data"]:
            assert (limit["scope"], limit["id"]) == ("key", key.id)
        tokens = told["data"][1]
        assert tokens["remaining"] == 100_000 - tokens["used"]
        assert (tokens["used"] - 1) * 1000 <= tokens["reset_ms"] <= tokens["used"] * 1000
        # The headers of the same answer agree.
        assert answer.header("x-ratelimit-limit-tokens") == str(tokens["limit"]) == "60"
        assert answer.header("x-ratelimit-remaining-tokens") == str(tokens["remaining"])
        reset = durations.seconds(answer.header("x-ratelimit-reset-tokens"))
        assert reset * 1000 == pytest.approx(tokens["reset_ms"], abs=2)
    assert gate.send("GET", "/api/v1/limits").status == 401
    assert gate.send("POST", "/api/v1/limits", [("authorization", key.bearer)], b"{}").status == 404


def test_an_answer_tells_what_is_left_while_it_is_under_way(gate):
    """Headers leave before the output is known. They count the reservation; the next answer counts the usage."""
    key = gate.key("steady")
    first = post(gate, key, body(max_tokens=500))
    settled = charge(gate, key)
    assert first.header("x-ratelimit-limit-tokens") == "60"
    assert int(first.header("x-ratelimit-remaining-tokens")) == 100_000 - settled.reserved
    second = gate.models(key)
    left = int(second.header("x-ratelimit-remaining-tokens"))
    assert 100_000 - settled.charged <= left <= 100_000 - settled.charged + 2


def test_refusals_of_all_kinds_tell_of_tokens(gate):
    key = gate.key("small")
    refused = post(gate, key, body("word " * 500))
    assert refused.status == 429
    assert refused.header("x-ratelimit-limit-tokens") == "100"
    assert refused.header("x-ratelimit-remaining-tokens") == "100", "a refusal spends nothing"
    assert durations.seconds(refused.header("x-ratelimit-reset-tokens")) == 0


# Weights.


@pytest.mark.parametrize(
    ("weights", "mock", "charged"),
    [
        ({}, "cached_tokens=10", PROMPT + OUTPUT),
        ({"cached_input": 100}, "cached_tokens=10", PROMPT - 10 + 1 + OUTPUT),
        ({"cached_input": 0}, "cached_tokens=10", PROMPT - 10 + OUTPUT),
        ({"reasoning": 2000}, "reasoning_tokens=7", PROMPT + OUTPUT + 14),
        ({"output": 4000}, "", PROMPT + 4 * OUTPUT),
        ({"input": 500}, "", PROMPT // 2 + OUTPUT),
    ],
)
def test_weights_change_the_charge(start, weights, mock, charged):
    gate = start(kinds={"steady": (2, "free", {"limits": STEADY})}, config={"metering": {"weights": weights}})
    for fields in ({}, {"stream": True}):
        key = gate.key("steady")
        ledger = metered.Ledger(gate, key)
        assert post(gate, key, body(**fields), mock).status == 200
        settled = charge(gate, key)
        assert (settled.source, settled.charged) == ("exact", charged)
        assert settled.input == PROMPT, "the log counts tokens, not weights"
        assert settled.cached_input == (10 if "cached" in mock else 0)
        ledger.check(charged)


def test_the_default_output_is_configuration(start):
    gate = start(kinds={"free": (1, "free", {})}, config={"metering": {"default_output_tokens": 77}})
    key = gate.key("free")
    assert post(gate, key).status == 200
    settled = charge(gate, key)
    assert settled.reserved == settled.prompt_estimate + 77


def test_include_usage_can_be_off(start):
    gate = start(kinds={"free": (1, "free", {})}, config={"metering": {"include_usage": False}})
    key = gate.key("free")
    assert post(gate, key, body(stream=True)).status == 200
    assert charge(gate, key).source == "estimated"
    (request,) = gate.seen()
    assert request.body.encode() == body(stream=True)


# Metrics.


def test_tokens_are_counted_by_tier_kind_and_source(gate):
    key = gate.key("counted")
    assert post(gate, key, body(), "cached_tokens=6").status == 200
    assert post(gate, key, body(stream=True), "reasoning_tokens=4").status == 200
    assert post(gate, key, body(), "no_usage").status == 200
    assert post(gate, key, body(), "status=500").status == 500
    log = charges(gate, key, 4)
    counted = {k: v for k, v in metered.counters(gate, "gmtech_tokens").items() if k[2] == "counted"}
    estimated = log[2]
    assert counted == {
        ("input", "exact", "counted"): 2 * PROMPT,
        ("output", "exact", "counted"): 2 * OUTPUT + 4,
        ("cached_input", "exact", "counted"): 6,
        ("reasoning", "exact", "counted"): 4,
        ("input", "estimated", "counted"): estimated.input,
        ("output", "estimated", "counted"): estimated.output,
    }
    settled = {k: v for k, v in metered.counters(gate, "gmtech_settled").items() if k[1] == "counted"}
    assert settled == {("exact", "counted"): 3, ("estimated", "counted"): 1}
