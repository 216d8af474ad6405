-- Times are milliseconds since the Unix epoch, except keys.expires_at (seconds). Money is nano-dollars.

CREATE TABLE meta (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- Days before this one are closed: their raw events may be gone, so no event of theirs is taken any more.
    closed_before_day BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    prepaid BIGINT NOT NULL DEFAULT 0,
    balance BIGINT NOT NULL DEFAULT 0,
    exhausted BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL
);
CREATE INDEX teams_version ON teams (version);

CREATE TABLE members (
    team_id TEXT NOT NULL REFERENCES teams (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, email)
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    redacted TEXT NOT NULL,
    name TEXT NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (id),
    tier TEXT NOT NULL,
    status TEXT NOT NULL,
    models TEXT,
    limits TEXT NOT NULL,
    expires_at BIGINT,
    budget_day BIGINT,
    budget_month BIGINT,
    over_budget BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at BIGINT,
    rotated_to TEXT,
    version BIGINT NOT NULL
);
CREATE INDEX keys_version ON keys (version);
CREATE INDEX keys_team ON keys (team_id, id);

CREATE TABLE admin_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    role TEXT NOT NULL,
    team_id TEXT,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE audit (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    team_id TEXT,
    detail TEXT NOT NULL
);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    token TEXT NOT NULL,
    request BYTEA NOT NULL,
    result TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (actor, token)
);

CREATE TABLE proxies (
    id TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

CREATE TABLE events (
    id BYTEA PRIMARY KEY,
    day BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    decision TEXT NOT NULL,
    source TEXT NOT NULL,
    status BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cached_input BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    audio_input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_output BIGINT NOT NULL,
    total BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    priced_by TEXT NOT NULL
);
CREATE INDEX events_day ON events (day);

-- What every usage query reads: kept in the same transaction as the events, never rebuilt from them.
CREATE TABLE usage_daily (
    day BIGINT NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    decision TEXT NOT NULL,
    requests BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cached_input BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    audio_input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_output BIGINT NOT NULL,
    total BIGINT NOT NULL,
    not_exact BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (day, team_id, key_id, model, decision)
);
CREATE INDEX usage_daily_key ON usage_daily (key_id, day);

CREATE TABLE ledger (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (id),
    kind TEXT NOT NULL CHECK (kind IN ('top_up', 'charge', 'adjustment')),
    amount BIGINT NOT NULL,
    key_id TEXT,
    events BIGINT NOT NULL DEFAULT 0,
    actor TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    CHECK (kind <> 'charge' OR (amount < 0 AND key_id IS NOT NULL)),
    CHECK (kind <> 'top_up' OR amount > 0)
);
CREATE INDEX ledger_team ON ledger (team_id, seq);

-- A balance is the sum of the team's rows by construction: only a new row moves it, and rows stay.
CREATE FUNCTION ledger_moves_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE teams SET balance = balance + NEW.amount WHERE id = NEW.team_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_moves_balance AFTER INSERT ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_moves_balance();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the % is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
