-- Alerts: what a team should know of, each once, and the addresses that they are posted to.

-- What the balance was right after the last top-up, and when that was: what alerts about credit are measured by.
ALTER TABLE teams ADD COLUMN pool BIGINT;
ALTER TABLE teams ADD COLUMN pool_since BIGINT;
UPDATE teams SET pool_since = last.at, pool = (SELECT CAST(SUM(amount) AS BIGINT) FROM ledger WHERE team_id = teams.id AND seq <= last.seq)
  FROM (SELECT team_id, MAX(seq) AS seq, MAX(at) AS at FROM ledger WHERE kind = 'top_up' GROUP BY team_id) AS last
 WHERE last.team_id = teams.id;

CREATE TABLE alerts (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The `webhook-id`: it follows from `about` and `step`, so that it is the same after a restored backup.
    id TEXT NOT NULL UNIQUE,
    -- What is watched, with its period, and how far it has come: each step once.
    about TEXT NOT NULL,
    step BIGINT NOT NULL,
    -- Whether `about` can come up for ever; others are dropped when they are old.
    lasting BIGINT NOT NULL DEFAULT 0,
    at BIGINT NOT NULL,
    -- Until when it is worth a line on a page.
    shown_until BIGINT NOT NULL,
    team_id TEXT NOT NULL REFERENCES teams (id),
    key_id TEXT,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    -- JSON: what is posted, byte for byte.
    payload TEXT NOT NULL,
    UNIQUE (about, step)
);
CREATE INDEX alerts_team ON alerts (team_id, seq);
CREATE INDEX alerts_at ON alerts (at) WHERE lasting = 0;

-- Who does not want to see the line of an alert any more.
CREATE TABLE alert_dismissals (
    alert_id TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id),
    PRIMARY KEY (person_id, alert_id)
);

CREATE TABLE alert_addresses (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    -- They sign what is posted, so that they are needed as they are.
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_until BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    disabled_at BIGINT,
    -- `person`, or `gone`: the receiver has answered 410.
    disabled_by TEXT,
    UNIQUE (team_id, url)
);

-- The outbox: each alert for each address.
CREATE TABLE alert_deliveries (
    alert_id TEXT NOT NULL,
    address_id TEXT NOT NULL REFERENCES alert_addresses (id),
    seq BIGINT NOT NULL,
    -- The key or team that it is about: what is about the same is delivered in order.
    topic TEXT NOT NULL,
    -- `waiting`, `delivered` or `failed`.
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    -- A service sends it until then, and no other one does.
    leased_until BIGINT NOT NULL DEFAULT 0,
    tried_at BIGINT,
    answered BIGINT,
    problem TEXT,
    PRIMARY KEY (alert_id, address_id)
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (next_at, seq) WHERE status = 'waiting';
CREATE INDEX alert_deliveries_order ON alert_deliveries (address_id, topic, seq) WHERE status = 'waiting';
CREATE INDEX alert_deliveries_address ON alert_deliveries (address_id, seq);
CREATE INDEX alert_deliveries_created ON alert_deliveries (created_at);
