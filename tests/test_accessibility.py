"""Each page in each state: axe-core finds nothing in light and dark, on a desk and on a phone; the keyboard reaches everything.

Beside them: a key is made and revoked by the keyboard alone, pages work without JavaScript, and times are in the reader's zone.
Each browser fails its test on an error of a script, on what the Content-Security-Policy stops, and on a request to another host.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from harness import axe, page_routes
from harness import service as services
from harness.browser import chromium
from harness.page_cast import Cast
from harness.page_states import PASSWORD, STATES, shown_key

# The states that pages were looked at in, with the route of each.
seen: dict[str, str | None] = {}


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("axe"), pages=True) as (service, (gate,)), chromium() as browser:
        cast = Cast(browser, service, gate)
        yield cast
        cast.close()


@pytest.mark.parametrize("name", STATES)
def test_axe_finds_nothing_and_the_keyboard_reaches_everything(cast, name):
    page = STATES[name](cast)
    seen[name] = page_routes.route_of(page.url)
    assert axe.look(page) == []
    assert axe.walk(page) == []
    assert cast.problems() == []


def test_every_page_was_looked_at():
    """A page that is new needs a row in routes.txt, and a state here."""
    if seen.keys() < STATES.keys():
        pytest.skip("only some states were looked at")
    assert set(page_routes.pages()) - set(seen.values()) == set()


def test_axe_and_the_walk_find_what_is_wrong(cast):
    """That nothing is found would mean nothing if they could find nothing."""
    page = cast.owner.go("/users/account/")
    page.evaluate("""() => {
        const bad = document.createElement("div");
        const picture = Object.assign(document.createElement("img"), {width: 2000});
        const pale = Object.assign(document.createElement("p"), {textContent: "pale", className: "pale"});
        const hidden = Object.assign(document.createElement("button"), {textContent: "unmarked", type: "button"});
        pale.style.color = "#ccc"; pale.style.background = "#fff"; hidden.style.outline = "none"; picture.style.maxWidth = "none";
        bad.append(picture, pale, hidden);
        document.querySelector("main").append(bad);
    }""")
    found = " ".join(axe.look(page) + axe.walk(page))
    for part in ["image-alt", "color-contrast: .pale", "stands out", 'no visible focus: button "unmarked"']:
        assert part in found


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the link, button or field of this name has the focus."""
    held = """() => {
        const of = document.activeElement;
        return of.ariaLabel || of.labels?.[0]?.innerText || of.innerText || "";
    }"""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(held).split("\n")[0].strip() == name:
            return
    raise AssertionError(f"{name} is not reached")


def test_a_key_is_made_and_revoked_by_the_keyboard_alone(cast):
    page = cast.owner.go(f"/users/api-keys/?team={cast.empty}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "Create New API Key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/new?*")
    tab_to(page, "Name optional" if page.get_by_label("Name optional").count() else "Name")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    # The focus is on what has to be done now.
    expect(page.get_by_role("button", name="Copy key")).to_be_focused()
    shown_key(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_text("Copied to the clipboard.")
    tab_to(page, "Go to this key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="by keyboard", level=1)).to_be_visible()
    tab_to(page, "Revoke")
    page.keyboard.press("Enter")
    page.wait_for_url("**/revoke*")
    tab_to(page, "Revoke “by keyboard”")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="is revoked")).to_be_visible()


def test_the_menu_opens_and_closes_by_the_keyboard(cast):
    page = cast.viewer.go("/users/account/")
    summary = page.locator("details.menu summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out", exact=True).first).to_be_visible()
    assert axe.look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("Escape")
    expect(summary).to_be_focused()
    expect(page.locator("details.menu")).not_to_have_attribute("open", re.compile(".*"))


def test_mistakes_are_told_to_screen_readers(cast):
    page = STATES["a new key with a mistake"](cast)
    field = page.get_by_label("Requests a minute")
    expect(field).to_have_attribute("aria-invalid", "true")
    described = field.get_attribute("aria-describedby").split()
    told = " ".join(page.locator(f"#{part}").inner_text() for part in described)
    assert "whole number" in told
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing was saved")
    alert.get_by_role("link").click()
    expect(field).to_be_focused()


def test_times_are_in_the_readers_zone_and_utc_by_name_without_scripts(cast):
    address = f"/users/api-keys/{cast.key.id}/"
    instant = "() => document.querySelector('time').dateTime"
    texts = {}
    for zone in ["Asia/Tokyo", "America/New_York"]:
        page = cast.member("viewer", timezone_id=zone).go(address)
        expected = page.evaluate(f"""() => new Date(({instant})()).toLocaleString("en", {{
            timeZone: "{zone}", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"}})""")
        texts[zone] = page.locator("time").first.inner_text()
        assert texts[zone] == expected
    assert texts["Asia/Tokyo"] != texts["America/New_York"]
    plain = cast.member("viewer", java_script_enabled=False)
    for path in [address, f"/users/team/?team={cast.team}", f"/users/team/audit?team={cast.team}"]:
        times = plain.go(path).locator("time").all_inner_texts()
        assert times and all(re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d)? UTC", text) for text in times), times


