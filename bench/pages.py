"""Measures whether the pages stay quick and small with very many keys and very much usage.

Two services run side by side: one with ten keys and ten events, one with as many as asked for. Each page is asked of one and of the
other in turns, and the ratio of the two medians is reported, of CPU and of time, with the first answer of the large one and its
size. A page must answer within twice the time, and send less than 200 KB.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness.postgres import Postgres  # noqa: E402
from stands import Stand  # noqa: E402

MOST_RATIO = 2.0
MOST_BYTES = 200_000
# A page that seems too slow is asked so many times as often before it counts as that: single ratios of a few milliseconds say
# little on a machine that does other work.
CLOSER = 4

SORTS = ("created", "name", "last_used", "expires")
STANDINGS = ("active", "suspended", "over_budget", "expired", "revoked")
LOOKS = ("revoked_in_use", "expires_soon", "unused", "no_budget", "never_expires")
GROUPINGS = ("model", "key", "owner", "tag", "endpoint", "decision")
OWNER, TAG, TIER = "owner=person7@example.com", "tag=batch", "tier=pro"


def keys() -> list[str]:
    """The list of keys in each order and with each filter, one key, and a new one."""
    searches = ["checkout", "person", "{name}", "nothing is called that", "{key}"]
    lists = [f"sort={sort}{way}" for sort in SORTS for way in ("", "&reverse=true")]
    lists += [f"status={status}" for status in STANDINGS]
    lists += [f"status={status}&sort=last_used" for status in STANDINGS]
    lists += [f"look={look}" for look in LOOKS]
    lists += [f"search={search}" for search in searches]
    lists += [f"search={search}&sort=name" for search in searches[:3]]
    lists += [OWNER, TAG, TIER, f"{OWNER}&{TAG}", f"{TIER}&{TAG}&status=active", f"{TIER}&sort=name", f"{OWNER}&sort=expires"]
    lists += ["after={last_by_created}", "sort=name&after={last_by_name}"]
    one = ["", "edit", "revoke", "rotate"]
    return [
        *(f"/users/api-keys/?team={{team}}&{asked}" for asked in lists),
        *(f"/users/api-keys/{{key}}/{what}" for what in one),
        "/users/api-keys/new?team={team}",
        "/users/api-keys/live?team={team}&ids={keys}",
    ]


def usage() -> list[str]:
    """Usage in each grouping and range, and what is read from there."""
    ranges = ("24h", "7d", "30d", "90d", "this-month", "last-month")
    return [
        *(f"/users/usage/?team={{team}}&by={by}&range={span}" for by in GROUPINGS for span in ranges),
        *(f"/users/usage/?team={{team}}&by=model&measure={measure}" for measure in ("requests", "tokens", "cost", "refusals")),
        "/users/usage/?team={team}&range=custom&from={from}",
        "/users/usage/?team={team}&key={key}&by=model&range=30d",
        *(f"/users/usage.csv?team={{team}}&by={by}&range=30d" for by in GROUPINGS),
        "/users/usage/live?team={team}",
        "/users/requests/?team={team}",
        "/users/requests/?team={team}&id={request}",
    ]


def teams() -> list[str]:
    """Limits, the team, and what administrators look after."""
    audits = ("", "&action=key.create", "&action=key.revoke", "&subject={key}", "&from={from}", "&actor=nobody@example.com")
    return [
        "/users/limits/?team={team}",
        "/users/team/?team={team}",
        "/users/team/credit?team={team}",
        "/users/team/policy?team={team}",
        *(f"/users/team/audit?team={{team}}{asked}" for asked in audits),
        "/users/account/",
        "/users/admin/teams/",
        "/users/admin/tiers/",
        "/users/admin/tiers/pro/edit",
        "/users/admin/tiers/pro/remove",
        "/users/admin/prices/",
        "/users/admin/tokens/",
        "/users/admin/proxies/",
    ]


def programs() -> list[str]:
    """What programs ask: of the management API, in OpenAI's shapes, and with a key of their own."""
    completions = "/v1/organization/usage/completions?start_time={week_ago}&project_ids={team}"
    costs = "/v1/organization/costs?start_time={month_ago}&limit=30"
    return [
        # Ten of them, as there are ten in the small service.
        "/admin/v1/keys?limit=10",
        *(f"/admin/v1/keys?team={{team}}&limit=10&sort={sort}" for sort in SORTS),
        "/admin/v1/keys?limit=10&search=checkout&status=active",
        f"/admin/v1/keys?limit=10&{TAG}&{TIER}",
        "/admin/v1/keys/{key}",
        "/admin/v1/teams",
        "/admin/v1/teams/{team}",
        "/admin/v1/teams/{team}/members",
        "/admin/v1/teams/{team}/ledger",
        "/admin/v1/tiers",
        "/admin/v1/audit?limit=10",
        "/admin/v1/audit?limit=10&team={team}&action=key.create",
        "/admin/v1/proxies",
        "/admin/v1/requests/{request}",
        "/admin/v1/usage?team={team}&by=model",
        "/admin/v1/usage?team={team}&by=day",
        "/admin/v1/usage?team={team}&key={key}&by=model",
        "/admin/v1/usage?team={team}&by=key&limit=10",
        completions,
        f"{completions}&group_by=model",
        costs,
        f"{costs}&group_by=project_id",
        f"{costs}&group_by=line_item",
        "/metrics",
        "/sync/v1/own/{key}/key",
        "/sync/v1/own/{key}/usage",
    ]


