"""From requests to money: the service counts what the upstream reported, once, whatever crashes in between. A team that has
spent its credit is refused."""

import json
import time
from collections import Counter

import openai
import pytest

from harness import metered, measurements
from harness.books import agree, events, truth
from harness import service as services
from harness.waiting import wait_until

pytestmark = pytest.mark.alone

# Dollars for a million tokens: large, so that a few requests cost something.
PRICES = {"fallback": {"input": "100", "output": "200"}, "models": [{"model": "gpt-4o*", "input": "1000", "output": "2000"}]}
INPUT, OUTPUT = 1_000_000, 2_000_000  # nano-dollars for a token of gpt-4o*


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    file = tmp_path_factory.mktemp("prices") / "prices.json"
    file.write_text(json.dumps(PRICES))
    return str(file)


@pytest.fixture
def stack(tmp_path, prices):
    with services.stack(tmp_path, "--prices", prices) as (service, (gate,)):
        yield service, gate


@pytest.fixture
def service(stack):
    return stack[0]


@pytest.fixture
def gate(stack):
    return stack[1]


MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5")


def mixed(gate, keys, count: int) -> None:
    """Requests of several kinds, keys and models; each is answered."""
    for n in range(count):
        key, model = keys[n % len(keys)], MODELS[n % len(MODELS)]
        match n % 5:
            case 0:
                answer = metered.post(gate, key, metered.body("word " * n, model), "output_tokens=7")
            case 1:
                metered.stream(gate, key, "output_tokens=9", model=model).read_to_the_end_of_events()
                continue
            case 2:
                data = json.dumps({"model": "text-embedding-3-small", "input": "one two three " * n}).encode()
                answer = metered.post(gate, key, data, path="/api/v1/embeddings")
            case 3:
                answer = metered.post(gate, key, metered.body(model=model), "cached_tokens=8;reasoning_tokens=3;output_tokens=20")
            case 4:
                answer = gate.models(key)
        assert answer.status == 200, answer.everything()


def test_the_service_counts_what_the_upstream_gave(service, gate):
    keys = service.keys(2) + [service.key()]
    mixed(gate, keys, 60)
    agree(service, gate)
    # By model, as the upstream saw the requests.
    asked = Counter(json.loads(s.body)["model"] for s in gate.seen() if s.body)
    assert {m: r["requests"] for m, r in service.usage(by="model").items() if m in asked} == asked
    assert all(row["not_exact"] == 0 for row in service.usage().values())
    # What the command line shows is what the API says.
    shown = service.cli_json("usage", "--by", "team")["data"]
    assert {row["group"]: row["requests"] for row in shown} == {
        team: row["requests"] for team, row in service.usage(by="team").items()
    }


def test_a_service_that_was_away_gets_what_it_missed_once(service, gate):
    keys = service.keys(3)
    mixed(gate, keys, 15)
    service.kill()
    mixed(gate, keys, 30)
    service.start()
    mixed(gate, keys, 15)
    agree(service, gate)
    # Importing the log adds nothing.
    again = service.cli_json("usage", "import", str(gate.envoy.process.log))
    assert (again["accepted"], again["duplicate"]) == (0, 60), again
    agree(service, gate)


def test_the_access_log_has_what_a_killed_envoy_did_not_report(service, gate):
    keys = service.keys(3)
    mixed(gate, keys, 15)
    agree(service, gate)
    service.kill()
    mixed(gate, keys, 30)
    log = gate.envoy.process.log
    assert len(gate.rows()) == 45
    services.reborn(gate, kill=True)
    service.start()
    services.ready(gate)
    assert sum(row["requests"] for row in service.usage().values()) == 15, "what Envoy held is lost"
    first = service.cli_json("usage", "import", str(log))
    assert (first["accepted"], first["duplicate"], first["unknown_key"]) == (30, 15, 0), first
    agree(service, gate)
    second = service.cli_json("usage", "import", str(log))
    assert (second["accepted"], second["duplicate"]) == (0, 45), second
    agree(service, gate)


