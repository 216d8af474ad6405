-- Counts read an index and no key. What is compared with one value comes first: with fewer such columns, SQLite takes the index of
-- all active keys, and looks at each of them.
DROP INDEX keys_never_expires;
DROP INDEX keys_no_budget;
DROP INDEX keys_idle;
CREATE INDEX keys_never_expires ON keys (team_id, status, expires_at, created_at, id) WHERE status = 'active' AND expires_at IS NULL;
CREATE INDEX keys_no_budget ON keys (team_id, status, budgeted, created_at, id, expires_at) WHERE status = 'active' AND budgeted = 0;
CREATE INDEX keys_idle ON keys (team_id, COALESCE(last_used_at, created_at), id, created_at, expires_at, last_used_at, status) WHERE status = 'active';
CREATE INDEX keys_tier_status ON keys (tier, status);
