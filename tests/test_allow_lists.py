"""Attempts to get around a list of allowed models: a second model, a list instead of a name, no model, a name that another
parser finds elsewhere. A restricted key passes only with exactly one allowed model."""

import json

import pytest

from harness.gate import Gate
from harness.metered import STEADY

KINDS = {
    "any": (40, "free", {"limits": STEADY}),
    "picky": (10, "free", {"limits": {**STEADY, "requests_per_minute": 600_000}, "models": ["gpt-4o*", "whisper-1"]}),
}
GROUPS = ["realtime", "assistants", "engines", "evals", "batches", "other"]


@pytest.fixture(scope="module")
def gate(tmp_path_factory, canned):
    config = {"endpoints": {group: "allow" for group in GROUPS}, "unknown_objects": "allow"}
    with Gate(tmp_path_factory.mktemp("lists"), kinds=KINDS, config=config, overlay=canned.overlay) as gate:
        yield gate


@pytest.fixture(scope="module")
def picky(gate):
    return gate.key("picky")


@pytest.fixture(scope="module")
def anyone(gate):
    return gate.key("any")


def post(gate, key, path, body, content_type="application/json"):
    return gate.send("POST", path, [("authorization", key.bearer), ("content-type", content_type)], body)


CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
# path, body, and how it is refused for a key that may use `gpt-4o*` only; None: it passes
RESTRICTED = [
    (CHAT, {"model": "gpt-4o-mini"}, None),
    (CHAT, {"model": "gpt-4o,claude-opus-4"}, (403, "model_not_found")),
    (CHAT, {"model": "gpt-4o|claude-opus-4"}, (403, "model_not_found")),
    (CHAT, {"model": "gpt-4o@preset/anything"}, (403, "model_not_found")),
    (RESPONSES, {"input": "x"}, (400, "missing_required_parameter")),
    (RESPONSES, {"model": None, "input": "x"}, (400, "missing_required_parameter")),
    ("/v1/moderations", {"input": "x"}, (400, "missing_required_parameter")),
    ("/v1/something", {"input": "x"}, (400, "missing_required_parameter")),
    ("/v1/threads/runs", {"assistant_id": "asst_1"}, (400, "missing_required_parameter")),
    ("/v1/engines/o1/completions", {"prompt": "x"}, (403, "model_not_found")),
    ("/v1/engines/gpt-4o/completions", {"prompt": "x"}, None),
    ("/v1/engines/gpt-4o/completions", {"prompt": "x", "model": "o1"}, (400, "invalid_value")),
    (RESPONSES, {"model": "gpt-4o", "prompt": {"id": "pmpt_1"}}, (400, "unknown_parameter")),
    (RESPONSES, {"model": "gpt-4o", "tools": [{"type": "image_generation", "model": "o1"}]}, (403, "model_not_found")),
    (RESPONSES, {"model": "gpt-4o", "tools": [{"type": "image_generation", "model": "gpt-4o-i"}]}, None),
    (RESPONSES, {"model": "gpt-4o", "input": [{"tools": [{"model": "o1"}]}]}, (403, "model_not_found")),
    (CHAT, {"model": "gpt-4o", "extra_body": {"model": "o1"}}, (403, "model_not_found")),
    (CHAT, {"model": "gpt-4o", "extra_body": {"Model": "o1"}}, (403, "model_not_found")),
    (CHAT, {"model": "gpt-4o", "models": ["o1"]}, (400, "unknown_parameter")),
    (CHAT, {"model": "gpt-4o", "providerOptions": {"gateway": {"models": ["o1"]}}}, (400, "unknown_parameter")),
    (CHAT, {"model": "gpt-4o", "preset": "x"}, (400, "unknown_parameter")),
    (CHAT, {"model": "gpt-4o", "plugins": [{"id": "auto-router"}]}, (400, "unknown_parameter")),
    (CHAT, {"model": "gpt-4o", "context_window_fallback_dict": {"gpt-4o": "o1"}}, (400, "unknown_parameter")),
    ("/v1/realtime/sessions", {"model": "gpt-4o", "input_audio_transcription": {"model": "o1"}}, (403, "model_not_found")),
    ("/v1/realtime/client_secrets", {"model": "gpt-4o", "session": {"model": "o1"}}, (403, "model_not_found")),
    ("/v1/messages/batches", {"requests": [{"params": {"model": "o1"}}]}, (403, "model_not_found")),
    ("/v1/evals/e/runs", {"model": "gpt-4o", "data_source": {"model": "o1"}}, (403, "model_not_found")),
    (CHAT + "?model=o1", {"model": "gpt-4o"}, (400, "unknown_parameter")),
    # Prompts and other data may mention models.
    (CHAT, {"model": "gpt-4o", "messages": [{"role": "user", "content": [{"type": "text", "model": "Civic"}]}]}, None),
    (CHAT, {"model": "gpt-4o", "tools": [{"function": {"parameters": {"properties": {"model": {"type": "string"}}}}}]}, None),
    (CHAT, {"model": "gpt-4o", "metadata": {"model": "Civic"}, "provider": {"allow_fallbacks": True}}, None),
]


