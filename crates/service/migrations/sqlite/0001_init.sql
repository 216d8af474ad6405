-- Times are milliseconds since the Unix epoch, except keys.expires_at (seconds). Money is nano-dollars.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Days before this one are closed: their raw events may be gone, so no event of theirs is taken any more.
    closed_before_day INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    prepaid INTEGER NOT NULL DEFAULT 0,
    balance INTEGER NOT NULL DEFAULT 0,
    exhausted INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL
);
CREATE INDEX teams_version ON teams (version);

CREATE TABLE members (
    team_id TEXT NOT NULL REFERENCES teams (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, email)
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    redacted TEXT NOT NULL,
    name TEXT NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (id),
    tier TEXT NOT NULL,
    status TEXT NOT NULL,
    models TEXT,
    limits TEXT NOT NULL,
    expires_at INTEGER,
    budget_day INTEGER,
    budget_month INTEGER,
    over_budget INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at INTEGER,
    rotated_to TEXT,
    version INTEGER NOT NULL
);
CREATE INDEX keys_version ON keys (version);
CREATE INDEX keys_team ON keys (team_id, id);

CREATE TABLE admin_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    team_id TEXT,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    team_id TEXT,
    detail TEXT NOT NULL
);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    token TEXT NOT NULL,
    request BLOB NOT NULL,
    result TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, token)
);

CREATE TABLE proxies (
    id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);

CREATE TABLE events (
    id BLOB PRIMARY KEY,
    day INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    decision TEXT NOT NULL,
    source TEXT NOT NULL,
    status INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    total INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    priced_by TEXT NOT NULL
);
CREATE INDEX events_day ON events (day);

-- What every usage query reads: kept in the same transaction as the events, never rebuilt from them.
CREATE TABLE usage_daily (
    day INTEGER NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    decision TEXT NOT NULL,
    requests INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    total INTEGER NOT NULL,
    not_exact INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (day, team_id, key_id, model, decision)
);
CREATE INDEX usage_daily_key ON usage_daily (key_id, day);

CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (id),
    kind TEXT NOT NULL CHECK (kind IN ('top_up', 'charge', 'adjustment')),
    amount INTEGER NOT NULL,
    key_id TEXT,
    events INTEGER NOT NULL DEFAULT 0,
    actor TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    CHECK (kind <> 'charge' OR (amount < 0 AND key_id IS NOT NULL)),
    CHECK (kind <> 'top_up' OR amount > 0)
);
CREATE INDEX ledger_team ON ledger (team_id, seq);

-- A balance is the sum of the team's rows by construction: only a new row moves it, and rows stay.
CREATE TRIGGER ledger_moves_balance AFTER INSERT ON ledger BEGIN
    UPDATE teams SET balance = balance + NEW.amount WHERE id = NEW.team_id;
END;
CREATE TRIGGER ledger_is_append_only_update BEFORE UPDATE ON ledger BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_is_append_only_delete BEFORE DELETE ON ledger BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
