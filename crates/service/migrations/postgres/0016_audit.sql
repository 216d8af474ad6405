-- The audit log is read by time, the latest first, with filters: each common one has an index in that order.
DROP INDEX audit_team;
DROP INDEX audit_subject;
CREATE INDEX audit_at ON audit (at, seq);
CREATE INDEX audit_team ON audit (team_id, at, seq);
CREATE INDEX audit_subject ON audit (subject, at, seq);
CREATE INDEX audit_actor ON audit (actor, at, seq);
CREATE INDEX audit_action ON audit (action, at, seq);
CREATE INDEX audit_team_actor ON audit (team_id, actor, at, seq);
CREATE INDEX audit_team_action ON audit (team_id, action, at, seq);
