"""Requests that cost tokens, and the three places that show the cost: the access log, `/limits`, the upstream."""

import copy
import json
import time
from dataclasses import dataclass

import httpx

from . import bootstrap, http1
from .gate import Gate
from .http1 import Answer
from .keys import Key
from .waiting import free_port, wait_until

CHAT_PATH = "/api/v1/chat/completions"
WORDS = "one two three four five six seven eight"

# Tokens refill at one a second, so `/limits` shows the charge to within a token or two.
STEADY = {"requests_per_minute": 6000, "tokens_per_minute": 60, "tokens_burst": 100_000}


def body(prompt: str = WORDS, model: str = "gpt-4o", **more) -> bytes:
    """A chat request as compact JSON."""
    fields = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
    return json.dumps(fields, separators=(",", ":")).encode()


def prompt_tokens(prompt: str = WORDS) -> int:
    """mock-llm's count for a prompt of one message."""
    return -(-len(prompt.encode()) // 4) + 4


def headers(key: Key, mock: str = "", *more: tuple) -> list[tuple]:
    fields = [("authorization", key.bearer), ("content-type", "application/json"), *more]
    return fields + ([("x-mock", mock)] if mock else [])


def post(gate: Gate, key: Key, data: bytes | None = None, mock: str = "", *more: tuple, path=CHAT_PATH, **options) -> Answer:
    """One request on a connection of its own."""
    return gate.send("POST", path, headers(key, mock, *more), body() if data is None else data, **options)


@dataclass(frozen=True)
class Charge:
    """The tokens in a row of the access log. `source` is empty if none were charged."""

    status: int
    decision: str
    source: str
    charged: int
    reserved: int
    prompt_estimate: int
    input: int
    output: int
    cached_input: int
    reasoning: int

    @classmethod
    def of(cls, row: dict) -> "Charge":
        def number(name: str) -> int:
            return int(row.get(name, 0))

        return cls(
            status=number("response_code"),
            decision=row.get("decision", ""),
            source=row.get("usage_source", ""),
            charged=number("tokens_charged"),
            reserved=number("tokens_reserved"),
            prompt_estimate=number("prompt_estimate"),
            input=number("tokens_input"),
            output=number("tokens_output"),
            cached_input=number("tokens_cached_input"),
            reasoning=number("tokens_reasoning"),
        )


def rows(gate: Gate, key: Key) -> list[dict]:
    """The access log's rows of this key, without its requests to `/limits`."""
    return [r for r in gate.rows() if r.get("key_id") == key.id and r.get("decision") != "limits"]


def charges(gate: Gate, key: Key, count: int = 1) -> list[Charge]:
    """The key's charges, once there are `count`; more of them fail."""
    wait_until(f"{count} rows of {key.id}", lambda: len(rows(gate, key)) >= count, every=0.02)
    found = rows(gate, key)
    assert len(found) == count, found
    return [Charge.of(row) for row in found]


def charge(gate: Gate, key: Key) -> Charge:
    """The key's one charge."""
    (only,) = charges(gate, key)
    return only


def limits(gate: Gate, key: Key) -> dict[str, dict]:
    """The key's limits by name, as the gate shows them to its owner."""
    answer = gate.send("GET", "/api/v1/limits", [("authorization", key.bearer)])
    assert answer.status == 200, answer.everything()
    return {limit["name"]: limit for limit in json.loads(answer.body)["data"]}


class Ledger:
    """A key's tokens over time: what `/limits` must show of everything that was charged since construction."""

    def __init__(self, gate: Gate, key: Key):
        self.gate, self.key = gate, key
        self._before = limits(gate, key)["tokens_per_minute"]
        self._began = time.monotonic()

    def check(self, charged: int) -> None:
        """Checks that `used` is the charge less the tokens that have refilled."""
        now = limits(self.gate, self.key)["tokens_per_minute"]
        back = (time.monotonic() - self._began) * now["limit"] / 60 + 1
        most = self._before["used"] + charged
        assert max(0, most - back) <= now["used"] <= most, (now, self._before, charged)


def truth(gate: Gate, key: Key) -> dict:
    """The upstream's own count of what the key used: `/__mock/usage`."""
    told = httpx.get(f"{gate.mock.url}/__mock/usage", trust_env=False).raise_for_status().json()
    return told["keys"].get(key.id, {})


def captured(gate: Gate, **query) -> list[dict]:
    """Requests as the upstream saw them, in full: `/__mock/requests`."""
    return httpx.get(f"{gate.mock.url}/__mock/requests", params=query, trust_env=False).raise_for_status().json()


def counters(gate: Gate, name: str) -> dict[tuple, int]:
    """A family of the filter's counters on the Prometheus page, by the values of its labels in the labels' order."""
    found = {}
    for line in gate.envoy.prometheus().splitlines():
        if line.startswith(name + "{"):
            labels, value = line[len(name) + 1 :].rsplit("} ", 1)
            by_name = dict(label.split("=", 1) for label in labels.split(","))
            found[tuple(by_name[n].strip('"') for n in sorted(by_name))] = int(value)
    return found


class Stream:
    """A streamed answer that can be read in parts and left."""

    def __init__(self, port: int, raw: bytes):
        self._socket = http1.connect(port)
        self._socket.sendall(raw)
        self.received = b""

    def read_events(self, count: int, deadline: float = 10) -> "Stream":
        """Reads until `count` events with data have arrived."""
        end = time.monotonic() + deadline
        while self.received.count(b"\n\n") < count:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            got = self._socket.recv(65536)
            assert got, self.received
            self.received += got
        return self

    @property
    def events(self) -> int:
        """The events that have arrived so far."""
        return self.received.count(b"data: {")

    def read_to_the_end(self, deadline: float = 10) -> "Stream":
        """Reads until the gate closes the connection, as it does if an answer breaks off."""
        end = time.monotonic() + deadline
        while True:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                got = self._socket.recv(65536)
            except ConnectionResetError:
                return self
            if not got:
                return self
            self.received += got

    def read_to_the_end_of_events(self, deadline: float = 10) -> "Stream":
        """Reads until `[DONE]` has arrived and the connection may be closed."""
        end = time.monotonic() + deadline
        while b"data: [DONE]" not in self.received or not self.received.endswith(b"0\r\n\r\n"):
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            got = self._socket.recv(65536)
            assert got, self.received
            self.received += got
        self._socket.close()
        return self

    def hang_up(self) -> None:
        self._socket.close()


def stream(gate: Gate, key: Key, mock: str = "", *more: tuple, **fields) -> Stream:
    """Requests a chat stream."""
    data = body(**{"stream": True, **fields})
    return Stream(gate.port, http1.request("POST", CHAT_PATH, headers(key, mock, *more), data))


# Ways to the upstream that a deployment may have, chosen by the header `x-way`.
WAYS = ("http2", "dead", "impatient", "redirecting", "retrying")


def crossroads(config: dict) -> None:
    """An overlay: beside the usual way one over HTTP/2, one to nowhere, one with a timeout of 300 ms, one that follows
    redirects itself, and one that retries once."""
    http2 = bootstrap.add_upstream(config, "upstream-http2")
    (options,) = http2["typed_extension_protocol_options"].values()
    options["explicit_http_config"] = {"http2_protocol_options": {}}
    bootstrap.add_upstream(config, "dead", free_port())
    changes = {
        "http2": {"cluster": "upstream-http2"},
        "dead": {"cluster": "dead"},
        "impatient": {"timeout": "0.3s"},
        "redirecting": {"internal_redirect_policy": {"max_internal_redirects": 2}},
        "retrying": {"retry_policy": {"retry_on": "5xx", "num_retries": 1}},
    }
    assert set(changes) == set(WAYS)
    usual = bootstrap.route(config, "api-v1")
    for way, change in changes.items():
        route = copy.deepcopy(usual)
        route["name"] = way
        route["match"]["headers"] = [{"name": "x-way", "string_match": {"exact": way}}]
        route["route"].update(change)
        bootstrap.routes(config).insert(0, route)


def by(way: str) -> tuple[str, str]:
    """The header that chooses a way of the `crossroads`."""
    assert way in WAYS
    return ("x-way", way)


def all_truth(gate: Gate) -> dict[str, dict]:
    """The upstream's own sums by key, of requests that ended in any way."""
    return httpx.get(f"{gate.mock.url}/__mock/usage", trust_env=False).raise_for_status().json()["keys"]
