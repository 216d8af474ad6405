"""Requests that providers accept pass the gate, also with fewer parameters or unusual values."""

import json

import openai
import pytest

from harness import metered
from harness.gate import Gate

PIXEL = ("pixel.png", b"\x89PNG\r\n", "image/png")

IMAGES = {
    "generate": lambda images: images.generate(prompt="a cat"),
    "edit": lambda images: images.edit(image=PIXEL, prompt="a cat"),
    "create_variation": lambda images: images.create_variation(image=PIXEL),
}


@pytest.mark.parametrize("call", IMAGES)
def test_images_need_no_model(gate, call):
    """The provider has a default. mock-llm makes images by `generate` only, and says 404 of the others."""
    images = gate.openai(gate.key("team"), max_retries=0).images
    if call == "generate":
        assert IMAGES[call](images).data
    else:
        with pytest.raises(openai.NotFoundError):
            IMAGES[call](images)
    (row,) = gate.rows()
    assert (row["decision"], row["response_code_details"]) == ("allowed", "via_upstream")
    (seen,) = gate.seen()
    assert seen.values("x-gmtech-model") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"max_output_tokens": "inf"},
        {"max_response_output_tokens": "inf"},
        {"session": {"type": "realtime", "max_output_tokens": "inf"}},
    ],
    ids=str,
)
def test_inf_is_no_cap(gate, fields):
    """As realtime sessions write it. Any endpoint that has the parameter accepts it."""
    headers = [("authorization", gate.key("team").bearer), ("content-type", "application/json")]
    body = {"model": "gpt-4o", "input": "Hello", **fields}
    answer = gate.send("POST", "/v1/responses", headers, json.dumps(body).encode())
    (row,) = gate.rows()
    assert row["decision"] == "allowed", answer.body
    assert len(gate.seen()) == 1


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A gate whose keys' buckets refill slowly, so that reservations can be compared."""
    with Gate(tmp_path_factory.mktemp("steady"), kinds={"steady": (20, "free", {"limits": metered.STEADY})}) as gate:
        yield gate


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("streams", [False, True])
def test_minus_one_is_no_cap(steady, name, streams):
    """As LM Studio and llama.cpp write it. It reserves what a request without a cap reserves, and reaches the upstream."""
    reserved = []
    for more in ({}, {name: -1}):
        key = steady.key("steady")
        steady.mark()
        answer = metered.post(steady, key, metered.body(stream=streams, **more), "output_tokens=50")
        assert (answer.status, answer.ended) == (200, "complete"), answer.everything()
        (seen,) = steady.seen()
        assert json.loads(seen.body).get(name) == more.get(name)
        charge = metered.charge(steady, key)
        assert (charge.source, charge.output) == ("exact", 50)
        reserved.append(charge.reserved - charge.prompt_estimate)
    assert reserved == [1024, 1024]


@pytest.mark.parametrize(("name", "value"), [("max_tokens", "-1"), ("n", -1)])
def test_no_cap_is_said_by_a_whole_number_and_only_for_caps(gate, name, value):
    headers = [("authorization", gate.key("team").bearer), ("content-type", "application/json")]
    body = {"model": "gpt-4o", "messages": [], name: value}
    answer = gate.send("POST", "/v1/chat/completions", headers, json.dumps(body).encode())
    assert (answer.status, answer.error["param"]) == (400, name)
    assert gate.seen() == []


@pytest.mark.parametrize("value", ["Inf", "100", "infinite", ""])
def test_any_other_text_is_refused(gate, value):
    headers = [("authorization", gate.key("team").bearer), ("content-type", "application/json")]
    body = {"model": "gpt-4o", "input": "Hello", "max_output_tokens": value}
    answer = gate.send("POST", "/v1/responses", headers, json.dumps(body).encode())
    assert (answer.status, answer.error["param"]) == (400, "max_output_tokens")