@pytest.mark.parametrize(("path", "body", "refused"), RESTRICTED, ids=[f"{n} {p}" for n, (p, *_) in enumerate(RESTRICTED)])
def test_a_restricted_key_names_exactly_one_allowed_model(gate, canned, picky, path, body, refused):
    canned.forget()
    answer = post(gate, picky, path, json.dumps(body).encode())
    if refused:
        status, code = refused
        assert answer.status == status, answer.everything()
        if "/messages" not in path:
            assert answer.error["code"] == code
        assert canned.asked == []
    else:
        assert answer.status == 200, answer.everything()
        (asked,) = canned.asked
        assert json.loads(asked.body) == body


def test_an_unrestricted_key_may_send_all_of_them(gate, canned, anyone):
    canned.forget()
    mine = [(path, body) for path, body, _ in RESTRICTED if "engines" not in path]
    for path, body in mine:
        assert post(gate, anyone, path, json.dumps(body).encode()).status == 200, (path, body)
    assert len(canned.asked) == len(mine)


TRANSCRIPTIONS = "/v1/audio/transcriptions"
FORM = "multipart/form-data; boundary=b"


def part(disposition: str, content: str, *more: str) -> str:
    lines = [f"content-disposition: form-data; {disposition}", *more]
    return "--b\r\n" + "\r\n".join(lines) + f"\r\n\r\n{content}\r\n"


MODEL = part('name="model"', "whisper-1")
# what another parser would read as a second model; the content type; the code of the refusal, for every key
FORMS = [
    (part('name="+AG0-odel"', "o1"), FORM + "; charset=utf-7", "invalid_multipart"),
    (part('name="+AG0-odel"', "o1"), FORM, "invalid_multipart"),
    (part('name="language"', "en"), FORM + "; charset=iso-8859-1", "invalid_multipart"),
    (part('name="language"', "en"), FORM + "; charset*=utf-8''utf-7", "invalid_multipart"),
    (part('name="language"', "en", "content-type: text/plain; charset=utf-16"), FORM, "invalid_multipart"),
    (part('name="_charset_"', "utf-7"), FORM, "invalid_multipart"),
    (part('name="=?utf-8?q?model?="', "o1"), FORM, "invalid_multipart"),
    (part('name="=?utf-8?b?bW9kZWw=?="', "o1"), FORM, "invalid_multipart"),
    (part('name="%6dodel"', "o1"), FORM, "invalid_multipart"),
    (part('name="&#109;odel"', "o1"), FORM, "invalid_multipart"),
    (part("name*0=mod; name*1=el", "o1"), FORM, "invalid_multipart"),
    (part('name="Model"', "o1"), FORM, "unknown_parameter"),
    (part('name="model[]"', "o1"), FORM, "unknown_parameter"),
    (part('name="x"', "o1", "content-type: multipart/mixed; boundary=c"), FORM, "invalid_multipart"),
]


@pytest.mark.parametrize(("more", "content_type", "code"), FORMS, ids=[str(n) for n in range(len(FORMS))])
def test_a_form_names_one_model_to_every_parser(gate, canned, anyone, more, content_type, code):
    canned.forget()
    answer = post(gate, anyone, TRANSCRIPTIONS, (MODEL + more + "--b--\r\n").encode(), content_type)
    assert (answer.status, answer.error["code"]) == (400, code), answer.everything()
    assert canned.asked == []


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (part('name="language"', "en", "content-type: text/plain; charset=utf-8"), 200),
        (part('name="session[model]"', "o1"), 403),
        (part('name="session"', '{"model":"o1"}', "content-type: application/json"), 400),
        (part('name="fallbacks"', "o1"), 400),
    ],
    ids=["charset", "bracketed", "JSON part", "fallbacks"],
)
def test_a_form_of_a_restricted_key_names_no_other_model(gate, canned, picky, anyone, more, status):
    data = (MODEL + more + "--b--\r\n").encode()
    assert post(gate, anyone, TRANSCRIPTIONS, data, FORM).status == 200
    canned.forget()
    answer = post(gate, picky, TRANSCRIPTIONS, data, FORM)
    assert answer.status == status, answer.everything()
    assert len(canned.asked) == (status == 200)
