"""The limit on requests in flight: who is refused, and that every ending gives the place back."""

import pytest

from harness import metered
from harness.gate import Gate
from harness.metered import STEADY, body, limits, post, stream

CAPPED = {"requests_per_minute": 6000, "tokens_per_minute": 1_000_000, "max_in_flight": 1}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    kinds = {
        "two": (10, "free", {"limits": {**STEADY, "max_in_flight": 2}}),
        "capped": (2, "capped", {}),
    }
    with Gate(tmp_path_factory.mktemp("in-flight"), kinds=kinds, config={"tiers": {"capped": CAPPED}}) as gate:
        yield gate


def wait_for_places(gate, key, used: int) -> None:
    metered.wait_until(f"{used} places in use", lambda: limits(gate, key)["max_in_flight"]["used"] == used)


def slow(gate, key):
    return stream(gate, key, "output_tokens=1000;event_delay_ms=20", max_tokens=1000).read_events(2)


def test_the_third_of_two_in_flight_is_refused(gate):
    key = gate.key("two")
    going = [slow(gate, key), slow(gate, key)]
    place = limits(gate, key)["max_in_flight"]
    assert (place["limit"], place["used"], place["remaining"]) == (2, 2, 0)
    refused = post(gate, key)
    assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
    assert "concurrent requests: Limit 2, Used 2, Requested 1" in refused.error["message"]
    assert refused.header("retry-after") == "1" and refused.header("x-should-retry") == "true"
    going[0].hang_up()
    wait_for_places(gate, key, 1)
    assert post(gate, key).status == 200
    wait_for_places(gate, key, 1)
    going[1].hang_up()
    wait_for_places(gate, key, 0)
    assert [r["decision"] for r in gate.rows() if "429" in str(r["response_code"])] == ["rate_limit_in_flight"]


ENDINGS = {
    # name: the upstream's behaviour, fields of the request, the status
    "JSON": ("", {}, 200),
    "stream": ("", {"stream": True}, 200),
    "refused by the upstream": ("status=500", {}, 500),
    "no answer": ("drop", {}, 503),
    "an error event": ("error_event_after=2", {"stream": True}, 200),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_gives_the_place_back(gate, ending):
    mock, fields, status = ENDINGS[ending]
    key = gate.key("two")
    for _ in range(5):
        assert post(gate, key, body(**fields), mock).status == status
        wait_for_places(gate, key, 0)


def test_a_broken_stream_gives_the_place_back(gate):
    key = gate.key("two")
    for _ in range(3):
        stream(gate, key, "cut_after_events=3;event_delay_ms=10").read_to_the_end()
        wait_for_places(gate, key, 0)


def test_a_refused_request_takes_no_place(gate):
    key = gate.key("two")
    for _ in range(5):
        assert post(gate, key, b"{}").status == 400
    assert limits(gate, key)["max_in_flight"]["used"] == 0


def test_a_tier_has_a_cap_too(gate):
    key = gate.key("capped")
    going = slow(gate, key)
    assert post(gate, key).status == 429
    going.hang_up()
    wait_for_places(gate, key, 0)
    assert post(gate, key).status == 200
