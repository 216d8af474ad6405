"""A body that two parsers could read in two ways is refused before it reaches one, and counts as a request. An unusual body
that can be read in only one way passes unchanged, however large."""

import json
from pathlib import Path

import pytest

from harness import http1, metered
from harness.gate import Gate
from harness.metered import CHAT_PATH, body, post

MSG = '"messages":[{"role":"user","content":"hi"}]'
# An answer of one word.
SHORT = "output_tokens=1"


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    large = {"limits": {"tokens_per_minute": 1_000_000_000, "requests_per_minute": 6000}}
    kinds = {"free": (60, "free", {}), "large": (60, "free", large)}
    with Gate(tmp_path_factory.mktemp("bodies"), kinds=kinds) as gate:
        yield gate


def chat(fields: str) -> bytes:
    return ("{" + MSG + "," + fields + "}").encode()


def nested(depth: int) -> bytes:
    """The outermost object is the first of `depth`."""
    return chat('"model":"gpt-4o","x":' + "[" * (depth - 1) + "]" * (depth - 1))


JSON = "application/json"
REFUSED = [
    # name, body, content type, more headers, status, code, param
    ("model twice", chat('"model":"a","model":"b"'), JSON, (), 400, "duplicate_parameter", "model"),
    ("model twice, alike", chat('"model":"a","model":"a"'), JSON, (), 400, "duplicate_parameter", "model"),
    ("model twice, escaped", chat(r'"model":"a","mod\u0065l":"b"'), JSON, (), 400, "duplicate_parameter", "model"),
    ("stream twice", chat('"model":"a","stream":false,"stream":true'), JSON, (), 400, "duplicate_parameter", "stream"),
    (
        "stream_options twice",
        chat('"model":"a","stream_options":{},"stream_options":null'),
        JSON, (), 400, "duplicate_parameter", "stream_options",
    ),
    ("max_tokens twice", chat('"model":"a","max_tokens":1,"max_tokens":9'), JSON, (), 400, "duplicate_parameter", "max_tokens"),
    ("n twice", chat('"model":"a","n":1,"n":9'), JSON, (), 400, "duplicate_parameter", "n"),
    ("best_of twice", chat('"model":"a","best_of":1,"best_of":9'), JSON, (), 400, "duplicate_parameter", "best_of"),
    ("another letter case", chat('"model":"a","Model":"b"'), JSON, (), 400, "unknown_parameter", "model"),
    ("no model", chat('"n":1'), JSON, (), 400, "missing_required_parameter", "model"),
    ("model null", chat('"model":null'), JSON, (), 400, "missing_required_parameter", "model"),
    ("model a number", chat('"model":4'), JSON, (), 400, "invalid_type", "model"),
    ("model empty", chat('"model":""'), JSON, (), 400, "invalid_value", "model"),
    ("model with a line end", chat(r'"model":"a\r\nx: y"'), JSON, (), 400, "invalid_value", "model"),
    ("model too long", chat('"model":"' + "m" * 257 + '"'), JSON, (), 400, "invalid_value", "model"),
    ("stream a string", chat('"model":"a","stream":"true"'), JSON, (), 400, "invalid_type", "stream"),
    ("stream a number", chat('"model":"a","stream":1'), JSON, (), 400, "invalid_type", "stream"),
    (
        "include_usage a string",
        chat('"model":"a","stream":true,"stream_options":{"include_usage":"yes"}'),
        JSON, (), 400, "invalid_type", "stream_options.include_usage",
    ),
    ("a cap as a string", chat('"model":"a","max_tokens":"5"'), JSON, (), 400, "invalid_type", "max_tokens"),
    ("a cap with a fraction", chat('"model":"a","max_tokens":1.5'), JSON, (), 400, "invalid_value", "max_tokens"),
    ("a cap with a fraction", chat('"model":"a","max_tokens":1.5'), JSON, (), 400, "invalid_value", "max_tokens"),
    ("n below zero", chat('"model":"a","n":-3'), JSON, (), 400, "invalid_value", "n"),
    ("byte order mark", b"\xef\xbb\xbf" + body(), JSON, (), 400, "invalid_json", None),
    ("UTF-16", body().decode().encode("utf-16"), JSON, (), 400, "invalid_json", None),
    ("invalid UTF-8", b'{"model":"gpt-4o","user":"\xff"}', JSON, (), 400, "invalid_json", None),
    ("NaN", chat('"model":"a","temperature":NaN'), JSON, (), 400, "invalid_json", None),
    ("trailing data", body() + b"{}", JSON, (), 400, "invalid_json", None),
    ("cut short", body()[:-1], JSON, (), 400, "invalid_json", None),
    ("single quotes", b"{'model':'gpt-4o'}", JSON, (), 400, "invalid_json", None),
    ("depth 129", nested(129), JSON, (), 400, "invalid_json", None),
    ("depth 5000", nested(5000), JSON, (), 400, "invalid_json", None),
    ("an array", b"[" + body() + b"]", JSON, (), 400, "invalid_type", None),
    ("a string", b'"gpt-4o"', JSON, (), 400, "invalid_type", None),
    ("nothing", b"", JSON, (), 400, "empty_body", None),
    ("white space", b"  \n", JSON, (), 400, "invalid_json", None),
    ("gzip", b"\x1f\x8b\x08\x00", JSON, (("content-encoding", "gzip"),), 415, "unsupported_encoding", None),
    ("claims gzip", body(), JSON, (("content-encoding", "gzip"),), 415, "unsupported_encoding", None),
    ("a URL-encoded form", b"model=gpt-4o", "application/x-www-form-urlencoded", (), 415, "unsupported_media_type", None),
    ("another charset", body(), "application/json; charset=utf-16", (), 415, "unsupported_media_type", None),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=[r[0] for r in REFUSED])
