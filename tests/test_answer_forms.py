"""The bytes of an answer tell what it is: whatever an upstream calls it, it is charged the same, and the usage that the gate
alone asked for does not reach the client."""

import json

import pytest

from harness import metered
from harness.gate import Gate
from harness.metered import body, charge, post

USAGE = {"prompt_tokens": 15, "completion_tokens": 11, "total_tokens": 26}


def event(**fields) -> str:
    return f"data: {json.dumps(fields)}\n\n"


def delta(text: str) -> str:
    return event(object="chat.completion.chunk", choices=[{"index": 0, "delta": {"content": text}}])


HEAD = delta(" one two") + delta(" three")
DONE = "data: [DONE]\n\n"
DOCUMENT = json.dumps({"choices": [{"message": {"content": " one two three"}}], "usage": USAGE})
ERROR = json.dumps({"error": {"message": "The server had an error", "type": "server_error"}})
EXACT = ("exact", 15, 11)

# name; what the upstream sends; what the client gets, if that differs; how it is charged
FORMS = [
    ("a stream", HEAD + event(choices=[], usage=USAGE) + DONE, HEAD + DONE, EXACT),
    ("a stream without choices", HEAD + event(usage=USAGE) + DONE, HEAD + DONE, EXACT),
    ("a stream with null for choices", HEAD + event(choices=None, usage=USAGE) + DONE, HEAD + DONE, EXACT),
    ("a BOM and a stream", "\ufeff" + HEAD + event(choices=[], usage=USAGE) + DONE, "\ufeff" + HEAD + DONE, EXACT),
    ("a document", DOCUMENT, None, EXACT),
    ("a document and [DONE]", f"{DOCUMENT}\n\n{DONE}", None, EXACT),
    ("an event of three documents", (HEAD + event(choices=[], usage=USAGE)).replace("}\n\ndata: {", "}{"), None, EXACT),
    ("an error", ERROR, None, ("lower_bound", 0, 0)),
    ("an error as an event", f"data: {ERROR}\n\n", None, ("lower_bound", 0, 0)),
]
TYPES = ["text/event-stream", "application/json", "text/plain", ""]


@pytest.fixture(scope="module")
def gate(tmp_path_factory, canned):
    kinds = {"steady": (40, "free", {"limits": metered.STEADY})}
    with Gate(tmp_path_factory.mktemp("forms"), kinds=kinds, overlay=canned.overlay) as gate:
        yield gate


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
def test_every_form_is_charged_the_same_whatever_it_is_called(gate, canned, form, content_type):
    _, sent, shown, (source, input, output) = form
    canned.answers["/v1/chat/completions"] = sent.encode()
    canned.content_type = content_type
    key = gate.key("steady")
    answer = post(gate, key, body(stream=True))
    assert (answer.status, answer.ended) == (200, "complete")
    assert answer.body == (sent if shown is None else shown).encode()
    settled = charge(gate, key)
    assert (settled.source, settled.input, settled.output) == (source, input, output)


def test_a_client_that_asks_for_the_usage_gets_it(gate, canned):
    key = gate.key("steady")
    for usage in (event(choices=[], usage=USAGE), event(usage=USAGE), event(choices=None, usage=USAGE)):
        sent = (HEAD + usage + DONE).encode()
        canned.answers["/v1/chat/completions"] = sent
        for canned.content_type in TYPES:
            answer = post(gate, key, body(stream=True, stream_options={"include_usage": True}))
            assert answer.body == sent


def test_text_that_is_neither_is_charged_by_its_text_and_counted(gate, canned):
    canned.answers["/v1/chat/completions"] = b"one two three four five " * 100
    canned.content_type = "text/plain"
    before = metered.counters(gate, "gmtech_usage_unread").get(("text", "free"), 0)
    key = gate.key("steady")
    assert post(gate, key).status == 200
    settled = charge(gate, key)
    assert settled.source == "estimated"
    assert 500 <= settled.output <= 550
    assert metered.counters(gate, "gmtech_usage_unread")[("text", "free")] == before + 1
