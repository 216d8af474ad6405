"""OpenAI's usage API of an organization: read with the official SDK, and held to OpenAI's own description of it."""

import json
import secrets
import subprocess
import time

import httpx
import openai
import pytest

from harness import events, paths
from harness.service import ADMIN_TOKEN, SYNC_TOKEN, Service

DAY = 86_400
MODELS = ("gpt-4o", "gpt-4o-mini")


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A service, and the keys of two teams: 40 requests on each of three days, a third of them of the second key."""
    service = Service(tmp_path_factory.mktemp("organization"))
    keys = [service.key(), service.key()]
    now = int(time.time())
    drawn = secrets.token_bytes(8)
    batch = [
        events.event(drawn, n, keys[n % 3 == 0], 1000 * (now - (n % 3) * DAY), MODELS[n % 2], (100, 30, 50))
        for n in range(120)
    ]
    url = f"http://127.0.0.1:{service.sync_port}/sync/v1/usage"
    headers = {"authorization": f"Bearer {SYNC_TOKEN}", "content-type": "application/octet-stream"}
    answer = httpx.post(url, content=events.batch(batch), headers=headers, trust_env=False)
    assert answer.json()["accepted"] == 120, answer.text
    yield service, keys, now // DAY * DAY
    service.stop()


def client(service, token: str = ADMIN_TOKEN) -> openai.OpenAI:
    """The SDK refuses every answer that is not what OpenAI's description says."""
    return openai.OpenAI(
        admin_api_key=token,
        base_url=f"http://127.0.0.1:{service.port}/v1",
        max_retries=0,
        http_client=httpx.Client(trust_env=False),
        _strict_response_validation=True,
    )


def test_the_official_sdk_reads_usage_and_costs(used):
    service, keys, today = used
    usage = client(service).admin.organization.usage
    page = usage.completions(start_time=today - 2 * DAY, group_by=["api_key_id", "model"])
    assert [bucket.start_time for bucket in page.data] == [today - 2 * DAY, today - DAY, today]
    assert not page.has_more and page.next_page is None
    results = [result for bucket in page.data for result in bucket.results]
    assert {r.api_key_id for r in results} == {key.id for key in keys}
    assert {r.model for r in results} == set(MODELS)
    assert sum(r.num_model_requests for r in results) == 120
    assert sum(r.input_tokens for r in results) == 120 * 100
    assert sum(r.input_cached_tokens for r in results) == 120 * 30
    assert sum(r.output_tokens for r in results) == 120 * 50

    costs = usage.costs(start_time=today - 2 * DAY, group_by=["project_id", "line_item"])
    lines = [result for bucket in costs.data for result in bucket.results]
    assert {line.line_item for line in lines} == set(MODELS)
    assert all(line.amount.currency == "usd" for line in lines)
    booked = sum(row["cost_nano_usd"] for row in service.ask("GET", "/usage?by=team")["data"])
    assert sum(line.amount.value for line in lines) == pytest.approx(booked / 1e9)


def test_the_official_sdk_reads_page_after_page(used):
    service, _, today = used
    usage = client(service).admin.organization.usage
    whole = usage.completions(start_time=today - 5 * DAY, bucket_width="1h", limit=168)
    buckets, page = [], None
    while True:
        one = usage.completions(start_time=today - 5 * DAY, bucket_width="1h", limit=50, **({"page": page} if page else {}))
        buckets += one.data
        if not one.has_more:
            break
        page = one.next_page
    assert buckets == whole.data
    assert sum(result.num_model_requests for bucket in buckets for result in bucket.results) == 120


def test_a_teams_token_sees_its_own_team(used):
    service, keys, today = used
    team = service.ask("GET", f"/keys/{keys[0].id}")["team"]
    token = service.ask("POST", "/tokens", json={"name": "reports", "role": "reader", "team": team})["token"]
    usage = client(service, token).admin.organization.usage
    costs = usage.costs(start_time=today - 2 * DAY, group_by=["project_id"])
    assert {result.project_id for bucket in costs.data for result in bucket.results} == {team}
    other = service.ask("GET", f"/keys/{keys[1].id}")["team"]
    with pytest.raises(openai.NotFoundError):
        usage.costs(start_time=today, project_ids=[other])
    with pytest.raises(openai.AuthenticationError):
        client(service, "no-such-token").admin.organization.usage.costs(start_time=today)
    with pytest.raises(openai.BadRequestError) as refused:
        usage.completions(start_time=today, limit=2_000)
    assert refused.value.param == "limit"


def test_every_answer_is_what_openais_description_says(used):
    service, _, today = used
    answers = []
    for path in (
        f"usage/completions?start_time={today - 3 * DAY}",
        f"usage/completions?start_time={today - 3 * DAY}&group_by[]=project_id&group_by[]=user_id&group_by[]=api_key_id"
        "&group_by[]=model&group_by[]=batch&group_by[]=service_tier",
        f"usage/completions?start_time={today}&bucket_width=1m&limit=3",
        f"costs?start_time={today - 3 * DAY}",
        f"costs?start_time={today - 3 * DAY}&group_by[]=project_id&group_by[]=line_item&group_by[]=api_key_id&limit=2",
    ):
        answer = httpx.get(
            f"http://127.0.0.1:{service.port}/v1/organization/{path}",
            headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
    assert any(answer["has_more"] for answer in answers)
    python = paths.api_tools() / "venv/bin/python"
    command = [python, paths.TESTS / "api/openai_answer.py", "UsageResponse"]
    done = subprocess.run(command, input=json.dumps(answers), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # What the description does not allow is noticed.
    answers[0]["data"][0]["start_time"] = "today"
    done = subprocess.run(command, input=json.dumps(answers), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "data/0" in done.stdout
