"""Requests that providers accept pass the gate, also with fewer parameters or unusual values."""

import json

import openai
import pytest

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


@pytest.mark.parametrize("value", ["Inf", "100", "infinite", ""])
def test_any_other_text_is_refused(gate, value):
    headers = [("authorization", gate.key("team").bearer), ("content-type", "application/json")]
    body = {"model": "gpt-4o", "input": "Hello", "max_output_tokens": value}
    answer = gate.send("POST", "/v1/responses", headers, json.dumps(body).encode())
    assert (answer.status, answer.error["param"]) == (400, "max_output_tokens")
