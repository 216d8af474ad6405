"""The pages in a real browser, through a real Envoy: a key's life as a person sees it, live limits, and what stays closed."""

import re
from urllib.parse import urlsplit

import openai
import pytest
from playwright.sync_api import expect

from harness import keys as made_here
from harness import metered
from harness import service as services
from harness.browser import Person, chromium
from harness.keys import Key
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("pages"), pages=True) as (service, (gate,)):
        yield service, gate


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def person(stack, browser):
    """Opens browsers of members of a team: `person(team, role="owner")`."""
    service, gate = stack
    people: list[Person] = []

    def member(team: str, role: str = "owner", **options) -> Person:
        email = f"{role}@{team}.example"
        service.ask("PUT", f"/teams/{team}/members", json={"email": email, "role": role})
        people.append(Person(browser, service, f"http://127.0.0.1:{gate.port}", email, **options))
        return people[-1]

    yield member
    for one in people:
        one.close()


def shown_key(page) -> str:
    """The key on the page that shows it once."""
    field = page.locator("input[data-secret]")
    text = field.input_value()
    made_here.remember(text)
    return text


def test_a_keys_life_as_a_person_sees_it(stack, person):
    service, gate = stack
    team = service.team()
    page = person(team).go(f"/users/api-keys/?team={team}")
    expect(page.get_by_text("Beta", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    page.get_by_role("link", name="Create New API Key").first.click()
    page.get_by_label("Name").fill("checkout")
    page.get_by_role("button", name="Create key").click()

    text = shown_key(page)
    assert text.startswith("gmtech_")
    assert page.locator("input[data-secret]").get_attribute("type") == "password", "masked"
    expect(page.get_by_role("button", name=re.compile("Copy")).first).to_be_focused()
    # Whoever leaves before it was copied is asked.
    page.once("dialog", lambda asked: asked.dismiss())
    page.get_by_role("link", name="Go to this key").click()
    assert shown_key(page) == text
    page.get_by_role("button", name=re.compile("Copy")).first.click()

    page.reload()
    expect(page.get_by_role("heading", name="This key was made already")).to_be_visible()
    assert text not in page.content(), "it is shown once"
    page.goto(page.url.split("?")[0].replace("/new", "/") + f"?team={team}")
    expect(page.get_by_role("link", name="checkout")).to_be_visible()
    assert text not in page.content(), "it is shown once"

    client = openai.OpenAI(api_key=text, base_url=gate.url(), max_retries=0)
    wait_until("the key", lambda: len(client.models.list().data) > 0)
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    # Without a reload.
    page.evaluate("window.notReloaded = true")
    row = page.get_by_role("row", name=re.compile("checkout"))
    expect(row.locator("[data-live$='.requests']")).not_to_have_text("0", timeout=15_000)
    expect(row.locator("[data-live$='.cost']")).not_to_have_text("$0.00", timeout=15_000)
    assert page.evaluate("window.notReloaded")

    page.get_by_role("link", name="checkout").click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke “checkout”").click()
    expect(page.get_by_text(re.compile(r"refused by 1 of 1 proxies after \d+ ms"))).to_be_visible()
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    assert (refused.value.status_code, refused.value.code) == (403, "key_revoked")
    page.goto(page.url.split("?")[0].replace("receipt", "") + f"?team={team}")
    expect(page.get_by_text("Revoked", exact=True)).to_be_visible()


def test_limits_move_while_they_are_watched(stack, person):
    service, gate = stack
    team = service.team()
    key: Key = service.key(team, tier="free", name="busy")
    page = person(team, "viewer").go(f"/users/limits/?team={team}")
    row = page.get_by_role("row", name=re.compile("busy"))
    expect(row).to_contain_text("no traffic · limit 60")
    expect(page.locator("[data-live-state]")).to_have_text("Live.")
    # The proxy may hear of the watcher after the first request.
    wait_until("the level", lambda: metered.post(gate, key) and "used" in row.inner_text(), deadline=15, every=0.5)
    expect(row).to_contain_text(re.compile(r"\d+ of 60 used"))


@pytest.mark.parametrize(
    "path",
    [
        "/users/../admin/v1/teams", "/users/%2e%2e/admin/v1/teams", "/users/..;/admin/v1/teams", "/users//admin/v1/teams",
        "/users/..%2Fadmin/v1/teams", "/admin/v1/teams", "/sync/v1/changes", "/metrics",
    ],
)  # fmt: skip
def test_nothing_but_the_pages_is_reached_through_envoy(stack, path):
    _, gate = stack
    token = ("authorization", f"Bearer {services.ADMIN_TOKEN}")
    answer = gate.send("GET", path, [token])
    assert answer.status in (400, 401, 404), answer
    assert b'"object":"list"' not in answer.body


@pytest.mark.parametrize("path", ["/users", "/users/api-keys", "/users/usage", "/users/admin/proxies"])
def test_an_address_without_its_slash_leads_to_the_page(stack, path):
    _, gate = stack
    answer = gate.send("GET", f"{path}?team=acme")
    assert answer.status == (302 if path == "/users" else 308)
    to = urlsplit(answer.header("location"))
    assert (to.path, to.query) == (f"{path}/", "team=acme")


def test_the_pages_do_not_pass_the_gate_and_links_are_in_no_log(stack, person):
    service, gate = stack
    team = service.team()
    before = gate.envoy.stats(r"^wasmcustom\.gmtech_requests.*")
    developer = person(team, "developer")
    developer.go(f"/users/usage/?team={team}")
    assert gate.envoy.stats(r"^wasmcustom\.gmtech_requests.*") == before
    log = gate.log() + str(gate.envoy.rows()) + service.output()
    assert developer.token not in log


def test_cookies_reach_the_pages_and_never_the_upstream(stack):
    service, gate = stack
    key = service.key()
    answer = metered.post(gate, key, None, "", ("cookie", "session=1"), ("x-forwarded-for", "203.0.113.7"))
    assert answer.status == 200
    (seen,) = gate.seen()
    assert not seen.values("cookie") + seen.values("x-forwarded-for")
