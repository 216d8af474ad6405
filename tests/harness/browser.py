"""A real browser on the pages: headless Chromium, whose console errors and outside requests fail a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

# Chromium of the system's packages; no part of it asks an outside address.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


class Person:
    """A person in a browser of its own, signed in by a one-time link made over the API. Without an address, nobody is."""

    def __init__(self, browser: Browser, service, base: str, email: str = "", *, admin: bool = False, **options):
        self.base, self.email = base, email
        self.problems: list[str] = []
        self.context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("request", self._requested)
        if not email:
            return
        link = service.ask("POST", "/people/links", json={"email": email, "admin": admin})
        # What must stand in no log.
        self.token = link["path"].rsplit("/", 1)[1]
        self.go(link["path"])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/users/**")

    def _said(self, line) -> None:
        """An error of a script, or something that the page's policy forbids."""
        # The status of the page itself, such as 404 or 422, is one of the page's states.
        of_the_page = line.text.startswith("Failed to load resource") and line.location["url"] == self.page.url
        if line.type == "error" and not of_the_page:
            self.problems.append(f"{line.text} {line.location['url']}")

    def _requested(self, request) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.problems.append(f"asked for {request.url}")

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def close(self) -> None:
        self.context.close()
        assert not self.problems, self.problems
