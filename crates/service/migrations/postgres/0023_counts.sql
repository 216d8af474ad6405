-- Counts read an index and no key.
DROP INDEX keys_never_expires;
DROP INDEX keys_no_budget;
DROP INDEX keys_idle;
CREATE INDEX keys_never_expires ON keys (team_id, created_at, id) INCLUDE (expires_at) WHERE status = 'active' AND expires_at IS NULL;
CREATE INDEX keys_no_budget ON keys (team_id, created_at, id) INCLUDE (expires_at) WHERE status = 'active' AND budgeted = 0;
CREATE INDEX keys_idle ON keys (team_id, COALESCE(last_used_at, created_at), id) INCLUDE (created_at, expires_at) WHERE status = 'active';
CREATE INDEX keys_tier_status ON keys (tier, status);
