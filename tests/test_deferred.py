"""Work that finishes later: refused unless its endpoint is opened. Where it is open, the usage of each object is settled
once, for the key that made it, whoever fetches it. No other team can reach the object."""

import io
import json

import openai
import pytest

from harness import bootstrap, metered
from harness import service as services
from harness.waiting import wait_until

PRICES = {"models": [{"model": "*", "input": "1000", "output": "2000"}]}
INPUT, OUTPUT = 1_000_000, 2_000_000  # nano-dollars for a token

OPEN = {
    "endpoints": {
        name: "allow" for name in ("background", "stored_responses", "stored_completions", "files", "batches", "conversations")
    }
}
WORDS = "one two three four five six seven eight"


@pytest.fixture
def prices(tmp_path):
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(PRICES))
    return str(file)


@pytest.fixture
def stack(tmp_path, prices):
    with services.stack(tmp_path, "--prices", prices, gates=2, config=OPEN) as (service, gates):
        yield service, gates


def used(service, key) -> tuple[int, int]:
    """Tokens of prompt and answer that the service has counted for the key."""
    row = service.usage(by="key").get(key.id, {})
    return row.get("input_tokens", 0), row.get("output_tokens", 0)


def settles_at(service, key, tokens: tuple[int, int]) -> None:
    """Waits until the key's usage is `tokens` and the team has paid their price, and checks that neither changes
    afterwards."""
    wait_until(f"usage of {tokens}", lambda: used(service, key) == tokens, 15, every=0.05)
    money = tokens[0] * INPUT + tokens[1] * OUTPUT
    wait_until("the balance", lambda: service.balance(key.team) == -money, 5, every=0.05)


def truth(gate, key) -> tuple[int, int]:
    """The upstream's own count."""
    told = metered.truth(gate, key)["completed"]
    return told["prompt_tokens"], told["completion_tokens"]


def background(client, **more):
    return client.responses.create(model="gpt-4o", input=WORDS, background=True, **more)


# Refused unless opened.


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("responses", {"model": "gpt-4o", "input": "hi", "background": True}, "background"),
        ("chat/completions", {"model": "grok-4", "messages": [{"role": "user", "content": "hi"}], "deferred": True}, "deferred"),
    ],
)
def test_work_that_finishes_elsewhere_is_refused_unless_opened(gate, path, body, field):
    key = gate.key()
    data = json.dumps(body).encode()
    answer = metered.post(gate, key, data, path=f"/api/v1/{path}")
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["param"]) == (400, field), error
    assert '"endpoints": {"background": "allow"}' in error["message"]
    body[field] = False
    assert metered.post(gate, key, json.dumps(body).encode(), path=f"/api/v1/{path}").status == 200


@pytest.mark.parametrize("path", ["responses/resp_1", "chat/completions/c_1", "batches/b_1", "files/f_1"])
def test_what_is_kept_is_closed_by_default(gate, path):
    answer = gate.send("GET", f"/api/v1/{path}", [("authorization", gate.key().bearer)])
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "unknown_url")


# Settled once.


def test_a_background_response_is_settled_once_to_its_maker_whoever_fetches_it(stack):
    service, (gate, other) = stack
    maker, mate = service.keys(2)
    wait_until("both keys", lambda: all(g.models(k).status == 200 for g in (gate, other) for k in (maker, mate)))
    made = background(gate.openai(maker), max_output_tokens=4_000, extra_headers={"x-mock": "polls=1;output_tokens=600"})
    assert made.status == "queued" and made.usage is None
    # The estimate is charged at once.
    wait_until("the estimate", lambda: used(service, maker)[1] == 4_000, 15, every=0.05)

    mates = gate.openai(mate)
    assert mates.responses.retrieve(made.id).status == "queued"
    fetched = [mates.responses.retrieve(made.id), gate.openai(maker).responses.retrieve(made.id)]
    assert {f.usage.output_tokens for f in fetched} == {600}
    settles_at(service, maker, truth(gate, maker))
    assert used(service, maker) == (fetched[0].usage.input_tokens, 600)
    assert used(service, mate) == (0, 0)
    # The other Envoy does not know the object. It asks the service for the owner, and its upstream has no such response.
    with pytest.raises(openai.NotFoundError):
        other.openai(mate).responses.retrieve(made.id)
    assert other.envoy.stat("wasmcustom.gmtech_object_resolves") == 1
    settles_at(service, maker, truth(gate, maker))


def test_a_fetch_through_another_envoy_settles_it_too_and_both_together_once(tmp_path, prices):
    with services.stack(tmp_path, "--prices", prices, config=OPEN) as (service, (gate,)):
        other = services.gate(tmp_path / "other", service, config=OPEN, mock=False, overlay=upstream_of(gate))
        try:
            services.ready(other)
            key = service.key()
            wait_until("the key", lambda: all(g.models(key).status == 200 for g in (gate, other)))
            gate.mock.forget()
            made = background(gate.openai(key), extra_headers={"x-mock": "output_tokens=1500"})
            for one in (other, gate, other):
                assert one.openai(key).responses.retrieve(made.id).usage.output_tokens == 1_500
            settles_at(service, key, (truth(gate, key)[0], 1_500))
        finally:
            other.stop()


