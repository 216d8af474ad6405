"""Attribution of requests in the upstream's headers, the access log and the Prometheus page. None of them shows the
client's key."""

import json
import subprocess

import httpx
import pytest

from harness import bootstrap, http2, keys, paths
from harness.gate import PROVIDER_KEY, Counted
from harness.hostile import CHAT

JSON = ("content-type", "application/json")


def chat(gate, key, *more):
    headers = [("authorization", key.bearer), JSON, *more]
    return gate.send("POST", "/api/v1/chat/completions", headers, CHAT)


def test_what_the_upstream_gets(gate):
    key = gate.key("pro")
    answer = chat(gate, key)
    (request,) = gate.seen()
    assert request.path == "/v1/chat/completions"
    assert request.values("authorization") == [f"Bearer {PROVIDER_KEY}"], "the provider's key, and only that"
    assert request.values("x-gmtech-team-id") == [key.team]
    assert request.values("x-gmtech-key-id") == [key.id]
    assert request.values("x-gmtech-tier") == ["pro"]
    assert request.values("x-request-id") == [answer.header("x-request-id")]
    assert json.loads(request.body) == json.loads(CHAT)
    assert key.digest not in repr(request), "not even the digest"


def test_the_base_without_api_reaches_the_same_path(gate):
    key = gate.key()
    gate.send("POST", "/v1/chat/completions", [("authorization", key.bearer), JSON], CHAT)
    assert [s.path for s in gate.seen()] == ["/v1/chat/completions"]


def test_the_query_is_kept(gate):
    gate.send("GET", "/api/v1/models?limit=3&after=x%20y", [("authorization", gate.key().bearer)])
    assert [s.path for s in gate.seen()] == ["/v1/models?limit=3&after=x%20y"]


# What is sent; what its row in the access log says.
ROWS = [
    ("a good key", "free", "POST", "/api/v1/chat/completions", 200, "allowed", "via_upstream"),
    ("no key", None, "POST", "/api/v1/chat/completions", 401, "invalid_api_key", "gmtech_invalid_api_key"),
    ("suspended", "suspended", "GET", "/v1/models", 401, "invalid_api_key", "gmtech_invalid_api_key"),
    ("expired", "expired", "GET", "/v1/models", 401, "invalid_api_key", "gmtech_invalid_api_key"),
    ("revoked", "revoked", "GET", "/v1/models", 403, "key_revoked", "gmtech_key_revoked"),
    ("unknown path", "free", "GET", "/v3/models", 404, "unknown_url", "gmtech_unknown_url"),
    ("healthz", None, "GET", "/healthz", 200, "free", "direct_response"),
    ("options", None, "OPTIONS", "/v1/models", 204, "preflight", "gmtech_preflight"),
]


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_rows_of_the_access_log(gate, row):
    _, kind, method, path, status, decision, details = row
    key = gate.key(kind) if kind else None
    headers = [("authorization", key.bearer)] if key else []
    answer = gate.send(method, path, [*headers, JSON], CHAT if method == "POST" else b"")
    assert answer.status == status
    (logged,) = gate.rows()
    assert logged["response_code"] == status
    assert logged["decision"] == decision
    assert logged["response_code_details"] == details
    assert logged["path"] == path
    assert logged["method"] == method
    assert logged["request_id"] == answer.header("x-request-id")
    if decision == "allowed":
        assert (logged["team_id"], logged["key_id"], logged["tier"]) == (key.team, key.id, key.tier)
    if kind is None:
        assert not {"team_id", "key_id", "tier"} & set(logged)


def test_a_limited_request_is_attributed_in_the_log(gate):
    key = gate.key("single")
    while gate.models(key).status == 200:
        pass
    logged = gate.rows()[-1]
    assert (logged["decision"], logged["response_code"]) == ("rate_limit_requests", 429)
    assert logged["response_code_details"] == "gmtech_rate_limit_requests"
    assert (logged["team_id"], logged["key_id"], logged["tier"]) == (key.team, key.id, "free")


