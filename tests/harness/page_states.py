"""The pages in each state that matters: full and empty, a form with mistakes, what is shown once, questions, errors.

A state is a function that leads a page there. `STATES` has them by name.
"""

import re
import secrets
from collections.abc import Callable

from playwright.sync_api import Page

from . import keys as made_here
from .page_cast import Cast

PASSWORD = "a few words in a row"
STATES: dict[str, Callable[[Cast], Page]] = {}


def state(lead: Callable[[Cast], Page]) -> Callable[[Cast], Page]:
    STATES[lead.__name__.replace("_", " ")] = lead
    return lead


def _plain(name: str, who: str, path: str) -> None:
    """A page that its address alone leads to. `path` is filled in with the cast's own names."""
    STATES[name] = lambda cast: getattr(cast, who).go(path.format(**vars(cast), id=cast.key.id, revoked_id=cast.revoked.id))


for _name, _who, _path in [
    ("keys", "owner", "/users/api-keys/?team={team}"),
    ("keys as a viewer", "viewer", "/users/api-keys/?team={team}"),
    ("no keys yet", "owner", "/users/api-keys/?team={empty}"),
    ("no keys yet as a viewer", "viewer", "/users/api-keys/?team={empty}"),
    ("no key matches", "owner", "/users/api-keys/?team={team}&search=nothing"),
    ("keys that never expire", "owner", "/users/api-keys/?team={team}&look=never_expires"),
    ("new key", "owner", "/users/api-keys/new?team={team}"),
    ("new key as a viewer", "viewer", "/users/api-keys/new?team={team}"),
    ("a key", "owner", "/users/api-keys/{id}/"),
    ("a revoked key", "owner", "/users/api-keys/{revoked_id}/"),
    ("a key as a viewer", "viewer", "/users/api-keys/{id}/"),
    ("edit", "owner", "/users/api-keys/{id}/edit"),
    ("rotate", "owner", "/users/api-keys/{id}/rotate"),
    ("revoke", "owner", "/users/api-keys/{id}/revoke"),
    ("receipt", "owner", "/users/api-keys/{revoked_id}/receipt"),
    ("usage", "owner", "/users/usage/?team={team}"),
    ("usage by decision", "owner", "/users/usage/?team={team}&by=decision&measure=refusals"),
    ("usage of one key", "owner", "/users/usage/?team={team}&key={id}&by=model&measure=tokens"),
    ("no usage", "owner", "/users/usage/?team={empty}"),
    ("usage with a mistake", "owner", "/users/usage/?team={team}&range=own&from=soon&to="),
    ("a request", "owner", "/users/requests/?team={team}&id={request_id}"),
    ("no such request", "owner", "/users/requests/?team={team}&id=nothing"),
    ("find a request", "owner", "/users/requests/?team={team}"),
    ("limits", "owner", "/users/limits/?team={team}"),
    ("no limits", "owner", "/users/limits/?team={empty}"),
    ("members", "owner", "/users/team/?team={team}"),
    ("members as a viewer", "viewer", "/users/team/?team={team}"),
    ("remove a member", "owner", "/users/team/remove?team={team}&email=viewer%40{team}.example"),
    ("credit", "owner", "/users/team/credit?team={team}"),
    ("credit as an administrator", "admin", "/users/team/credit?team={team}"),
    ("no credit", "owner", "/users/team/credit?team={empty}"),
    ("policy", "owner", "/users/team/policy?team={team}"),
    ("alerts", "owner", "/users/team/alerts?team={team}"),
    ("alerts as a viewer", "viewer", "/users/team/alerts?team={team}"),
    ("audit", "owner", "/users/team/audit?team={team}"),
    ("no entries", "owner", "/users/team/audit?team={team}&actor=nobody"),
    ("audit with a mistake", "owner", "/users/team/audit?team={team}&from=soon"),
    ("account", "owner", "/users/account/"),
    ("teams", "admin", "/users/admin/teams/"),
    ("no such team", "admin", "/users/admin/teams/?id=nothing"),
    ("new team", "admin", "/users/admin/teams/new"),
    ("close a team", "admin", "/users/admin/teams/{empty}/close"),
    ("tiers", "admin", "/users/admin/tiers/"),
    ("new tier", "admin", "/users/admin/tiers/new"),
    ("edit a tier", "admin", "/users/admin/tiers/free/edit"),
    ("remove a tier", "admin", "/users/admin/tiers/pro/remove"),
    ("prices", "admin", "/users/admin/prices/"),
    ("a price", "admin", "/users/admin/prices/?model=gpt-4o"),
    ("prices with a mistake", "admin", "/users/admin/prices/?model=two+words"),
    ("tokens", "admin", "/users/admin/tokens/"),
    ("new token", "admin", "/users/admin/tokens/new"),
    ("proxies", "admin", "/users/admin/proxies/"),
    ("not found", "owner", "/users/api-keys/key_00000000000000000000/"),
    ("no such page", "owner", "/users/nothing"),
    ("no team", "lonely", "/users/api-keys/"),
]:
    _plain(_name, _who, _path)


def _sends(page: Page, button: str, **fields: str) -> Page:
    """Fills in fields by their ids, without the browser's own checks, and sends the form of the button."""
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    for name, value in fields.items():
        field = page.locator(f"#{name}")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()
    return page


def shown_key(page: Page) -> str:
    """The key on the page that shows it once."""
    text = page.locator("input[data-secret]").input_value()
    made_here.remember(text)
    return text


def leave_key(page: Page) -> None:
    """Copies the key, as a person does before leaving the page."""
    page.get_by_role("button", name=re.compile("Copy key")).click()


