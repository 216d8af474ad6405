"""Which endpoints pass: those that the gate knows and that keep nothing at the provider. All others are 404, and the
message names the setting that opens them. An endpoint that was opened is checked and charged like the others, or refused if
its body cannot be read."""

import json

import httpx
import openai
import pytest

from harness import groups, metered
from harness.gate import Gate
from harness.metered import STEADY

KINDS = {
    "any": (80, "free", {"limits": {**STEADY, "requests_per_minute": 60}}),
    "picky": (20, "free", {"limits": STEADY, "models": ["gpt-4o*"]}),
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory, canned):
    """The default configuration, and an upstream that answers 200 to everything."""
    with Gate(tmp_path_factory.mktemp("closed"), kinds=KINDS, overlay=canned.overlay) as gate:
        yield gate


@pytest.fixture(scope="module")
def opened(tmp_path_factory, canned):
    config = {"endpoints": {group: "allow" for group in groups.CLOSED}, "unknown_objects": "allow"}
    with Gate(tmp_path_factory.mktemp("opened"), kinds=KINDS, config=config, overlay=canned.overlay) as gate:
        yield gate


def send(gate, key, method, path, body=b"", content_type="application/json", *more):
    headers = [("authorization", key.bearer), *more]
    return gate.send(method, path, headers + ([("content-type", content_type)] if body else []), body)


# method, path, group
CLOSED = [
    ("DELETE", "/v1/files/file-x", "files"),
    ("GET", "/v1/files", "files"),
    ("POST", "/v1/files", "files"),
    ("POST", "/v1/uploads", "uploads"),
    ("DELETE", "/v1/models/ft:gpt-4o:of-another-team", "model_deletion"),
    ("GET", "/v1/responses/resp_of_another_team", "stored_responses"),
    ("POST", "/v1/responses/resp_1/cancel", "stored_responses"),
    ("GET", "/v1/chat/completions", "stored_completions"),
    ("DELETE", "/v1/chat/completions/chatcmpl-1", "stored_completions"),
    ("GET", "/v1/chat/deferred-completion/x", "background"),
    ("POST", "/v1/fine_tuning/jobs", "fine_tuning"),
    ("POST", "/v1/batches", "batches"),
    ("POST", "/v1/messages/batches", "batches"),
    ("POST", "/v1/realtime/client_secrets", "realtime"),
    ("GET", "/v1/realtime", "realtime"),
    ("POST", "/v1/threads/runs", "assistants"),
    ("POST", "/v1/vector_stores", "vector_stores"),
    ("POST", "/v1/containers", "containers"),
    ("POST", "/v1/conversations", "conversations"),
    ("POST", "/v1/evals", "evals"),
    ("POST", "/v1/videos", "videos"),
    ("POST", "/v1/engines/davinci/completions", "engines"),
    ("POST", "/v1/skills", "skills"),
    ("POST", "/v1/sessions", "agents"),
    ("POST", "/v1/v1beta/cachedContents", "cached_contents"),
    ("POST", "/v1/organization/admin_api_keys", "organization"),
    ("GET", "/v1/organization/users", "organization"),
    ("POST", "/v1/something/new", "other"),
    ("PUT", "/v1/embeddings", "other"),
    # Spellings.
    ("DELETE", "/v1/Files/x", "files"),
    ("DELETE", "/v1/f%69les/x", "files"),
    ("DELETE", "//v1//files//x", "files"),
    ("DELETE", "/api/v1/openai/files/x", "files"),
    ("POST", "/v1/files/x/v1/chat/completions", "files"),
    ("POST", "/v1/files/openai/deployments/d/chat/completions", "files"),
    ("POST", "/v1/openai/deployments/gpt-4o/files", "other"),
    ("GET", "/v1/models/%252e%252e/files", "other"),
    ("POST", "/v1/chat/completions;x", "other"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "group"), CLOSED, ids=[f"{m} {p}" for m, p, _ in CLOSED])
def test_what_is_kept_at_the_provider_is_closed(gate, canned, method, path, group):
    canned.forget()
    key = gate.key("any")
    answer = send(gate, key, method, path, b'{"model":"gpt-4o"}' if method in ("POST", "PUT") else b"")
    assert answer.status == 404, answer.everything()
    assert f'"endpoints": {{"{group}": "allow"}}' in json.loads(answer.body)["error"]["message"]
    assert canned.asked == []
    (row,) = gate.rows()
    assert (row["decision"], row["key_id"]) == ("unknown_url", key.id)
    assert metered.limits(gate, key)["requests_per_minute"]["used"] == 1


def test_the_sdks_error_names_the_setting(gate):
    client = gate.openai(gate.key("any"), max_retries=0)
    answer = send(gate, gate.key("any"), "GET", "/v1/files")
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", "unknown_url")
    for call in (client.files.list, lambda: client.models.delete("ft:x"), lambda: client.responses.retrieve("resp_1")):
        with pytest.raises(openai.NotFoundError, match='"endpoints": {"[a-z_]+": "allow"}'):
            call()


