"""Everything that passed the gate is charged: to the limit (`/limits`, the access log) and in money (the key service).

A client that hangs up receives no usage report, and may have received more than was reserved.
"""

import time

import pytest

from harness import metered
from harness import service as services
from harness.metered import body, charges, limits, stream
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("charging")) as (service, (gate,)):
        yield service, gate


@pytest.fixture
def service(stack):
    return stack[0]


@pytest.fixture
def gate(stack):
    return stack[1]


def made(service, gate, tier="free", **more):
    """A new key, once the gate knows it."""
    key = service.key(tier=tier, **more)
    wait_until("the key", lambda: gate.send("GET", "/api/v1/limits", [("authorization", key.bearer)]).status == 200)
    return key


def hang_up_after(gate, key, words: int, **fields) -> int:
    """Opens a stream and leaves it after this many words. Returns how many had arrived."""
    # The stream is far longer than Envoy's buffers. The first event holds only the role.
    going = stream(gate, key, "output_tokens=100000", **fields).read_events(words + 1, deadline=60)
    going.hang_up()
    return going.events - 1


def money(service, key, tokens: int) -> dict:
    """The key's row in the service, once this many tokens are booked."""

    def row():
        found = service.usage(by="key").get(key.id, {"total_tokens": 0})
        return found["total_tokens"] >= tokens and found

    found = wait_until(f"{tokens} tokens in the ledger", row)
    assert found["total_tokens"] == tokens
    return found


def agrees(service, gate, key, requests: int) -> None:
    """Limit, log and money agree, and show no less than the upstream says that it sent."""
    log = charges(gate, key, requests)
    charged = sum(c.charged for c in log)
    row = money(service, key, charged)
    assert row["output_tokens"] == sum(c.output for c in log)
    # Tokens come back at one a second.
    assert charged - 60 <= limits(gate, key)["tokens_per_minute"]["used"] <= charged


def test_hanging_up_after_short_answers_is_charged(service, gate):
    """The attack: after short answers little is reserved. 14,697 tokens were streamed, and four billed."""
    key = made(service, gate, limits=metered.STEADY)
    assert metered.post(gate, key, body(max_tokens=1)).status == 200
    charges(gate, key, 1)
    received = hang_up_after(gate, key, 14_697)
    short, long = charges(gate, key, 2)
    assert (short.source, short.output) == ("exact", 1)
    assert long.source == "lower_bound"
    assert long.output >= received >= 14_697
    assert long.reserved == long.prompt_estimate + 1024, "what a new key reserves"
    agrees(service, gate, key, 2)


def test_a_new_key_of_the_free_tier_pays_for_every_word(service, gate):
    """The attack: 5,900 words were streamed, and 1,024 tokens reserved."""
    key = made(service, gate)
    began = time.monotonic()
    received = hang_up_after(gate, key, 5_900)
    (settled,) = charges(gate, key, 1)
    assert settled.output >= received >= 5_900
    row = money(service, key, settled.charged)
    assert row["output_tokens"] == settled.output
    used = limits(gate, key)["tokens_per_minute"]["used"]
    back = 40_000 / 60 * (time.monotonic() - began) + 1
    assert settled.charged - back <= used <= settled.charged


@pytest.mark.parametrize("fields", [{"n": 3}, {"max_tokens": 90_000}], ids=str)
def test_every_cut_stream_is_charged_what_came(service, gate, fields):
    key = made(service, gate, limits=metered.STEADY)
    received = hang_up_after(gate, key, 2_000, **fields)
    (settled,) = charges(gate, key, 1)
    assert settled.output >= received >= 2_000
    agrees(service, gate, key, 1)


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("streams", [False, True])
def test_a_mislabelled_answer_is_metered(service, gate, content_type, streams):
    """SDKs read a stream that is labelled as JSON, and JSON that is labelled as a stream."""
    key = made(service, gate, limits=metered.STEADY)
    answer = metered.post(gate, key, body(stream=streams), f"content_type={content_type};no_usage;output_tokens=500")
    assert (answer.status, answer.ended) == (200, "complete")
    (settled,) = charges(gate, key, 1)
    assert settled.source == "estimated"
    assert 500 <= settled.output <= 750
    agrees(service, gate, key, 1)