def test_what_could_be_read_in_two_ways_is_refused(gate, row):
    _, data, content_type, more, status, code, param = row
    key = gate.key("free")
    fields = [("authorization", key.bearer), ("content-type", content_type), *more]
    fields += [] if data else [("content-length", "0")]
    answer = gate.send("POST", CHAT_PATH, fields, data)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param)
    assert answer.error["type"] == "invalid_request_error"
    assert gate.seen() == [], "it never reached the upstream"
    limits = metered.limits(gate, key)
    assert limits["requests_per_minute"]["used"] == 1, "it counts as a request"
    assert limits["tokens_per_minute"]["used"] == 0, "and costs no tokens"
    (row,) = metered.rows(gate, key)
    assert row["decision"] == "bad_request"


PASSES = [
    # name, body, the model that is judged and routed on
    ("an escaped key", chat(r'"mod\u0065l":"gpt-4o"'), "gpt-4o"),
    ("an escaped name", chat(r'"model":"gpt\u002d4o"'), "gpt-4o"),
    ("a model in a message", chat('"metadata":{"model":"o1"},"model":"gpt-4o"'), "gpt-4o"),
    ("nulls", chat('"model":"gpt-4o","stream":null,"max_tokens":null,"n":null,"stream_options":null'), "gpt-4o"),
    ("identity", body(), "gpt-4o"),
    ("depth 128", nested(128), "gpt-4o"),
    ("another parameter twice", chat('"model":"gpt-4o","temperature":1,"temperature":1'), "gpt-4o"),
    ("half a surrogate", chat(r'"model":"gpt-4o","user":"\ud83d"'), "gpt-4o"),
    ("a huge number", chat('"model":"gpt-4o","seed":1e999'), "gpt-4o"),
]


