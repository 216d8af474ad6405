"""Each page in each state: axe-core finds nothing in light and dark, on a desk and on a phone; the keyboard reaches everything."""

import re

import pytest
from playwright.sync_api import expect

from harness import axe, page_routes
from harness import service as services
from harness.browser import chromium
from harness.page_states import STATES, Cast, leave_key, shown_key

# Which routes were seen in some state.
seen: set[str] = set()


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("axe"), pages=True) as (service, (gate,)), chromium() as browser:
        cast = Cast(browser, service, gate)
        yield cast
        cast.close()


@pytest.mark.parametrize("name", STATES)
def test_axe_finds_nothing_and_nothing_stands_out(cast, name):
    page = STATES[name](cast)
    seen.add(page_routes.route_of(page.url))
    assert axe.look(page) == []
    assert axe.walk(page) == []