def test_the_prometheus_page_counts_by_tier_and_decision(gate):
    before = gate.counted()
    pro = gate.key("pro")
    for _ in range(3):
        assert gate.models(pro).status == 200
    single = gate.key("single")
    allowed = refused = 0
    while refused < 2:
        if gate.models(single).status == 200:
            allowed += 1
        else:
            refused += 1
    gate.send("GET", "/v1/models")
    gate.models(gate.key("revoked"))
    gate.send("GET", "/healthz")
    gate.send("GET", "/nowhere")
    gate.send("OPTIONS", "/v1/models")
    after = gate.counted()
    delta = {k: n - before.get(k, 0) for k, n in after.items() if n != before.get(k, 0)}
    anonymous = {k.decision: n for k, n in delta.items() if k.tier == "none"}
    assert delta[Counted("pro", "allowed")] == 3
    assert delta[Counted("free", "allowed")] == allowed
    assert delta[Counted("free", "rate_limit_requests")] == 2
    assert anonymous["invalid_api_key"] == 1
    assert anonymous["free"] == 1
    assert anonymous["unknown_url"] == 1
    assert anonymous["preflight"] == 1
    assert sum(n for k, n in delta.items() if k.decision == "key_revoked") == 1
    assert sum(delta.values()) == 3 + allowed + 2 + 5, "every request is counted once, under one name"


def test_the_prometheus_page_names_no_key_team_or_id(gate):
    key = gate.key("free")
    gate.models(key)
    page = gate.envoy.prometheus()
    for secret in (key.text, key.id, key.team, key.digest):
        assert secret not in page


def test_a_key_that_expires_later_is_a_key(gate):
    assert gate.models(gate.key("expires-later")).status == 200


def test_the_upstream_refuses_without_the_providers_key(gate):
    """The mock refuses requests without the provider's key. So the other tests show that Envoy adds it."""
    answer = httpx.get(f"{gate.mock.url}/v1/models", headers={"authorization": "Bearer other"}, trust_env=False)
    assert answer.status_code == 401


def underscores_allowed(config: dict) -> None:
    """A deployment that lets headers with underscores pass: the filter removes its own names without Envoy's help."""
    protocol = bootstrap.manager(config)["common_http_protocol_options"]
    assert protocol["headers_with_underscores_action"] == "DROP_HEADER"
    protocol["headers_with_underscores_action"] = "ALLOW"


@pytest.mark.parametrize("version", [1, 2])
def test_underscored_twins_are_removed_by_the_filter_itself(start, version):
    gate = start(overlay=underscores_allowed, kinds={"team": (1, "team", {})})
    key = gate.key()
    twins = ["x_gmtech_team_id", "x-gmtech_team_id", "x_gmtech-key-id", "x_gmtech_anything", "x_other"]
    headers = [("authorization", key.bearer), *[(name, "evil") for name in twins]]
    if version == 1:
        answer = gate.send("GET", "/v1/models", headers)
    else:
        answer = http2.exchange(gate.port, "GET", "/v1/models", headers)
    assert answer.status == 200
    (request,) = gate.seen()
    assert [n for n in request.names() if "gmtech" in n and "_" in n] == []
    assert request.values("x_other") == ["evil"], "this deployment lets other ones pass"
    assert request.values("x-gmtech-team-id") == [key.team]


def test_the_gate_makes_the_same_keys(start, tmp_path):
    """A key from `gmtech keys generate` works with the record that is printed with it."""
    done = subprocess.run(
        [str(paths.gmtech()), "keys", "generate", "--json", "--team", "acme", "--tier", "pro"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    made = json.loads(done.stdout)
    gate = start(config={"keys": made["entry"]}, kinds={})
    answer = gate.send("GET", "/v1/models", [("authorization", f"Bearer {made['key']}")])
    assert (answer.status, answer.header("x-ratelimit-limit-requests")) == (200, "3000")
    assert [s.values("x-gmtech-team-id") for s in gate.seen()] == [["acme"]]
    assert made["key"] not in gate.envoy.process.output()
    wrong = gate.send("GET", "/v1/models", [("authorization", f"Bearer {keys.mistyped(made['key'])}")])
    assert "mistyped" in wrong.error["message"]