def test_everything_but_charts_works_without_javascript(cast):
    person = cast.member("owner", java_script_enabled=False)
    page = person.go(f"/users/api-keys/?team={cast.team}")
    page.get_by_role("link", name="Create New API Key").click()
    page.get_by_label("Name").fill("plain")
    page.get_by_label("Tags").fill("batch")
    page.get_by_role("button", name="Create key").click()
    first = shown_key(page)
    assert first.startswith("gmtech_")
    page.reload()  # A browser asks whether to send the form again; here it is sent, and makes nothing twice.
    assert first not in page.content()
    page.get_by_role("link", name="Go to this key").click()
    here = page.url

    page.get_by_role("link", name="Edit").click()
    page.get_by_label("A day").fill("5")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("“plain” is saved.")).to_be_visible()
    expect(page.get_by_text("of $5.00")).to_be_visible()

    page.get_by_role("link", name="Rotate").click()
    page.get_by_label("Grace period").select_option("3600")
    page.get_by_role("button", name="Rotate key").click()
    assert shown_key(page) != first
    expect(page.get_by_text(re.compile(r"works until \d{4}-\d\d-\d\d \d\d:\d\d UTC"))).to_be_visible()
    page.get_by_role("link", name="Go to this key").click()

    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("“plain” is suspended")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("“plain” works again")).to_be_visible()
    assert page.url != here, "the key that rotation has made"

    page.get_by_role("link", name="API Keys").first.click()
    page.get_by_label("Tag").fill("batch")
    page.get_by_role("button", name="Filter").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_label("Search").fill("nothing like it")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No key matches")).to_be_visible()
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("link", name="plain").first.click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke “plain”").click()
    expect(page.get_by_text("“plain” is revoked").first).to_be_visible()

    page.get_by_role("link", name="Usage").first.click()
    page.get_by_label("Grouped by").select_option("key")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("region", name="Groups").get_by_role("row", name=re.compile("checkout-service"))).to_be_visible()
    page.get_by_text("Show the numbers by day").click()
    expect(page.get_by_role("region", name="Numbers by day")).to_be_visible()
    with page.expect_download() as csv:
        page.get_by_role("link", name="Download CSV").click()
    assert csv.value.path().read_text().startswith("start,key,name,cost_usd")

    page.get_by_role("link", name="Limits").first.click()
    expect(page.get_by_role("row", name=re.compile("checkout-service"))).to_contain_text("limit 5,000")
    page.get_by_role("link", name="Team").first.click()
    page.get_by_label("Address").fill("paper@example.com")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Create invitation link").click()
    link = page.locator("#invitation-link").inner_text().strip()

    guest = cast.nobody(java_script_enabled=False)
    joined = guest.go(link[link.index("/users/") :])
    joined.get_by_label("Password").fill(PASSWORD)
    joined.get_by_role("button", name="Create account and join").click()
    expect(joined.get_by_text("You are now a viewer")).to_be_visible()

    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()
    page.goto(here)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


# What each role finds on each page of its team: names of links and buttons that are there, and that are not.
ROLES = {
    "owner": {
        "/users/api-keys/": (["Create New API Key"], ["Admin"]),
        "/users/api-keys/{id}/": (["Edit", "Rotate", "Suspend", "Revoke"], []),
        "/users/team/": (["Change role", "Remove", "Create invitation link"], []),
        "/users/team/credit": ([], ["Add to balance"]),
        "/users/usage/": (["Download CSV"], []),
        "/users/limits/": ([], []),
    },
    "developer": {
        "/users/api-keys/": (["Create New API Key"], ["Admin"]),
        "/users/api-keys/{id}/": ([], ["Edit", "Rotate", "Suspend", "Revoke"]),
        "/users/api-keys/{own}/": (["Edit", "Rotate", "Suspend", "Revoke"], []),
        "/users/team/": ([], ["Change role", "Remove", "Create invitation link"]),
        "/users/team/credit": ([], ["Add to balance"]),
        "/users/usage/": (["Download CSV"], []),
        "/users/limits/": ([], []),
    },
    "viewer": {
        "/users/api-keys/": ([], ["Create New API Key", "Admin"]),
        "/users/api-keys/{id}/": ([], ["Edit", "Rotate", "Suspend", "Revoke"]),
        "/users/team/": ([], ["Change role", "Remove", "Create invitation link"]),
        "/users/team/credit": ([], ["Add to balance"]),
        "/users/usage/": (["Download CSV"], []),
        "/users/limits/": ([], []),
    },
    "administrator": {
        "/users/api-keys/": (["Create New API Key", "Admin"], []),
        "/users/api-keys/{id}/": (["Edit", "Rotate", "Suspend", "Revoke"], []),
        "/users/team/": (["Change role", "Remove", "Create invitation link"], []),
        "/users/team/credit": (["Add to balance"], []),
        "/users/usage/": (["Download CSV"], []),
        "/users/limits/": ([], []),
        "/users/admin/teams/": (["Create team", "Tiers", "Prices", "Tokens", "Proxies"], []),
    },
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_offered_what_it_may_do_and_nothing_else(cast, role):
    person = cast.admin if role == "administrator" else cast.member(role)
    own = cast.service.key(cast.team, name="own", owner=person.email).id if role == "developer" else ""
    for path, (offered, withheld) in ROLES[role].items():
        page = person.go(path.format(id=cast.key.id, own=own) + f"?team={cast.team}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()

        def there(name: str, page: Page = page) -> bool:
            named = page.get_by_role("link", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True))
            return named.count() > 0

        assert [name for name in offered if not there(name)] == [], path
        assert [name for name in withheld if there(name)] == [], path
