CREATE INDEX audit_team ON audit (team_id, seq);
CREATE INDEX audit_subject ON audit (subject, seq);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX keys_over_budget ON keys (over_budget) WHERE over_budget = 1;
