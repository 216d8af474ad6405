"""A real OpenID Connect provider (`oidc-provider` from npm, through `node/oidc-provider.mjs`), and people who sign in with it."""

import json
import secrets
from pathlib import Path

import httpx
from playwright.sync_api import Page

from .paths import TESTS
from .process import Process
from .waiting import free_port

CLIENT = "gate"


class Provider:
    """Runs until `stop`. `site` is where the pages are, such as http://127.0.0.1:8080."""

    def __init__(self, directory: Path, site: str):
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.secret = secrets.token_hex(20)
        self._directory, self._site, self._runs = directory, site, 0
        self.start()

    def start(self) -> None:
        client = {
            "client_id": CLIENT, "client_secret": self.secret,
            "redirect_uris": [f"{self._site}/users/sign-in/oidc/callback"],
            "post_logout_redirect_uris": [f"{self._site}/users/sign-in/"],
        }  # fmt: skip
        self._runs += 1
        self.process = Process(
            "oidc-provider",
            ["node", str(TESTS / "node/oidc-provider.mjs"), json.dumps({"port": self.port, "client": client})],
            self._directory / f"oidc-provider{self._runs}.log",
        )
        self.process.wait_ready("its description", self._answers)

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        try:
            url = f"{self.issuer}/.well-known/openid-configuration"
            return httpx.get(url, trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def says(self, people: dict[str, dict]) -> None:
        """What it says of people, by their ids."""
        httpx.put(f"{self.issuer}/test/people", json=people, trust_env=False).raise_for_status()

    def rotate_keys(self) -> None:
        """It signs with other keys from now on, and publishes no others."""
        httpx.post(f"{self.issuer}/test/keys", trust_env=False).raise_for_status()

    def options(self) -> list[str]:
        """Those of `gmtech serve`."""
        return [
            "--public-url", self._site, "--oidc-issuer", self.issuer, "--oidc-client-id", CLIENT,
            "--oidc-scopes", "email,profile,groups", "--oidc-name", "Acme ID",
        ]  # fmt: skip

    def sign_in(self, page: Page, person: str) -> None:
        """From the sign-in page, through the provider's own pages, and back."""
        page.get_by_role("link", name="Sign in with Acme ID").click()
        page.locator("input[name=login]").fill(person)
        page.locator("input[name=password]").fill("any will do")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{self._site}/users/**")
