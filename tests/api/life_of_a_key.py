"""A key's whole life, through the client that was generated from the description. The package is `client`."""

import os
from datetime import UTC, datetime, timedelta

from client import AuthenticatedClient
from client.api.audit import audit_audit
from client.api.keys import (
    keys_create,
    keys_list,
    keys_resume,
    keys_revoke,
    keys_rotate,
    keys_show,
    keys_suspend,
    keys_update,
)
from client.api.teams import teams_create, teams_credit, teams_show
from client.api.tokens import tokens_me
from client.api.usage import usage_query
from client.models import CreateKey, CreateTeam, Credit, Limits, Rotate, UpdateKey

client = AuthenticatedClient(
    base_url=os.environ["GMTECH_ADMIN_URL"], token=os.environ["GMTECH_ADMIN_TOKEN"], raise_on_unexpected_status=True
)


def done(answer, status: int = 200):
    """The parsed body of an answer that must have this status."""
    assert answer.status_code == status, (answer.status_code, answer.content)
    return answer.parsed


assert done(tokens_me.sync_detailed(client=client)).role == "admin"

team = done(teams_create.sync_detailed(client=client, body=CreateTeam(id="generated", name="Generated")), 201)
assert (team.id, team.balance_nano_usd) == ("generated", 0)
credit = Credit(amount_usd="25.00", note="an invoice")
for _ in range(2):
    answer = teams_credit.sync_detailed("generated", client=client, body=credit, idempotency_key="invoice-1")
    assert done(answer).balance_nano_usd == 25_000_000_000
assert done(teams_show.sync_detailed("generated", client=client)).prepaid

asked = CreateKey(
    team="generated",
    name="ci",
    models=["gpt-4o*"],
    limits=Limits(requests_per_minute=10),
    expires_at=(datetime.now(UTC) + timedelta(days=30)).isoformat(),
)
made = done(keys_create.sync_detailed(client=client, body=asked, idempotency_key="key-1"), 201)
assert made.key.startswith("gmtech_") and made.status == "active"
again = done(keys_create.sync_detailed(client=client, body=asked, idempotency_key="key-1"))
assert (again.id, again.key, again.replayed) == (made.id, None, True)

shown = done(keys_show.sync_detailed(made.id, client=client))
assert (shown.name, shown.models, shown.limits.requests_per_minute) == ("ci", ["gpt-4o*"], 10)
assert [key.id for key in done(keys_list.sync_detailed(client=client, team="generated")).data] == [made.id]

changed = done(keys_update.sync_detailed(made.id, client=client, body=UpdateKey(name="ci of the release")))
assert changed.name == "ci of the release"
assert done(keys_suspend.sync_detailed(made.id, client=client)).status == "suspended"
assert done(keys_resume.sync_detailed(made.id, client=client)).status == "active"
rotated = done(keys_rotate.sync_detailed(made.id, client=client, body=Rotate(overlap_seconds=60)), 201)
assert rotated.key != made.key and rotated.old.rotated_to == rotated.id
for key in (made.id, rotated.id):
    assert done(keys_revoke.sync_detailed(key, client=client)).status == "revoked"

assert done(usage_query.sync_detailed(client=client, team="generated")).data == []
actions = [entry.action for entry in done(audit_audit.sync_detailed(client=client, team="generated")).data]
assert actions.count("key.revoke") == 2 and actions[-1] == "team.create", actions
