"""The smallest end-to-end test: if it fails, fix it first."""

from harness import paths

MAX_WASM_BYTES = 1 << 20


def test_a_key_gets_an_answer_and_no_key_gets_none(gate):
    key = gate.key()
    assert gate.models(key).status == 200
    assert gate.send("GET", "/api/v1/models").status == 401
    assert len(gate.seen()) == 1
    assert [row["response_code"] for row in gate.rows()] == [200, 401]


def test_the_filter_is_small():
    assert paths.wasm().stat().st_size <= MAX_WASM_BYTES
