-- What the provider keeps: who made it, and what is booked for it. Only a digest of the provider's id is here.
CREATE TABLE objects (
    digest BYTEA PRIMARY KEY,
    key_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The batch whose answers a file holds.
    parent BYTEA,
    -- What a batch over this file will do; null where the file was not judged for one.
    work_requests BIGINT,
    work_input BIGINT,
    work_output BIGINT,
    -- The day on which it is booked, and when it was first heard of.
    day BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Whether the request that made it has been told of; what it used may be heard of before.
    made BIGINT NOT NULL,
    settled_at BIGINT,
    input BIGINT NOT NULL,
    cached_input BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    audio_input BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_output BIGINT NOT NULL,
    total BIGINT NOT NULL,
    not_exact BIGINT NOT NULL,
    cost BIGINT NOT NULL
);
CREATE INDEX objects_age ON objects (created_at);