def test_refusals_are_counted_by_reason(service, gate):
    key = service.key(limits={"requests_per_minute": 1, "requests_burst": 1}, models=["gpt-4o"])
    assert gate.models(key).status == 200
    assert [gate.models(key).status for _ in range(3)] == [429] * 3
    assert gate.send("GET", "/v1/limits", [("authorization", key.bearer)]).status == 200, "which is none"
    row = wait_until("them", lambda: (r := service.usage(key=key.id).get(key.id, {})).get("requests") == 5 and r)
    assert (row["refusals"], row["cost_nano_usd"]) == ({"rate_limit_requests": 3}, 0)


COST = 14 * INPUT + 10 * OUTPUT  # of a request of `metered.body()` that is answered with ten tokens


def spend(gate, key, at_most: int) -> tuple[int, object]:
    """Requests one after the other until one is refused: how many passed, and the refusal."""
    for passed in range(at_most + 1):
        answer = metered.post(gate, key, mock="output_tokens=10")
        if answer.status != 200:
            return passed, answer
    raise AssertionError(f"{passed} passed")


def test_a_team_without_credit_is_refused_until_it_is_topped_up(service, gate):
    assert metered.prompt_tokens() == 14
    team = service.team(prepaid=True)
    first, second = service.keys(2, team)
    other = service.key()
    empty = metered.post(gate, first)
    assert (empty.status, empty.error["code"], empty.error["type"]) == (429, "insufficient_quota", "insufficient_quota")
    assert empty.header("x-should-retry") == "false"
    assert empty.header("retry-after") is None

    credit = 20 * COST
    service.top_up(team, str(credit / 1e9))
    wait_until("the credit", lambda: metered.post(gate, first, mock="output_tokens=10").status == 200, deadline=1)
    began = time.monotonic()
    passed, refused = spend(gate, first, 5000)
    passed += 1
    assert refused.error["code"] == "insufficient_quota"
    # All keys of the team are refused, another team's are not.
    assert metered.post(gate, second).error["code"] == "insufficient_quota"
    assert metered.post(gate, other).status == 200

    # An unmodified client makes one call and tells its user the reason.
    rows = len(gate.rows())
    with pytest.raises(openai.RateLimitError) as raised:
        gate.openai(first).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
    assert raised.value.code == "insufficient_quota"
    assert len(gate.rows()) == rows + 1

    def answered() -> int:
        row = service.usage(by="team")[team]
        return row["requests"] - sum(row["refusals"].values())

    wait_until("the ledger", lambda: answered() == passed)
    spent = service.usage(by="team")[team]["cost_nano_usd"]
    assert spent == passed * COST
    assert service.balance(team) == credit - spent
    over = passed - 20
    measurements.tell(
        f"overspend of an exhausted pool, one client without pause: {over} requests "
        f"({passed} passed in {time.monotonic() - began:.2f} s with credit for 20)"
    )
    assert over >= 0

    service.top_up(team, str((spent - credit + COST) / 1e9))
    wait_until("the credit", lambda: metered.post(gate, second, mock="output_tokens=10").status == 200, deadline=1)


# How long an exhausted pool can go on being spent: a tick of the poster, the service's transaction, the poll's answer.
OVERSPEND_SECONDS = 0.5


def test_overspending_ends_within_half_a_second_of_the_last_cent(service, gate):
    """The bound is a time: requests can pass between the one that spends the last cent and its report."""
    team = service.team(prepaid=True)
    key = service.key(team)
    times = []
    for _ in range(5):
        service.top_up(team, str((COST - min(0, service.balance(team))) / 1e9))
        wait_until("the credit", lambda: metered.post(gate, key, mock="output_tokens=10").status == 200, deadline=1)
        began = time.monotonic()
        spend(gate, key, 5000)
        times.append(time.monotonic() - began)
        wait_until("its usage", lambda: len(events(service)) == truth(gate)[key.id]["requests"], every=0.05)
    measurements.distribution("from the last cent's answer to the first refusal", times)
    assert max(times) < OVERSPEND_SECONDS


def test_a_key_that_has_spent_its_budget_is_refused_alone(service, gate):
    team = service.team()
    thrifty, free = service.key(team, budgets={"day_nano_usd": 3 * COST}), service.key(team)
    passed, refused = spend(gate, thrifty, 5000)
    assert passed >= 3
    assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
    assert metered.post(gate, free).status == 200
    service.ask("PATCH", f"/keys/{thrifty.id}", json={"budgets": {"day_nano_usd": None}})
    wait_until("its freedom", lambda: metered.post(gate, thrifty, mock="output_tokens=10").status == 200, deadline=1)
