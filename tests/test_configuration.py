"""The filter's configuration is strict: a mistake is refused at load, one line of the log says where and what, and Envoy
keeps the previous configuration."""

import json

import pytest

from harness import keys
from harness.dynamic import Ecds, Lds
from harness.gate import Gate
from harness.hostile import CHAT

DIGEST = "ab" * 32
GOOD_KEY = {"id": "key_x", "team": "acme", "tier": "free"}


def with_key_record(**fields) -> dict:
    return {"keys": {DIGEST: {**GOOD_KEY, **fields}}}


def with_tier(**fields) -> dict:
    return {"tiers": {"free": {"requests_per_minute": 60, "tokens_per_minute": 40000, **fields}}}


def without(record: dict, name: str) -> dict:
    return {k: v for k, v in record.items() if k != name}


# The configuration; the place of the mistake; the message.
MISTAKES = [
    ("no JSON", "tiers:\n  free: 60\n", ".", "JSON object"),
    ("cut", '{"keys": {', "keys", "EOF"),
    ("two documents", "{} {}", ".", "trailing"),
    ("a list", "[]", ".", "JSON object"),
    ("unknown at the top", {"teirs": {}}, "teirs", "unknown field"),
    ("unknown in a tier", with_tier(rpm=60), "tiers.free.rpm", "unknown field"),
    ("unknown in a key", with_key_record(nmae="x"), "nmae", "unknown field"),
    ("unknown in limits", with_key_record(limits={"rpm": 5}), "limits.rpm", "unknown field"),
    ("unknown in a path", {"paths": [{"exact": "/a", "action": "free", "x": 1}]}, "paths[0].x", "unknown field"),
    ("zero requests", with_tier(requests_per_minute=0), "tiers.free.requests_per_minute", "nonzero"),
    ("zero tokens", with_tier(tokens_per_minute=0), "tiers.free.tokens_per_minute", "nonzero"),
    ("a negative limit", with_tier(requests_per_minute=-1), "tiers.free.requests_per_minute", "invalid value"),
    ("a limit as text", with_tier(requests_per_minute="60"), "tiers.free.requests_per_minute", "invalid type"),
    ("a burst that cannot be counted", with_key_record(limits={"tokens_per_minute": 1, "tokens_burst": 1_000_000_000}),
     "limits.tokens_burst", "31 years"),
    ("zero in an override", with_key_record(limits={"tokens_burst": 0}), "limits.tokens_burst", "nonzero"),
    ("no tokens limit", {"tiers": {"free": {"requests_per_minute": 60}}}, "tiers.free", "tokens_per_minute"),
    ("a short digest", {"keys": {"ab" * 31: GOOD_KEY}}, "keys.", "SHA-256"),
    ("a digest of other letters", {"keys": {"xy" * 32: GOOD_KEY}}, "keys.", "SHA-256"),
    ("an unknown tier", with_key_record(tier="gold"), "tier", "gold"),
    ("no team", {"keys": {DIGEST: without(GOOD_KEY, "team")}}, f"keys.{DIGEST}", "team"),
    ("no id", {"keys": {DIGEST: without(GOOD_KEY, "id")}}, f"keys.{DIGEST}", "id"),
    ("an id with a space", with_key_record(id="key x"), ".id", "1 to 64"),
    ("a team with a line end", with_key_record(team="a\nb"), ".team", "1 to 64"),
    ("an unknown status", with_key_record(status="paused"), ".status", "unknown variant"),
    ("a bad pattern", with_key_record(models=["gpt-*-mini"]), "models[0]", "pattern"),
    ("models as text", with_key_record(models="gpt-4o"), "models", "invalid type"),
    ("a bad date", with_key_record(expires_at="next year"), "expires_at", "RFC 3339"),
    ("a date as a number", with_key_record(expires_at=1798761600), "expires_at", "invalid type"),
    ("a path without a slash", {"paths": [{"exact": "healthz", "action": "free"}]}, "paths[0]", "/"),
    ("a path that is neither", {"paths": [{"action": "free"}]}, "paths[0]", "exact"),
    ("an unknown action", {"paths": [{"exact": "/a", "action": "open"}]}, "paths[0].action", "unknown variant"),
    ("an unknown group of endpoints", {"endpoints": {"filez": "allow"}}, "endpoints.filez", "no such group; there are: "),
    ("a group that is neither", {"endpoints": {"files": "open"}}, "endpoints.files", "unknown variant"),
    ("an unknown upgrade", {"upgrades": "maybe"}, "upgrades", "unknown variant"),
    ("an unknown header", {"credential_headers": ["cookie"]}, "credential_headers[0]", "unknown variant"),
]  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A gate whose listener is watched: (gate, watch)."""
    lds = Lds(tmp_path_factory.mktemp("watched"))
    gate = Gate(tmp_path_factory.mktemp("lds"), overlay=lds, kinds={"team": (1, "team", {})})
    yield gate, lds, gate.key()
    gate.stop()


def refusals(gate) -> list[str]:
    """The filter's own log lines that say what is wrong."""
    return [line for line in gate.log().splitlines() if "[wasm]" in line and "gmtech: " in line and "[error]" in line]


