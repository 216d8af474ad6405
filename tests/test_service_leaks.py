"""Uses keys of the service in every way, and then searches for them in everything that was written."""

import json
import subprocess

from harness import http1, keys, metered, paths
from harness import service as services
from harness.waiting import wait_until


def everything(service, gate) -> dict[str, str]:
    """All that is written or shown, by the place where it is."""
    http = service.http
    found = {
        "the service's log": service.output(),
        "Envoy's log and the access log": gate.envoy.process.output(),
        "Envoy's configuration": gate.envoy.admin("/config_dump"),
        "Envoy's stats": gate.envoy.admin("/stats"),
        "Envoy's Prometheus page": gate.envoy.prometheus(),
        "Envoy's clusters": gate.envoy.admin("/clusters"),
        "the upstream's log": gate.mock.process.output(),
        "what the upstream got": json.dumps(metered.captured(gate)),
    }
    for file in sorted(service.directory.rglob("*")):
        if file.is_file():
            found[f"the file {file.name}"] = file.read_bytes().decode("latin-1")
    with_pages = ("/keys", "/teams", "/audit", "/proxies", "/usage", "/tokens", "/openapi.json")
    for path in with_pages:
        answer = http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        found[f"GET {path}"] = answer.text
    for args in (["keys", "list"], ["keys", "list", "--json"], ["teams", "list"], ["usage"], ["usage", "--by", "team", "--json"]):
        found["gmtech " + " ".join(args)] = service.cli(*args)
    return found


def test_no_output_log_database_or_dump_holds_a_key(tmp_path):
    with services.stack(tmp_path) as (service, (gate,)):
        team = service.team()
        used = service.key(team)
        by_cli = json.loads(service.cli("keys", "create", "--team", team, "--name", "by hand", "--json"))
        keys.remember(by_cli["key"])
        shown = service.cli("keys", "create", "--team", team, "--name", "for people")
        text = max((w for w in shown.split() if w.startswith(keys.PREFIX)), key=len)
        keys.remember(text)
        rotated = service._told(service.ask("POST", f"/keys/{used.id}/rotate", json={"overlap_seconds": 3600}))
        unknown, ended = keys.make(), service.key(team)
        service.change(ended, "revoke", wait=2000)

        # Regular use.
        for secret, status in (
            (used.text, 200), (by_cli["key"], 200), (text, 200), (rotated.text, 200), (ended.text, 403), (unknown.text, 401),
        ):  # fmt: skip
            for send in (
                lambda h: gate.send("GET", "/api/v1/models", h),
                lambda h: gate.send("POST", metered.CHAT_PATH, [*h, ("content-type", "application/json")], metered.body()),
            ):
                answer = send([("authorization", f"Bearer {secret}")])
                assert answer.status == status
                assert not keys.leaked_in(answer.everything())
        metered.stream(gate, used).read_to_the_end_of_events()

        # Keys in wrong places of requests to the gate.
        secret = used.text
        for raw in (
            http1.request("GET", f"/api/v1/models/{secret}", [("authorization", used.bearer)]),
            http1.request("GET", f"/api/v1/models?key={secret}", [("authorization", used.bearer)]),
            http1.request("POST", metered.CHAT_PATH, metered.headers(used), metered.body(model=secret)),
            http1.request("GET", "/api/v1/models", [("authorization", keys.mistyped(secret))]),
            http1.request("GET", "/api/v1/models", [("authorization", f"Bearer {secret} {secret}")]),
            http1.request("GET", "/api/v1/models", [("x-request-id", "1"), ("api-key", secret)]),
        ):
            answer = http1.exchange(gate.port, raw)
            assert answer.status >= 200 and not keys.leaked_in(answer.everything()), answer

        # Keys in wrong places of requests to the management API.
        tries = [
            ("GET", f"/keys/{secret}", None),
            ("POST", f"/keys/{secret}/revoke", {}),
            ("POST", "/keys", {"team": secret, "name": "x"}),
            ("POST", "/keys", {"team": team, "name": secret}),
            ("POST", "/keys", {"team": team, "name": "x", "tier": secret}),
            ("POST", "/keys", {"team": team, "name": "x", "models": [secret]}),
            ("POST", "/keys", {"team": team, "name": "x", secret: 1}),
            ("POST", "/teams", {"id": secret}),
            ("POST", f"/teams/{team}/credit", {"amount_usd": "1", "note": secret}),
            ("GET", f"/usage?key={secret}", None),
            ("GET", f"/usage?team={secret}", None),
        ]
        for method, path, body in tries:
            answer = service.http.request(method, path, **({"json": body} if body is not None else {}))
            assert not keys.leaked_in(answer.text), (method, path, answer.text)
        answer = service.http.get("/keys", headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == 401 and not keys.leaked_in(answer.text)
        refused = subprocess.run(
            [str(paths.gmtech()), "keys", "show", secret, "--url", f"http://127.0.0.1:{service.port}"],
            env={"GMTECH_ADMIN_TOKEN": services.ADMIN_TOKEN}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert refused.returncode != 0
        assert not keys.leaked_in(refused.stdout + refused.stderr)

        wait_until("the usage", lambda: used.id in service.usage())
        service.cli("usage", "import", str(gate.envoy.process.log))
        # While it runs and after a crash, so that the contents of memory and of the write-ahead log are searched too.
        for _ in range(2):
            leaks = {place: found for place, text in everything(service, gate).items() if (found := keys.leaked_in(text))}
            assert not leaks
            service.kill()
            service.start()

        # The search works: it finds the digest, which may be there.
        digest = bytes.fromhex(used.digest).decode("latin-1")
        assert any(digest in text for place, text in everything(service, gate).items() if place.startswith("the file gmtech.db"))
