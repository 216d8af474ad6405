-- Keys: their lineage, owners, marks and budgets; teams: policies and their end; indexes for every list.

-- The first key of the chain that rotation continues: budgets, limits and spend belong to the chain.
ALTER TABLE keys ADD COLUMN lineage TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN rotated_from TEXT;
-- A member's address.
ALTER TABLE keys ADD COLUMN owner TEXT;
-- JSON: texts by name, and a list of words (which key_tags repeats for lists).
ALTER TABLE keys ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE keys ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
-- JSON: networks, endpoint groups; null is all.
ALTER TABLE keys ADD COLUMN addresses TEXT;
ALTER TABLE keys ADD COLUMN endpoints TEXT;
-- JSON: all that it may spend; and whether there is anything to judge.
ALTER TABLE keys ADD COLUMN budgets TEXT NOT NULL DEFAULT '{}';
ALTER TABLE keys ADD COLUMN budgeted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN over_soft_budget INTEGER NOT NULL DEFAULT 0;
-- JSON: the patterns of models whose budget is spent.
ALTER TABLE keys ADD COLUMN spent_models TEXT;
-- The role of who suspended it: what an administrator suspended, a team's own does not resume.
ALTER TABLE keys ADD COLUMN suspended_by TEXT;
-- The name in small letters, for search and order.
ALTER TABLE keys ADD COLUMN folded TEXT NOT NULL DEFAULT '';

UPDATE keys SET lineage = id, folded = lower(name), budgeted = CASE WHEN budget_day IS NULL AND budget_month IS NULL THEN 0 ELSE 1 END,
    budgets = CASE
        WHEN budget_day IS NULL AND budget_month IS NULL THEN '{}'
        WHEN budget_month IS NULL THEN '{"day_nano_usd":' || budget_day || '}'
        WHEN budget_day IS NULL THEN '{"month_nano_usd":' || budget_month || '}'
        ELSE '{"day_nano_usd":' || budget_day || ',"month_nano_usd":' || budget_month || '}'
    END;
UPDATE keys SET rotated_from = (SELECT was.id FROM keys AS was WHERE was.rotated_to = keys.id);
-- Chains of rotations that were made before there were lineages.
WITH RECURSIVE chain (id, root) AS (
    SELECT id, id FROM keys WHERE rotated_from IS NULL
    UNION ALL
    SELECT keys.id, chain.root FROM keys JOIN chain ON keys.rotated_from = chain.id
)
UPDATE keys SET lineage = chain.root FROM chain WHERE keys.id = chain.id AND chain.root <> chain.id;
-- Who suspended is in the audit log; where the token is not known, it counts as an administrator's.
UPDATE keys SET suspended_by = COALESCE((
    SELECT admin_tokens.role FROM audit JOIN admin_tokens ON admin_tokens.id = audit.actor
     WHERE audit.subject = keys.id AND audit.action = 'key.suspend' ORDER BY audit.seq DESC LIMIT 1), 'admin')
 WHERE status = 'suspended';
-- The keys of a chain get the budgets, limits and models of its last one, and every proxy learns of the chain.
UPDATE keys SET tier = last.tier, models = last.models, limits = last.limits, budgets = last.budgets, budgeted = last.budgeted
  FROM keys AS last WHERE last.lineage = keys.lineage AND last.rotated_to IS NULL AND keys.status <> 'revoked' AND last.id <> keys.id;
UPDATE keys SET version = version + (SELECT version FROM meta) WHERE lineage <> id OR rotated_to IS NOT NULL;
UPDATE meta SET version = (SELECT MAX(version) FROM (SELECT version FROM keys UNION ALL SELECT version FROM meta) AS every);

ALTER TABLE keys DROP COLUMN budget_day;
ALTER TABLE keys DROP COLUMN budget_month;

CREATE TABLE key_tags (
    key_id TEXT NOT NULL REFERENCES keys (id),
    tag TEXT NOT NULL,
    -- Of the key, for lists.
    team_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, tag)
);
CREATE INDEX key_tags_tag ON key_tags (tag, created_at, key_id);
CREATE INDEX key_tags_team ON key_tags (team_id, tag, created_at, key_id);

-- One index for each list, in its order: a page reads its own rows and no others.
DROP INDEX keys_team;
DROP INDEX keys_over_budget;
CREATE INDEX keys_lineage ON keys (lineage);
CREATE INDEX keys_created ON keys (created_at, id);
CREATE INDEX keys_team_created ON keys (team_id, created_at, id);
CREATE INDEX keys_status_created ON keys (status, created_at, id);
CREATE INDEX keys_team_status_created ON keys (team_id, status, created_at, id);
CREATE INDEX keys_tier_created ON keys (tier, created_at, id);
CREATE INDEX keys_owner_created ON keys (owner, created_at, id) WHERE owner IS NOT NULL;
CREATE INDEX keys_over_budget_created ON keys (created_at, id) WHERE over_budget = 1;
CREATE INDEX keys_spent ON keys (id) WHERE over_budget = 1 OR over_soft_budget = 1 OR spent_models IS NOT NULL;
CREATE INDEX keys_name ON keys (folded, id);
CREATE INDEX keys_team_name ON keys (team_id, folded, id);
CREATE INDEX keys_used ON keys (COALESCE(last_used_at, 0), id);
CREATE INDEX keys_team_used ON keys (team_id, COALESCE(last_used_at, 0), id);
CREATE INDEX keys_expires ON keys (COALESCE(expires_at, 9223372036854775807), id);
CREATE INDEX keys_team_expires ON keys (team_id, COALESCE(expires_at, 9223372036854775807), id);

-- What an administrator lets the team's own do; JSON, null is the default.
ALTER TABLE teams ADD COLUMN policy TEXT;
-- From when on nothing is done with it any more.
ALTER TABLE teams ADD COLUMN closed_at INTEGER;