@pytest.mark.parametrize(("name", "written", "where", "what"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_refused_and_the_old_configuration_stays(watched, name, written, where, what):
    gate, lds, key = watched
    text = written if isinstance(written, str) else json.dumps(written)
    assert not lds.update(gate, text), "Envoy took it"
    (line,) = refusals(gate)
    said = line.split("gmtech: ", 1)[1]
    assert where in said, line
    assert what in said, line
    assert gate.models(key).status == 200, "the old configuration is still there"


def test_a_key_in_place_of_its_digest_is_refused_and_not_repeated(watched):
    gate, lds, key = watched
    assert not lds.update(gate, json.dumps({"keys": {keys.new_text(): GOOD_KEY}}))
    (line,) = refusals(gate)
    assert "SHA-256" in line
    # That the key stands in no log is checked after every test.


def test_envoy_does_not_start_with_a_mistake(tmp_path):
    with pytest.raises(AssertionError, match="teirs"):
        Gate(tmp_path, config={"teirs": {}}, kinds={})


def test_without_configuration_no_key_passes(start):
    gate = start(kinds={})
    answer = gate.send("GET", "/v1/models", [("authorization", f"Bearer {keys.new_text()}")])
    assert answer.status == 401
    assert gate.send("GET", "/healthz").status == 200


@pytest.fixture(params=[Lds, Ecds])
def changing(request, tmp_path, start):
    """(gate, watch) by LDS and by ECDS."""
    watch = request.param(tmp_path / "watch")
    return start(overlay=watch, kinds={"free": (2, "free", {})}), watch


def test_a_new_configuration_is_taken(changing):
    gate, watch = changing
    new = keys.make("free")
    assert gate.models(new).status == 401
    assert watch.update(gate, json.dumps({"keys": keys.table([new])}))
    assert gate.models(new).status == 200
    assert gate.models(gate.key("free")).status == 401, "what is no longer in the table is no key"


def test_a_key_can_be_revoked_and_resumed(changing):
    gate, watch = changing
    key = gate.key("free")
    for status, answer in [("revoked", 403), ("active", 200), ("suspended", 401), ("active", 200)]:
        record = {**key.record(), "status": status}
        assert watch.update(gate, json.dumps({"keys": {key.digest: record}}))
        assert gate.models(key).status == answer, status


def test_a_mistake_after_a_good_one_changes_nothing(changing):
    gate, watch = changing
    key = gate.key("free")
    assert not watch.update(gate, '{"upgrades": 1}')
    assert gate.models(key).status == 200
    assert watch.update(gate, json.dumps({"keys": keys.table([key])}))
    assert gate.models(key).status == 200


def test_what_was_spent_is_remembered_over_a_new_configuration(changing):
    gate, watch = changing
    key = gate.key("free")
    for _ in range(10):
        assert gate.models(key).status == 200
    assert watch.update(gate, json.dumps({"keys": keys.table([key])}))
    assert int(gate.models(key).header("x-ratelimit-remaining-requests")) <= 49 + 1


def test_own_tiers_paths_and_headers(start):
    config = {
        "tiers": {"tiny": {"requests_per_minute": 2, "tokens_per_minute": 1000}},
        "paths": [{"prefix": "/v1/", "action": "metered"}, {"exact": "/healthz", "action": "refused"}],
        "credential_headers": ["x-api-key"],
    }
    gate = start(config=config, kinds={"tiny": (1, "tiny", {})})
    key = gate.key("tiny")
    answer = gate.send("GET", "/v1/models", [("x-api-key", key.text)])
    assert (answer.status, answer.header("x-ratelimit-limit-requests")) == (200, "2")
    assert gate.seen()[0].values("x-api-key") == []
    assert gate.send("GET", "/api/v1/models", [("x-api-key", key.text)]).status == 404
    assert gate.send("GET", "/healthz").status == 404
    refused = gate.send("GET", "/v1/models", [("authorization", key.bearer)])
    assert refused.status == 401
    assert "another header" in refused.error["message"]


def test_several_credential_headers_must_agree(start):
    gate = start(config={"credential_headers": ["authorization", "x-api-key"]}, kinds={"free": (2, "free", {})})
    one, other = gate.key("free"), gate.key("free")

    def ask(*headers):
        return gate.send("POST", "/v1/chat/completions", [*headers, ("content-type", "application/json")], CHAT)

    assert ask(("authorization", one.bearer)).status == 200
    assert ask(("x-api-key", one.text)).status == 200
    assert ask(("authorization", one.bearer), ("x-api-key", one.text)).status == 200
    answer = ask(("authorization", one.bearer), ("x-api-key", other.text))
    assert answer.status == 401
    assert "several keys" in answer.error["message"]
    assert all(s.values("x-api-key") == [] for s in gate.seen())
