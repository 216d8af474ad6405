"""The addresses of all pages, from the table that the service's own tests compare with its router."""

import re
from pathlib import Path
from urllib.parse import urlsplit

TABLE = Path(__file__).resolve().parents[2] / "crates/service/tests/pages/routes.txt"


def pages() -> list[str]:
    """Each route that shows a page, such as `/users/api-keys/{key}/edit`."""
    rows = [line.split() for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    routes = [urlsplit(row[1]).path for row in rows if row[0] == "PAGE"]
    # A key is a key, whoever owns it.
    return list(dict.fromkeys(route.replace("{own}", "{key}") for route in routes))


def route_of(url: str) -> str | None:
    """The route that an address belongs to; one without parameters goes before one with."""
    path = urlsplit(url).path
    for route in sorted(pages(), key=lambda route: route.count("{")):
        pattern = re.sub(r"\\{[^/]*\\}", "[^/]+", re.escape(route))
        if re.fullmatch(pattern, path):
            return route
    return None
