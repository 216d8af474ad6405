-- Tiers: limits and models that many keys share. They travel to the filters with the keys; a removed one keeps its row, so
-- that filters hear of its end.
CREATE TABLE tiers (
    name TEXT PRIMARY KEY,
    requests_per_minute INTEGER NOT NULL,
    requests_burst INTEGER,
    tokens_per_minute INTEGER NOT NULL,
    tokens_burst INTEGER,
    max_in_flight INTEGER,
    -- JSON: patterns.
    models TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    removed_at INTEGER,
    version INTEGER NOT NULL
);
CREATE INDEX tiers_version ON tiers (version);