def upstream_of(gate):
    """An overlay: the upstream of another gate."""

    def overlay(config: dict) -> None:
        bootstrap.lead_to(bootstrap.upstream(config), gate.mock.port)

    return overlay


def hung_up(client, tokens: int) -> str:
    """The id of a stored response whose stream was left at its first event."""
    stream = client.responses.create(
        model="gpt-4o", input=WORDS, stream=True, extra_headers={"x-mock": f"output_tokens={tokens};event_delay_ms=20"}
    )
    created = next(iter(stream)).response
    stream.close()
    return created.id


def test_the_limit_is_charged_what_was_used_beyond_the_first_charge(stack):
    service, (gate, _) = stack
    key = service.key(limits=metered.STEADY)
    wait_until("the key", lambda: gate.models(key).status == 200)
    client = gate.openai(key)
    made = hung_up(client, 900)
    wait_until("the lower bound", lambda: used(service, key)[0] > 0, 15, every=0.05)
    assert metered.limits(gate, key)["tokens_per_minute"]["used"] < 200
    for _ in range(3):
        usage = client.responses.retrieve(made).usage
    after = metered.limits(gate, key)["tokens_per_minute"]["used"]
    # A token comes back each second.
    assert usage.total_tokens - 20 <= after <= usage.total_tokens, (usage, after)


def test_a_stream_that_was_hung_up_and_is_fetched_later_is_settled_once(stack):
    service, (gate, _) = stack
    key = service.key()
    wait_until("the key", lambda: gate.models(key).status == 200)
    client = gate.openai(key)
    made = hung_up(client, 300)
    wait_until("the lower bound", lambda: used(service, key)[0] > 0, 15, every=0.05)
    fetched = [client.responses.retrieve(made).usage for _ in range(3)]
    assert fetched[0].output_tokens == 300
    settles_at(service, key, (fetched[0].input_tokens, 300))


def test_stored_and_deferred_completions_are_settled_once(stack):
    service, (gate, _) = stack
    key = service.key()
    wait_until("the key", lambda: gate.models(key).status == 200)
    gate.mock.forget()
    client = gate.openai(key)
    ask = {"model": "grok-4", "messages": [{"role": "user", "content": WORDS}]}
    stored = client.chat.completions.create(**ask, store=True)
    for _ in range(2):
        assert client.chat.completions.retrieve(stored.id).usage == stored.usage
    data = json.dumps({**ask, "deferred": True, "max_tokens": 10_000}).encode()
    deferred = json.loads(metered.post(gate, key, data, "polls=1;output_tokens=2000").body)["request_id"]
    answers = [
        gate.send("GET", f"/api/v1/chat/deferred-completion/{deferred}", [("authorization", key.bearer)]) for _ in range(3)
    ]
    assert [a.status for a in answers] == [202, 200, 200]
    settles_at(service, key, truth(gate, key))


# Ownership.


def test_another_team_finds_nothing(stack):
    service, (gate, other) = stack
    maker, stranger = service.key(), service.key()
    wait_until("both keys", lambda: all(g.models(k).status == 200 for g in (gate, other) for k in (maker, stranger)))
    made = background(gate.openai(maker))
    theirs = gate.openai(stranger)
    gate.mock.forget()
    with pytest.raises(openai.NotFoundError, match="not found"):
        theirs.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        theirs.responses.cancel(made.id)
    with pytest.raises(openai.NotFoundError):
        theirs.responses.delete(made.id)
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        theirs.responses.create(model="gpt-4o", input="go on", previous_response_id=made.id)
    with pytest.raises(openai.NotFoundError):
        theirs.responses.retrieve("resp_that_nobody_made")
    with pytest.raises(openai.NotFoundError):
        list(theirs.files.list())
    assert gate.seen() == []
    # Its own team can go on with it. Other teams cannot reach it through the other Envoy either.
    assert gate.openai(maker).responses.create(model="gpt-4o", input="go on", previous_response_id=made.id).id
    with pytest.raises(openai.NotFoundError):
        other.openai(stranger).responses.retrieve(made.id)


def test_an_operator_may_let_unknown_objects_pass(start):
    gate = start(config={**OPEN, "unknown_objects": "allow"})
    with pytest.raises(openai.NotFoundError, match="No object found with id"):
        gate.openai(gate.key()).responses.retrieve("resp_of_before")
    assert len(gate.seen()) == 1
    gate.openai(gate.key()).files.list()
    assert len(gate.seen()) == 2, "lists too"


# Batches.


def lines(*models: str, url="/v1/chat/completions", **more) -> bytes:
    def line(n: int, model: str) -> str:
        body = {"model": model, "messages": [{"role": "user", "content": WORDS}], "max_tokens": 4_000, **more}
        return json.dumps({"custom_id": f"r{n}", "method": "POST", "url": url, "body": body})

    return "\n".join(line(n, model) for n, model in enumerate(models)).encode()


def upload(client, data: bytes, purpose="batch"):
    return client.files.create(file=("batch.jsonl", io.BytesIO(data)), purpose=purpose)


