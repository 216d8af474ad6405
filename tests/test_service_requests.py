"""Single requests, and usage by endpoint, model and minute, as the service reports them, against what went through a gate.
"""

import json

import pytest

from harness import service as services
from harness.hostile import CHAT
from harness.waiting import wait_until

JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("bounds")) as running:
        yield running


@pytest.fixture
def service(stack):
    return stack[0]


@pytest.fixture
def gate(stack):
    (gate,) = stack[1]
    return gate


def test_one_request_is_found_by_its_id_and_usage_by_what_it_called(service, gate):
    key = service.key(tier="free", limits={"requests_per_minute": 2})
    answer = gate.send("POST", "/api/v1/chat/completions", [("authorization", key.bearer), JSON], CHAT)
    assert answer.status == 200
    found = wait_until("its record", lambda: recorded(service, answer.header("x-request-id")))
    (record,) = found
    assert (record["key"], record["team"], record["status"]) == (key.id, key.team, 200)
    assert (record["path"], record["endpoint"]) == ("/api/v1/chat/completions", "chat_completions")
    assert record["model"] == json.loads(CHAT)["model"] and record["total_tokens"] > 0
    (row,) = gate.rows()
    assert (row["request_id"], row["event_id"]) == (record["request_id"], record["event_id"])

    assert gate.models(key).status == 200
    refused = gate.models(key)
    assert refused.status == 429
    by_endpoint = {"allowed": ["chat_completions", "models"], "rate_limit_requests": ["models"]}
    wait_until("what was called", lambda: called(service, key) == by_endpoint)
    told = service.http.get(f"/requests/{refused.header('x-request-id')}")
    assert told.status_code == 404 and "refusals are summed" in told.json()["error"]["message"]
    for every in ("minute", "hour", "day", "month"):
        rows = service.ask("GET", "/usage", params={"by": "endpoint", "every": every, "key": key.id})["data"]
        assert sum(row["requests"] for row in rows) == 3
        assert sum(row["cost_nano_usd"] for row in rows) == record["cost_nano_usd"]


def recorded(service, request_id):
    answer = service.http.get(f"/requests/{request_id}")
    return answer.json()["data"] if answer.is_success else None


def called(service, key):
    """The groups of endpoints by decision."""
    found: dict[str, list[str]] = {}
    for row in service.ask("GET", "/usage", params={"by": "decision,endpoint", "key": key.id})["data"]:
        found.setdefault(row["groups"]["decision"], []).append(row["groups"]["endpoint"])
    return found
