-- What the provider keeps: who made it, and what is booked for it. Only a digest of the provider's id is here.
CREATE TABLE objects (
    digest BLOB PRIMARY KEY,
    key_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The batch whose answers a file holds.
    parent BLOB,
    -- What a batch over this file will do; null where the file was not judged for one.
    work_requests INTEGER,
    work_input INTEGER,
    work_output INTEGER,
    -- The day on which it is booked, and when it was first heard of.
    day INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Whether the request that made it has been told of; what it used may be heard of before.
    made INTEGER NOT NULL,
    settled_at INTEGER,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    total INTEGER NOT NULL,
    not_exact INTEGER NOT NULL,
    cost INTEGER NOT NULL
);
CREATE INDEX objects_age ON objects (created_at);