def batch(client, file, **more):
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (lines("gpt-4o-mini", "gpt-4o-mini", "gpt-4o"), "line or request 3: it names another model"),
        (lines("gpt-4o-mini") + b"\n{broken", "line or request 2: it is not one JSON object"),
        (lines("gpt-4o-mini", url="/v1/files"), "must be an endpoint that is open here"),
        (lines("gpt-4o-mini", background=True), "work in the background"),
        (b"\n\n", "there is no request in it"),
    ],
)
def test_a_file_that_cannot_be_judged_is_refused(stack, data, complaint):
    service, (gate, _) = stack
    key = service.key()
    wait_until("the key", lambda: gate.models(key).status == 200)
    gate.mock.forget()
    with pytest.raises(openai.BadRequestError, match=complaint):
        upload(gate.openai(key), data)
    assert gate.seen() == []


def test_a_batch_may_name_allowed_models_only(stack):
    service, (gate, _) = stack
    team = service.team()
    anything, picky = service.key(team), service.key(team, models=["gpt-4o-mini"])
    wait_until("both keys", lambda: all(gate.models(k).status == 200 for k in (anything, picky)))
    with pytest.raises(openai.PermissionDeniedError):
        upload(gate.openai(picky), lines("gpt-4o"))
    # Another key of the team may upload this file, but this key may not run it.
    file = upload(gate.openai(anything), lines("gpt-4o"))
    with pytest.raises(openai.PermissionDeniedError):
        batch(gate.openai(picky), file)
    # A file that was uploaded for another purpose is no batch, whatever it holds.
    hidden = upload(gate.openai(anything), lines("gpt-4o-mini"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="uploaded through this gate with purpose=batch"):
        batch(gate.openai(picky), hidden)
    stranger = service.key()
    wait_until("the key", lambda: gate.models(stranger).status == 200)
    with pytest.raises(openai.BadRequestError, match="input_file_id"):
        batch(gate.openai(stranger), file)


@pytest.mark.parametrize("no_usage", [False, True], ids=["by its own report", "by its file of answers"])
def test_a_batch_is_settled_once(stack, no_usage):
    service, (gate, _) = stack
    key, mate = service.keys(2)
    wait_until("both keys", lambda: all(gate.models(k).status == 200 for k in (key, mate)))
    gate.mock.forget()
    client = gate.openai(key)
    file = upload(client, lines(*["gpt-4o"] * 5))
    mock = {"x-mock": "polls=1" + ";no_usage" * no_usage}
    made = batch(client, file, extra_headers=mock)
    # Five answers of up to 4,000 tokens are charged at once, in money, and not against the limit.
    wait_until("the estimate", lambda: used(service, key)[1] == 20_000, 15, every=0.05)
    assert metered.limits(gate, key)["tokens_per_minute"]["used"] == 0
    assert gate.openai(mate).batches.retrieve(made.id).status == "in_progress"
    for _ in range(2):
        done = gate.openai(mate).batches.retrieve(made.id)
        assert len(gate.openai(mate).files.content(done.output_file_id).text.splitlines()) == 5
    settles_at(service, key, truth(gate, key))
    assert used(service, key)[1] == 5 * 8
    with pytest.raises(openai.NotFoundError):
        stranger = service.key()
        wait_until("the key", lambda: gate.models(stranger).status == 200)
        gate.openai(stranger).files.content(done.output_file_id)


def test_anthropics_batches_are_judged_and_settled_once(stack):
    service, (gate, _) = stack
    key, picky = service.key(), service.key(models=["claude-haiku*"])
    wait_until("both keys", lambda: all(gate.models(k).status == 200 for k in (key, picky)))
    gate.mock.forget()
    params = {"model": "claude-sonnet-4-5", "max_tokens": 500, "messages": [{"role": "user", "content": WORDS}]}
    data = json.dumps({"requests": [{"custom_id": f"r{n}", "params": params} for n in range(3)]}).encode()
    path = "/api/v1/messages/batches"
    assert metered.post(gate, picky, data, path=path).status == 403
    made = json.loads(metered.post(gate, key, data, path=path).body)["id"]
    wait_until("the estimate", lambda: used(service, key)[1] == 1_500, 15, every=0.05)
    bearer = [("authorization", key.bearer)]
    for _ in range(2):
        assert json.loads(gate.send("GET", f"{path}/{made}", bearer).body)["processing_status"] == "ended"
        assert gate.send("GET", f"{path}/{made}/results", bearer).status == 200
    settles_at(service, key, truth(gate, key))


def test_a_service_that_is_down_is_a_503_and_not_a_404(stack):
    service, (gate, other) = stack
    key = service.key()
    wait_until("the key", lambda: all(g.models(key).status == 200 for g in (gate, other)))
    made = background(gate.openai(key))
    service.kill()
    answer = other.send("GET", f"/api/v1/responses/{made.id}", [("authorization", key.bearer)])
    assert answer.status == 503, answer.everything()
    # The process knows the objects that it has made itself.
    assert gate.openai(key).responses.retrieve(made.id).status == "completed"
    service.start()
