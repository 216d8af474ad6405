"""A refusal over HTTP/2 arrives, whatever the client is still sending: curl, `openai` with `http2=True`, and raw clients.
"""

import concurrent.futures
import json
import subprocess

import httpx
import openai
import pytest

from harness import http2, keys, metered
from harness.waiting import wait_until

MIB = 1 << 20
BODY = metered.body("x" * (2 * MIB))


@pytest.fixture
def own_gate(start):
    """A gate of this module, because large bodies would slow down every later look at the shared gate's upstream."""
    kinds = {
        "team": (2, "team", {}),
        "picky": (1, "team", {"models": ["gpt-4o-mini"]}),
        "small": (1, "team", {"limits": {"max_in_flight": 1, "requests_per_minute": 2}}),
        "revoked": (1, "free", {"status": "revoked"}),
    }
    return start(kinds=kinds)


def curl(gate, key: str, body, *more: str) -> tuple[int, str]:
    """Status and body as curl reports them; 0 if it lost the answer."""
    done = subprocess.run(
        [
            "curl", "--silent", "--http2-prior-knowledge", "--noproxy", "*", "--max-time", "20",
            "--header", f"authorization: Bearer {key}", "--header", "content-type: application/json",
            "--header", "expect:", "--data-binary", f"@{body}", "--write-out", "\n%{http_code}", *more,
            gate.url() + "/chat/completions",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    text, _, status = done.stdout.rpartition("\n")
    return (int(status) if done.returncode == 0 else 0), text


def test_curl_reads_every_refusal(own_gate, tmp_path):
    body = tmp_path / "body.json"
    body.write_bytes(BODY)
    key = keys.new_text()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: curl(own_gate, key, body), range(10)))
    assert [status for status, _ in told] == [401] * 10
    assert {json.loads(text)["error"]["code"] for _, text in told} == {"invalid_api_key"}
    assert own_gate.seen() == []


@pytest.mark.parametrize(
    ("kind", "raised"),
    [(None, openai.AuthenticationError), ("revoked", openai.PermissionDeniedError), ("picky", openai.PermissionDeniedError)],
)
def test_the_python_sdk_over_http2(own_gate, kind, raised):
    """Refused at the head, and in the middle of the body."""
    key = own_gate.key(kind).text if kind else keys.new_text()
    with httpx.Client(http1=False, http2=True, trust_env=False, timeout=20) as transport:
        client = own_gate.openai(key, max_retries=0, http_client=transport)
        with pytest.raises(raised):
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x" * (2 * MIB)}])
    assert own_gate.seen() == []


def test_a_refusal_that_waits_holds_no_place(own_gate):
    key = own_gate.key("small")
    headers = metered.headers(key)
    with http2.unfinished(own_gate.port, "POST", metered.CHAT_PATH, headers, b"[" + b"x" * 40_000):
        decided = ("gmtech_requests", {("bad_request", "team"): 1})
        wait_until("the decision", lambda: metered.counters(own_gate, decided[0]).items() >= decided[1].items())
        assert own_gate.rows() == [], "its end has not come, and so no answer"
        limits = metered.limits(own_gate, key)
        assert (limits["max_in_flight"]["used"], limits["requests_per_minute"]["used"]) == (0, 1)


@pytest.mark.parametrize("trailers", [[], [("x-late", "1")]], ids=["no trailers", "trailers"])
@pytest.mark.parametrize("body", [b"", BODY], ids=["no body", "body"])
def test_a_refusal_arrives_however_the_request_ends(own_gate, body, trailers):
    answer = http2.exchange(
        own_gate.port, "POST", metered.CHAT_PATH, [("content-type", "application/json")], body, trailers
    )
    assert (answer.status, answer.ended) == (401, "complete")
    assert answer.error["code"] == "invalid_api_key"


def test_an_endless_upload_is_refused(own_gate):
    """The gate waits for at most twice the largest body."""
    endless = b"x" * (80 * MIB)
    answer = http2.exchange(
        own_gate.port, "POST", metered.CHAT_PATH, [("content-type", "application/json")], endless, deadline=20
    )
    assert answer.status == 401, answer.ended


def test_a_body_that_is_too_large_is_read_too(own_gate, tmp_path):
    """Refused for its content-length: the gate drops the upload as it arrives, and curl can read the refusal."""
    body = tmp_path / "body.json"
    body.write_bytes(metered.body("x" * (40 * MIB)))
    status, text = curl(own_gate, own_gate.key("team").text, body)
    assert (status, json.loads(text)["error"]["code"]) == (413, "request_too_large")