def reference(address: str) -> str:
    """What a page is compared with: itself, with ten keys. A filter would leave one or two of the ten, so that the pages would
    differ in their rows and not in what they were found among: a list is compared with the whole list of ten keys."""
    if address.startswith("/admin/v1/keys?"):
        return "/admin/v1/keys?limit=10"
    if not address.startswith("/users/api-keys/?"):
        return address
    sort = re.search("&sort=[a-z_]*", address)
    return "/users/api-keys/?team={team}" + (sort.group() if sort else "")


class Times(NamedTuple):
    """What a page takes, as medians in milliseconds: until the answer is there, and of CPU."""

    waited: float
    worked: float


def ask(small: Stand, large: Stand, few: str, many: str, turns: int) -> tuple[Times, Times]:
    """Asks the one and the other in turns."""
    found: dict[Stand, list[tuple[float, float]]] = {small: [], large: []}
    for turn in range(turns):
        order = ((small, few), (large, many))
        for stand, page in order if turn % 2 else order[::-1]:
            answer = stand.get(page)
            found[stand].append((answer.waited, answer.worked))
    medians = (Times(*(1000 * statistics.median(each) for each in zip(*found[stand], strict=True))) for stand in (small, large))
    return next(medians), next(medians)


def ratio(few: Times, many: Times) -> float:
    """What counts: of CPU, and of the time as well while nothing else wants the cores. On a busy machine whoever works longer
    than a time slice also waits for all others, and the time says how many they are."""
    worked, waited = many.worked / few.worked, many.waited / few.waited
    return max(worked, waited) if os.getloadavg()[0] < 1 else worked


def measure(small: Stand, large: Stand, addresses: list[str], turns: int) -> list[str]:
    """Prints a line for each page; gives what is too slow or too large."""
    wrong = []
    of_small, of_large = small.fill_in(), large.fill_in()
    print("CPU ratio, time ratio: CPU few → many, time few → many, first time of many, size, page")
    for name in addresses:
        few, many = reference(name).format(**of_small), name.format(**of_large)
        small.get(few)
        first = large.get(many)
        of_few, of_many = ask(small, large, few, many, turns)
        if ratio(of_few, of_many) > MOST_RATIO:
            of_few, of_many = ask(small, large, few, many, turns * CLOSER)
        times = ratio(of_few, of_many)
        shown = name.replace("team={team}&", "").replace("?team={team}", "")
        mark = "*" if times > MOST_RATIO or first.size > MOST_BYTES else " "
        print(
            f"{mark}{of_many.worked / of_few.worked:5.2f} {of_many.waited / of_few.waited:5.2f}: "
            f"{of_few.worked:5.2f} → {of_many.worked:5.2f} ms, {of_few.waited:5.1f} → {of_many.waited:5.1f} ms, "
            f"{1000 * first.waited:5.0f} ms, {first.size / 1000:5.1f} KB  {shown}",
            flush=True,
        )
        if times > MOST_RATIO:
            wrong.append(f"{shown}: {times:.2f} times as long")
        if first.size > MOST_BYTES:
            wrong.append(f"{shown}: {first.size:,} bytes")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=21, help="how often each page is asked of each service")
    parser.add_argument("--only", help="only pages whose address has this in it")
    parser.add_argument("--data", type=Path, help="a directory that keeps SQLite's filled files for the next run")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own; without it SQLite in new files")
    asked = parser.parse_args()
    if asked.postgres and asked.data:
        parser.error("--data keeps SQLite's files only")
    addresses = [*keys(), *usage(), *teams(), *programs()]
    addresses = [address for address in addresses if not asked.only or asked.only in address]
    server = Postgres() if asked.postgres else None
    few, many = (server.database("small"), server.database("large")) if server else (None, None)
    with tempfile.TemporaryDirectory(prefix="gmtech-pages.") as directory:
        directory = asked.data or Path(directory)
        stands = []
        try:
            stands.append(Stand(directory / "small", few, 10, 10, server))
            stands.append(Stand(directory / "large", many, asked.keys, asked.events, server))
            wrong = measure(*stands, addresses, asked.turns)
        finally:
            for stand in stands:
                stand.stop()
            if server:
                server.stop()
    if wrong:
        print("\n".join(["too slow or too large:", *wrong]), file=sys.stderr)
        sys.exit(1)
    print(f"each of {len(addresses)} pages within {MOST_RATIO:g} times and under {MOST_BYTES / 1000:.0f} KB")


if __name__ == "__main__":
    main()
