-- Tiers: limits and models that many keys share. They travel to the filters with the keys; a removed one keeps its row, so
-- that filters hear of its end.
CREATE TABLE tiers (
    name TEXT PRIMARY KEY,
    requests_per_minute BIGINT NOT NULL,
    requests_burst BIGINT,
    tokens_per_minute BIGINT NOT NULL,
    tokens_burst BIGINT,
    max_in_flight BIGINT,
    -- JSON: patterns.
    models TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    removed_at BIGINT,
    version BIGINT NOT NULL
);
CREATE INDEX tiers_version ON tiers (version);