OPEN = [
    ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("POST", "/v1/embeddings"), ("POST", "/v1/responses"),
    ("POST", "/v1/responses/compact"), ("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/responses/input_tokens"), ("POST", "/v1/images/generations"), ("POST", "/v1/audio/speech"),
    ("POST", "/v1/moderations"), ("POST", "/v1/rerank"), ("POST", "/v1/v1beta/models/gpt-4o:generateContent"),
    ("POST", "/v1/openai/deployments/gpt-4o/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/gpt-4o"),
]  # fmt: skip


def test_known_endpoints_that_keep_nothing_are_open(gate, canned):
    canned.forget()
    for method, path in OPEN:
        answer = send(gate, gate.key("any"), method, path, b'{"model":"gpt-4o"}' if method == "POST" else b"")
        assert answer.status == 200, (path, answer.everything())
    assert [(a.method, a.path) for a in canned.asked] == OPEN


def test_groups_can_be_closed_too(start):
    gate = start(config={"endpoints": {"images": "refuse"}}, kinds={"team": (1, "team", {})})
    answer = send(gate, gate.key(), "POST", "/v1/images/generations", b'{"model":"gpt-4o","prompt":"x"}')
    assert answer.status == 404 and '"images": "allow"' in answer.error["message"]


@pytest.mark.parametrize(("method", "path", "group"), [c for c in CLOSED if c[1] != "/v1/realtime"])
def test_what_an_operator_opens_passes(opened, canned, method, path, group):
    canned.forget()
    answer = send(opened, opened.key("any"), method, path, b'{"model":"gpt-4o"}' if method in ("POST", "PUT") else b"")
    # The path names one model and the body another; batches without requests.
    judged = path in ("/v1/engines/davinci/completions", "/v1/batches", "/v1/messages/batches")
    assert answer.status == (400 if judged else 200), answer.everything()
    assert len(canned.asked) == (answer.status == 200)


FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
FILE = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n\x00\xff\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        ("/v1/files", PART % (b"purpose", b"assistants") + FILE, FORM, 200),
        ("/v1/files", b"\x00\xff", "application/octet-stream", 200),
        ("/v1/uploads/u/parts", FILE, FORM, 200),
        ("/v1/something/new", b"\x00\xff", "application/octet-stream", 415),
        ("/v1/something/new", b'{"model":"gpt-4o"}', "application/octet-stream", 415),
        ("/v1/threads/runs", b"x", "application/octet-stream", 415),
        ("/v1/videos", b"x", "text/csv", 415),
        ("/v1/something/new", b"{", "application/json", 400),
    ],
)
def test_an_opened_endpoint_is_read_or_refused(opened, canned, path, body, content_type, status):
    canned.forget()
    answer = send(opened, opened.key("any"), "POST", path, body, content_type)
    assert answer.status == status, answer.everything()
    assert len(canned.asked) == (status == 200)


def test_an_opened_endpoint_is_judged(opened, canned):
    canned.forget()
    key = opened.key("picky")
    for path in ("/v1/something/new", "/v1/threads/runs", "/v1/fine_tuning/jobs", "/v1/videos"):
        for body, status in [({"model": "o1"}, 403), ({"prompt": "x"}, 400), ({"model": "gpt-4o-mini"}, 200)]:
            answer = send(opened, key, "POST", path, json.dumps(body).encode())
            assert answer.status == status, (path, body, answer.everything())
    assert {json.loads(a.body)["model"] for a in canned.asked} == {"gpt-4o-mini"}


@pytest.mark.parametrize(
    ("path", "body", "costs"),
    [
        ("/v1/vector_stores", {"name": "a name of five words"}, False),
        ("/v1/threads", {"messages": [{"role": "user", "content": "hello"}]}, False),
        ("/v1/images/generations", {"model": "dall-e-2", "prompt": "a cat"}, False),
        ("/v1/images/generations", {"model": "dall-e-3", "prompt": "a cat"}, False),
        ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "a cat"}, True),
        ("/v1/threads/runs", {"model": "gpt-4o", "assistant_id": "a"}, True),
        ("/v1/something/new", {"model": "gpt-4o", "prompt": "hello"}, True),
    ],
)
def test_tokens_are_charged_where_providers_bill_them(opened, path, body, costs):
    key = opened.key("any")
    assert send(opened, key, "POST", path, json.dumps(body).encode()).status == 200
    used = metered.limits(opened, key)["tokens_per_minute"]["used"]
    assert (used > 0) == costs, used


def test_no_header_changes_the_method_at_the_upstream(gate, canned):
    """Google's APIs obey `x-http-method-override`: a request that was checked as GET could delete."""
    canned.forget()
    overrides = [(name, "DELETE") for name in ("x-http-method-override", "x-http-method", "x-method-override")]
    assert send(gate, gate.key("any"), "GET", "/v1/models/gpt-4o", b"", "", *overrides).status == 200
    (asked,) = canned.asked
    assert not [name for name in asked.headers if "method" in name]


def test_without_a_key_every_endpoint_is_a_401(gate):
    answer = httpx.get(f"http://127.0.0.1:{gate.port}/v1/files", trust_env=False)
    assert answer.status_code == 401
