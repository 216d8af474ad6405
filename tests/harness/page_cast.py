"""The people and the data that the pages are looked at with: a team with keys and usage, an empty one, members, an administrator."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser

from . import metered
from .browser import Person
from .service import Service
from .waiting import wait_until


class Cast:
    """A team with keys, people and usage, an empty team, and people of every kind in browsers of their own."""

    def __init__(self, browser: Browser, service: Service, gate):
        self.service = service
        self.browser = browser
        self.base = f"http://127.0.0.1:{gate.port}"
        self.team, self.empty = service.team(credit="25"), service.team()
        keys = [
            service.key(self.team, name="checkout-service, production", tags=["production", "web"]),
            service.key(self.team, name="Nightly batch", tier="free", models=["gpt-4o*"]),
            service.key(self.team, name="Suspended"),
            service.key(self.team, name="Revoked"),
        ]
        self.key, batch, suspended, self.revoked = keys
        for key in (self.key, batch):
            wait_until("the key", lambda key=key: metered.post(gate, key).status == 200)
        service.change(suspended, "suspend")
        service.change(self.revoked, "revoke")
        wait_until("the revocation", lambda: metered.post(gate, self.revoked).status == 403)
        answer = metered.post(gate, self.key)
        (self.request_id,) = answer.values("x-request-id")
        wait_until("the usage", lambda: service.usage(by="key", team=self.team))
        self.people: list[Person] = []
        self.owner = self.member("owner")
        self.viewer = self.member("viewer")
        self.admin = self._person("root@example.com", admin=True)
        self.lonely = self._person("lonely@example.com")

    def _person(self, email: str = "", **options) -> Person:
        # Colours that are on their way from one scheme to the other would be measured.
        self.people.append(Person(self.browser, self.service, self.base, email, reduced_motion="reduce", **options))
        return self.people[-1]

    def member(self, role: str, **options) -> Person:
        """A new browser of the teams' member with this role."""
        email = f"{role}@{self.team}.example"
        for team in (self.team, self.empty):
            self.service.ask("PUT", f"/teams/{team}/members", json={"email": email, "role": role})
        return self._person(email, **options)

    def nobody(self, **options) -> Person:
        """A browser in which nobody has signed in."""
        return self._person(**options)

    def invitation(self, email: str) -> str:
        return self.service.ask("POST", f"/teams/{self.team}/invitations", json={"email": email, "role": "viewer"})["path"]

    def link(self, email: str) -> str:
        return self.service.ask("POST", "/people/links", json={"email": email})["path"]

    @contextmanager
    def broken(self) -> Iterator[None]:
        """The database answers no question about sessions."""
        with sqlite3.connect(self.service.file, isolation_level=None, timeout=20) as other:
            other.execute("ALTER TABLE sessions RENAME TO sessions_away")
            try:
                yield
            finally:
                other.execute("ALTER TABLE sessions_away RENAME TO sessions")

    def problems(self) -> list[str]:
        """What browsers have complained of since the last time."""
        told = [problem for person in self.people for problem in person.problems]
        for person in self.people:
            person.problems.clear()
        return told

    def close(self) -> None:
        for person in self.people:
            person.close()