@state
def a_new_key_with_a_mistake(cast: Cast) -> Page:
    page = cast.owner.go(f"/users/api-keys/new?team={cast.team}")
    return _sends(page, "Create key", name="x", requests_per_minute="many")


@state
def the_new_key(cast: Cast) -> Page:
    page = _sends(cast.owner.go(f"/users/api-keys/new?team={cast.team}"), "Create key", name="new")
    shown_key(page)
    leave_key(page)
    return page


@state
def removing_an_address_of_alerts(cast: Cast) -> Page:
    path = f"/teams/{cast.team}/alert-addresses"
    known = cast.service.ask("GET", path)["data"]
    made = known[0] if known else cast.service.ask("POST", path, json={"url": "https://hooks.example.com/gmtech"})
    return cast.owner.go(f"/users/team/alerts/remove?team={cast.team}&id={made['id']}")


@state
def edit_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.owner.go(f"/users/api-keys/{cast.key.id}/edit"), "Save changes", budget_day="much")


@state
def rotate_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.owner.go(f"/users/api-keys/{cast.key.id}/rotate"), "Rotate key", grace="other", hours="many")


@state
def the_rotated_key(cast: Cast) -> Page:
    spare = cast.service.key(cast.team, name="spare")
    page = _sends(cast.owner.go(f"/users/api-keys/{spare.id}/rotate"), "Rotate key", grace="86400")
    shown_key(page)
    leave_key(page)
    return page


@state
def a_notice(cast: Cast) -> Page:
    spare = cast.service.key(cast.team, name="spare")
    return _sends(cast.owner.go(f"/users/api-keys/{spare.id}/"), "Suspend")


@state
def an_invitation_link(cast: Cast) -> Page:
    page = cast.owner.go(f"/users/team/?team={cast.team}")
    return _sends(page, "Create invitation link", email="invited@example.com", role="viewer")


@state
def an_invitation_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.owner.go(f"/users/team/?team={cast.team}"), "Create invitation link", email="nowhere")


@state
def credit_with_a_mistake(cast: Cast) -> Page:
    page = cast.admin.go(f"/users/team/credit?team={cast.team}")
    return _sends(page, "Add to balance", amount_usd="much", note="x")


@state
def an_account_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.owner.go("/users/account/"), "Set password", password="short")


@state
def a_new_team_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.admin.go("/users/admin/teams/new"), "Create team", id="no spaces")


@state
def a_new_tier_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.admin.go("/users/admin/tiers/new"), "Create tier", name="gold", tokens_per_minute="many")


@state
def a_token_with_a_mistake(cast: Cast) -> Page:
    return _sends(cast.admin.go("/users/admin/tokens/new"), "Create token", name="ci", role="team_admin")


@state
def the_new_token(cast: Cast) -> Page:
    return _sends(cast.admin.go("/users/admin/tokens/new"), "Create token", name="ci")


@state
def revoke_a_token(cast: Cast) -> Page:
    token = cast.service.ask("POST", "/tokens", json={"name": "old", "role": "reader"})
    return cast.admin.go(f"/users/admin/tokens/{token['id']}/revoke")


@state
def sign_in(cast: Cast) -> Page:
    return cast.nobody().go("/users/sign-in/")


@state
def signed_out(cast: Cast) -> Page:
    return cast.nobody().go("/users/sign-in/?signed_out=yes")


@state
def a_wrong_password(cast: Cast) -> Page:
    return _sends(cast.nobody().go("/users/sign-in/"), "Sign in", email="kim@example.com", password="wrong")


@state
def too_many_attempts(cast: Cast) -> Page:
    page = cast.nobody().go("/users/sign-in/")
    email = f"{secrets.token_hex(4)}@example.com"
    for _ in range(20):
        _sends(page, "Sign in", email=email, password="wrong")
        if page.get_by_text("Too many attempts").count():
            return page
    raise AssertionError("nobody was slowed down")


@state
def a_one_time_link(cast: Cast) -> Page:
    return cast.nobody().go(cast.link("kim@example.com"))


@state
def a_one_time_link_with_a_mistake(cast: Cast) -> Page:
    page = cast.nobody().go(cast.link("kim@example.com"))
    page.get_by_text("Set a password").click()
    return _sends(page, "Sign in", password="short")


@state
def a_link_that_was_used(cast: Cast) -> Page:
    return cast.nobody().go("/users/sign-in/link/used")


@state
def an_invitation_to_a_newcomer(cast: Cast) -> Page:
    return cast.nobody().go(cast.invitation("newcomer@example.com"))


@state
def a_newcomer_with_a_mistake(cast: Cast) -> Page:
    page = cast.nobody().go(cast.invitation("hasty@example.com"))
    return _sends(page, "Create account and join", password="short")


@state
def an_invitation_to_somebody_with_an_account(cast: Cast) -> Page:
    cast.service.ask("POST", "/people/links", json={"email": "kim@example.com"})
    return cast.nobody().go(cast.invitation("root@example.com"))


@state
def an_invitation_to_who_looks(cast: Cast) -> Page:
    return cast.lonely.go(cast.invitation("lonely@example.com"))


@state
def an_invitation_to_somebody_else(cast: Cast) -> Page:
    return cast.viewer.go(cast.invitation("else@example.com"))


@state
def not_allowed(cast: Cast) -> Page:
    return cast.viewer.go(f"/users/api-keys/{cast.key.id}/edit")


@state
def not_available(cast: Cast) -> Page:
    with cast.broken():
        return cast.viewer.go("/users/account/")
