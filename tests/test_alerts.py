"""Alerts, through a real Envoy: a budget that is used up, a revoked key in use, posted to a receiver that checks signatures."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import metered
from harness import service as services
from harness.waiting import free_port, wait_until

LOOPBACK = ("--alert-networks", "127.0.0.0/8")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("alerts"), *LOOPBACK) as (service, (gate,)):
        yield service, gate


class Receiver:
    """Takes posts on a port of its own, from `start` on. It is down before."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.got: list[tuple[dict, bytes]] = []
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> "Receiver":
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def verified(self, secret: str) -> list[dict]:
        """The payloads, each signed and of now."""
        return [json.loads(verify(secret, headers, body)) for headers, body in list(self.got)]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in list(self.got)]


def verify(secret: str, headers: dict, body: bytes) -> bytes:
    """As docs/operators/alerts.md shows it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split())
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return body


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


def add(service, team: str, receiver: Receiver) -> str:
    """Adds the receiver to the team's addresses. Its secret."""
    return service.ask("POST", f"/teams/{team}/alert-addresses", json={"url": receiver.url})["secret"]


def cost_of_a_request(service, gate) -> int:
    """In nano-dollars."""
    key = service.key()
    assert metered.post(gate, key).status == 200
    row = wait_until("its cost", lambda: service.usage(by="key", team=key.team).get(key.id))
    return row["cost_nano_usd"]


def test_a_budget_that_is_used_up_is_three_signed_posts_in_order(stack, receiver):
    service, gate = stack
    receiver.start()
    cost = cost_of_a_request(service, gate)
    key = service.key(budgets={"month_nano_usd": 10 * cost})
    secret = add(service, key.team, receiver)
    for request in range(1, 11):
        assert metered.post(gate, key).status == 200
        due = sum(request >= at for at in (5, 8, 10))
        wait_until(f"{due} posts after {request} requests", lambda due=due: len(receiver.got) >= due)
    refused = wait_until("the end of the budget", lambda: (a := metered.post(gate, key)).status != 200 and a)
    assert refused.error["code"] == "insufficient_quota"
    payloads = receiver.verified(secret)
    told = [(one["type"], one["data"]["percent"], one["data"]["key"], one["data"]["period"]) for one in payloads]
    assert told == [("key.budget", percent, key.id, "month") for percent in (50, 80, 100)]
    assert [one["data"]["spent_nano_usd"] for one in payloads] == [5 * cost, 8 * cost, 10 * cost]
    assert len(set(receiver.ids())) == 3
    shown = service.ask("GET", f"/teams/{key.team}/alerts")["data"]
    assert [alert["id"] for alert in shown] == receiver.ids()[::-1]


def test_credit_that_is_used_is_told(stack, receiver):
    service, gate = stack
    receiver.start()
    cost = cost_of_a_request(service, gate)
    team = service.team(prepaid=True)
    key = service.key(team)
    service.ask("POST", f"/teams/{team}/credit", json={"amount_nano_usd": 2 * cost})
    secret = add(service, team, receiver)
    for count in (1, 3):
        wait_until("the credit", lambda: metered.post(gate, key).status == 200)
        wait_until(f"{count} posts", lambda count=count: len(receiver.got) >= count)
    told = [(one["type"], one["data"]["percent"]) for one in receiver.verified(secret)]
    assert told == [("team.credit", percent) for percent in (50, 80, 100)]


def test_a_revoked_key_that_is_used_is_one_post(stack, receiver):
    service, gate = stack
    receiver.start()
    key = service.key()
    secret = add(service, key.team, receiver)
    service.change(key, "revoke")
    wait_until("its end", lambda: metered.post(gate, key).status == 403)
    wait_until("the post", lambda: receiver.got, deadline=30)
    refusals = service.usage(by="decision", team=key.team)["key_revoked"]["requests"]
    assert metered.post(gate, key).status == 403

    def more() -> bool:
        return service.usage(by="decision", team=key.team)["key_revoked"]["requests"] > refusals

    wait_until("the next refusal in the sums", more, deadline=30)
    (told,) = receiver.verified(secret)
    assert (told["type"], told["data"]["key"]) == ("key.revoked_in_use", key.id)
    assert service.ask("GET", f"/teams/{key.team}/alert-deliveries")["data"][0]["status"] == "delivered"


def test_no_alert_is_lost_or_doubled_while_the_receiver_and_the_service_go_down(tmp_path, receiver):
    with services.stack(tmp_path, *LOOPBACK) as (service, (gate,)):
        cost = cost_of_a_request(service, gate)
        key = service.key(budgets={"day_nano_usd": 2 * cost})
        secret = add(service, key.team, receiver)
        address = f"/teams/{key.team}/alert-deliveries"

        def waiting() -> list[dict]:
            return [one for one in service.ask("GET", address)["data"] if one["status"] == "waiting"]

        assert metered.post(gate, key).status == 200
        wait_until("an attempt that fails", lambda: any(one["problem"] for one in waiting()))
        service.kill()
        # Used while no service is there: the gate tells of it afterwards.
        assert metered.post(gate, key).status == 200
        service.start()
        wait_until("all three to wait", lambda: len(waiting()) == 3, deadline=30)
        service.kill()
        receiver.start()
        service.start()
        wait_until("all three to be delivered", lambda: not waiting(), deadline=120)
        told = [one["data"]["percent"] for one in receiver.verified(secret)]
        assert told == [50, 80, 100]
        assert len(receiver.ids()) == len(set(receiver.ids())) == 3
