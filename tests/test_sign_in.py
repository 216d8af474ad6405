"""Signing in with a real provider, in a real browser, through a real Envoy: groups and roles, new keys, who is refused."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from harness import service as services
from harness.browser import chromium
from harness.oidc import Provider


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """A service, its gate, and the provider that it signs people in with."""
    directory = tmp_path_factory.mktemp("sign-in")
    with services.stack(directory, pages=True) as (service, (gate,)):
        team = service.team()
        provider = Provider(directory, f"http://127.0.0.1:{gate.port}")
        try:
            service.stop()
            service.env = {"GMTECH_OIDC_CLIENT_SECRET": provider.secret}
            service.start(*provider.options(), "--oidc-groups", f"platform=admin,devs={team}:developer")
            yield service, gate, provider, team
        finally:
            provider.stop()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(stand, browser):
    """A browser that has been nowhere."""
    _, gate, _, _ = stand
    context = browser.new_context(base_url=f"http://127.0.0.1:{gate.port}", viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def ada(*groups: str) -> dict:
    return {"ada": {"email": "ada@acme.example", "email_verified": True, "name": "Ada", "groups": list(groups)}}


def sign_out(page: Page) -> None:
    page.goto("/users/account/")
    page.get_by_role("button", name="Sign out", exact=True).last.click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()


def test_a_group_gives_a_role_and_takes_it_away_over_new_keys(stand, page):
    service, gate, provider, team = stand
    provider.says(ada("devs"))
    page.goto(f"/users/usage/?team={team}")
    provider.sign_in(page, "ada")
    expect(page).to_have_url(re.compile(rf"/users/usage/\?team={team}$"))
    page.goto(f"/users/api-keys/?team={team}")
    expect(page.get_by_role("link", name="Create New API Key").first).to_be_visible()
    page.goto("/users/account/")
    expect(page.get_by_text(provider.issuer)).to_be_visible()
    members = service.ask("GET", f"/teams/{team}/members")["data"]
    assert [(of["email"], of["role"]) for of in members] == [("ada@acme.example", "developer")]

    sign_out(page)
    provider.rotate_keys()
    page.goto("/users/sign-in/")
    provider.sign_in(page, "ada")
    page.goto(f"/users/api-keys/?team={team}")
    expect(page.get_by_role("link", name="Create New API Key").first).to_be_visible()

    sign_out(page)
    provider.says(ada("platform"))
    provider.rotate_keys()
    page.goto("/users/sign-in/")
    provider.sign_in(page, "ada")
    page.goto("/users/admin/teams/")
    expect(page.get_by_role("heading", name="Teams").first).to_be_visible()
    assert service.ask("GET", f"/teams/{team}/members")["data"] == []

    sign_out(page)
    provider.says(ada())
    provider.rotate_keys()
    page.goto("/users/sign-in/")
    provider.sign_in(page, "ada")
    answer = page.goto("/users/admin/teams/")
    assert answer.status == 404, "as if there were no such page"
    answer = page.goto(f"/users/api-keys/?team={team}")
    assert answer.status == 404
    log = gate.log() + str(gate.envoy.rows()) + service.output()
    assert provider.secret not in log
    assert "code=" not in log and "code_verifier" not in log


def test_nobody_comes_in_whom_nobody_knows(stand, page):
    service, _, provider, _ = stand
    eve = {"email": "eve@elsewhere.example", "email_verified": True, "name": "Eve", "groups": ["strangers"]}
    provider.says({"eve": eve})
    page.goto("/users/sign-in/")
    provider.sign_in(page, "eve")
    expect(page.get_by_role("alert")).to_contain_text("Nobody here knows you yet")
    assert all(of["email"] != eve["email"] for of in service.ask("GET", "/people")["data"])
    page.goto("/users/account/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_no_client_says_who_it_is(stand, tmp_path):
    service, gate, provider, _ = stand
    secret = tmp_path / "identity.secret"
    secret.write_text("the-secret-of-the-proxy-in-front")
    service.stop()
    service.start(
        "--identity-header", "X-Forwarded-Email", "--identity-secret-file", str(secret), "--trusted-proxies", "127.0.0.1",
        "--admit-anyone",
    )  # fmt: skip
    said = [("x-forwarded-email", "ada@acme.example"), ("x-gmtech-identity-secret", secret.read_text())]
    straight = httpx.get(f"http://127.0.0.1:{service.port}/users/account/", headers=dict(said), trust_env=False)
    assert straight.status_code == 200, "the proxy itself"
    assert "ada@acme.example" in straight.text
    assert gate.send("GET", "/users/account/", said).status == 303, "as if nobody had said it"
    unproven = httpx.get(f"http://127.0.0.1:{service.port}/users/account/", headers=dict(said[:1]), trust_env=False)
    assert unproven.status_code == 403


def test_without_the_provider_links_still_sign_in(stand, page):
    service, _, provider, _ = stand
    provider.stop()
    try:
        service.stop()
        service.start(*provider.options())
        page.goto("/users/sign-in/")
        page.get_by_role("link", name="Sign in with Acme ID").click()
        expect(page.get_by_role("alert")).to_contain_text("Acme ID cannot be reached")
        expect(page.get_by_label("Password")).to_be_visible()
        link = service.ask("POST", "/people/links", json={"email": "kim@acme.example"})
        page.goto(link["path"])
        page.get_by_role("button", name="Sign in").click()
        page.goto("/users/account/")
        expect(page.get_by_text("kim@acme.example").first).to_be_visible()
    finally:
        provider.start()
