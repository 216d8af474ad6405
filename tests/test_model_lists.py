"""`GET /models` of a key that may not use everything shows its models and names no other, whatever the list is like and however
it ends.
"""

import json

import pytest

from harness import bootstrap, http2
from harness.gate import PROVIDER_KEY, Gate
from harness.metered import STEADY

KINDS = {
    "picky": (20, "free", {"limits": STEADY, "models": ["gpt-4o"]}),
    "any": (5, "free", {"limits": STEADY}),
}
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory, canned):
    with Gate(tmp_path_factory.mktemp("lists"), kinds=KINDS, overlay=canned.overlay) as gate:
        yield gate


@pytest.fixture(scope="module")
def over_http2(tmp_path_factory):
    """A gate that speaks HTTP/2 with its upstream, mock-llm."""

    def overlay(config):
        bootstrap.upstream(config)["typed_extension_protocol_options"] = HTTP2

    with Gate(tmp_path_factory.mktemp("http2"), kinds=KINDS, overlay=overlay) as gate:
        yield gate


@pytest.mark.parametrize("mock", ["trailers", "trailers;chunk_bytes=7", "chunk_bytes=1"])
@pytest.mark.parametrize("kind", ["picky", "any"])
def test_a_list_that_ends_with_trailers(over_http2, kind, mock):
    """The trailers say that the list is complete, and not its last byte."""
    key = over_http2.key(kind)
    fields = [("authorization", key.bearer), ("x-mock", mock), ("te", "trailers")]
    for answer in (
        over_http2.send("GET", "/v1/models", fields),
        http2.exchange(over_http2.port, "GET", "/v1/models", fields),
    ):
        ids = [m["id"] for m in json.loads(answer.body)["data"]]
        assert (ids == ["gpt-4o"]) if kind == "picky" else (len(ids) > 1), ids
    assert PROVIDER_KEY not in answer.everything()


# the upstream's list, what is shown of it
LISTS = [
    ([{"id": "o1"}, {"id": "gpt-4o", "type": "chat"}], [{"id": "gpt-4o", "type": "chat"}]),
    ([], []),
    ({"object": "list", "data": None}, {"object": "list", "data": None}),
    (
        {"data": [{"id": "o1"}, {"id": "gpt-4o"}, {"id": "o3"}], "first_id": "o1", "last_id": "o3", "has_more": True},
        {"data": [{"id": "gpt-4o"}], "first_id": "gpt-4o", "last_id": "gpt-4o", "has_more": True},
    ),
    (
        {"data": [{"id": "o1"}], "first_id": "o1", "last_id": "o1", "has_more": True},
        {"data": [], "first_id": None, "last_id": None, "has_more": False},
    ),
    ({"models": [{"name": "models/o1"}, {"name": "models/gpt-4o"}]}, {"models": [{"name": "models/gpt-4o"}]}),
    ({"data": [{"id": "o1"}], "aliases": {"fast": "o1"}}, {"data": []}),
]


@pytest.mark.parametrize(("whole", "shown"), LISTS)
def test_a_list_of_any_shape_shows_what_the_key_may_use(gate, canned, whole, shown):
    canned.answers["/v1/models"] = json.dumps(whole).encode()
    answer = gate.models(gate.key("picky"))
    assert answer.status == 200, answer.everything()
    assert json.loads(answer.body) == shown


def test_a_hidden_model_is_not_shown_by_its_name(gate, canned):
    canned.forget()
    key = gate.key("picky")
    for path in ("/v1/models/o1", "/v1/models/gpt-4o,o1", "/v1/models/%6f1"):
        answer = gate.send("GET", path, [("authorization", key.bearer)])
        assert (answer.status, answer.error["code"]) == (403, "model_not_found"), path
    assert canned.asked == []