@pytest.mark.parametrize("row", PASSES, ids=[r[0] for r in PASSES])
def test_what_can_be_read_in_one_way_goes_on_as_it_is(gate, row):
    _, data, model = row
    key = gate.key("large")
    gate.send("POST", CHAT_PATH, metered.headers(key, "status=200;answer_as=json;output_tokens=1"), data)
    (request,) = gate.seen()
    assert request.body.encode() == data
    assert request.values("x-gmtech-model") == [model]


def test_a_multipart_form(gate):
    """As SDKs upload audio: the model before the file (Python) or after it (Node)."""
    part = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    file = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + "x" * 300_000 + "\r\n"
    for parts in (part + file, file + part):
        key = gate.key("large")
        fields = [("authorization", key.bearer), ("content-type", "multipart/form-data; boundary=b")]
        answer = gate.send("POST", "/api/v1/audio/transcriptions", fields, (parts + "--b--\r\n").encode())
        assert answer.status == 200, answer.everything()
        (row,) = metered.rows(gate, key)
        assert (row["model"], row["decision"]) == ("whisper-1", "allowed")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_a_cap_below_zero_is_no_cap(gate, name):
    """LM Studio and llama.cpp read it as "no cap". Other upstreams may refuse it."""
    data = chat(f'"model":"gpt-4o","{name}":-1')
    post(gate, gate.key("large"), data, SHORT)
    (seen,) = gate.seen()
    assert seen.body == data.decode()
    (row,) = gate.rows()
    assert row["decision"] == "allowed"


@pytest.mark.parametrize(("cap", "reserved"), [("1e20", 40_000), ("99999999999999999999999999", 40_000), ("1e3", 1_005)])
def test_a_cap_of_any_size_is_a_cap(gate, cap, reserved):
    """However it is written. What is reserved is never more than the bucket holds."""
    key = gate.key("free")
    assert post(gate, key, chat(f'"model":"gpt-4o","max_tokens":{cap}'), SHORT).status == 200
    settled = metered.charge(gate, key)
    assert (settled.decision, settled.reserved) == ("allowed", reserved)


MEGABYTES_20 = json.dumps(
    {"messages": [{"role": "user", "content": "word " * (4 << 20)}], "model": "gpt-4o", "stream": True}
).encode()


def test_the_model_after_20_megabytes(gate):
    """As the older Python SDKs send it."""
    key = gate.key("large")
    answer = post(gate, key, MEGABYTES_20, SHORT, deadline=30)
    assert answer.status == 200
    settled = metered.charge(gate, key)
    assert (settled.source, settled.output) == ("exact", 1)
    (request,) = metered.captured(gate)
    assert request["body"]["length"] == len(MEGABYTES_20) + len('"stream_options":{"include_usage":true},')
    assert [v for k, v in request["headers"] if k == "content-length"] == [str(request["body"]["length"])]


def test_a_slow_large_body_does_not_hold_up_others(gate):
    key, other = gate.key("large"), gate.key("large")
    raw = http1.request("POST", CHAT_PATH, metered.headers(key, SHORT, ("content-length", str(len(MEGABYTES_20)))))
    with http1.connect(gate.port) as s:
        s.sendall(raw + MEGABYTES_20[: 5 << 20])
        for _ in range(4):
            assert post(gate, other, body(), deadline=2).status == 200
        s.sendall(MEGABYTES_20[5 << 20 :])
        assert http1.receive(s, b"POST", 20).status == 200


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [x for x in status.splitlines() if x.startswith("VmRSS:")]
    return int(line.split()[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_does_not_grow_with_bodies(gate):
    """The filter keeps a few KiB of a body. After the first, bodies of 20 MB add no memory."""
    key = gate.key("large")

    def send(count: int) -> int:
        for _ in range(count):
            assert post(gate, key, MEGABYTES_20, SHORT, deadline=30).status == 200
        return resident(gate.envoy.process.pid)

    warm = send(6)
    grown = send(14) - warm
    assert grown < len(MEGABYTES_20), f"{grown >> 20} MiB more after 14 bodies of 20 MiB"
