"""A web page calls the API: preflights carry no key and are answered, and the page can read a refusal."""

import pytest

ORIGIN = ("origin", "https://app.example")
PREFLIGHT = [
    ORIGIN,
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
]


def listed(answer, name: str) -> set[str]:
    return {part.strip().lower() for part in (answer.header(name) or "").split(",")}


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/models"])
@pytest.mark.parametrize("authorization", [[], [("authorization", "Bearer nonsense")]], ids=["no key", "a bad key"])
def test_a_preflight_is_answered_without_a_key(gate, path, authorization):
    answer = gate.send("OPTIONS", path, [*PREFLIGHT, *authorization])
    assert answer.status == 200
    assert answer.header("access-control-allow-origin") == ORIGIN[1]
    assert "POST" in answer.header("access-control-allow-methods")
    assert {"authorization", "content-type", "x-stainless-lang"} <= listed(answer, "access-control-allow-headers")
    assert gate.seen() == []


REFUSALS = [
    ("401", None, "/v1/models", 401),
    ("403", "revoked", "/v1/models", 403),
    ("404", "free", "/v9/models", 404),
    ("429", "single", "/v1/models", 429),
    ("200", "free", "/v1/models", 200),
]


@pytest.mark.parametrize(("name", "kind", "path", "status"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_every_answer_can_be_read_by_the_page(gate, name, kind, path, status):
    key = gate.key(kind) if kind else None
    headers = [ORIGIN, *([("authorization", key.bearer)] if key else [])]
    answer = gate.send("GET", path, headers)
    while kind == "single" and answer.status == 200:
        answer = gate.send("GET", path, headers)
    assert answer.status == status
    assert answer.header("access-control-allow-origin") == ORIGIN[1]
    exposed = listed(answer, "access-control-expose-headers")
    assert {"x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "x-ratelimit-scope"} <= exposed
    assert {f"x-ratelimit-{a}-{b}" for a in ("limit", "remaining", "reset") for b in ("requests", "tokens")} <= exposed


def test_a_preflight_does_not_consume(gate):
    key = gate.key("free")
    for _ in range(70):
        gate.send("OPTIONS", "/v1/models", [*PREFLIGHT, ("authorization", key.bearer)])
    assert gate.models(key).header("x-ratelimit-remaining-requests") == "59"
