-- Keys that deserve a look. Each of these lists, and each count, reads its own rows, whatever the number of keys.
CREATE INDEX keys_never_expires ON keys (team_id, created_at, id) WHERE status = 'active' AND expires_at IS NULL;
CREATE INDEX keys_no_budget ON keys (team_id, created_at, id) WHERE status = 'active' AND budgeted = 0;
CREATE INDEX keys_idle ON keys (team_id, COALESCE(last_used_at, created_at), id) WHERE status = 'active';
CREATE INDEX keys_expiring ON keys (team_id, expires_at, id) WHERE status = 'active' AND expires_at IS NOT NULL;
CREATE INDEX usage_daily_revoked ON usage_daily (team_id, day, key_id) WHERE decision = 'key_revoked';
