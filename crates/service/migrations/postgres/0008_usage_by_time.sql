-- Single requests are found by their id, and told which group of endpoints they called.
ALTER TABLE events ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN endpoint_group TEXT NOT NULL DEFAULT '';
CREATE INDEX events_request ON events (request_id) WHERE request_id <> '';

-- What takes away from an object's usage takes it from where that was booked.
ALTER TABLE objects ADD COLUMN minute BIGINT;
ALTER TABLE objects ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';

-- Sums of days tell endpoints apart; what was summed before has none.
ALTER TABLE usage_daily ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE usage_daily DROP CONSTRAINT usage_daily_pkey;
ALTER TABLE usage_daily ADD PRIMARY KEY (day, team_id, key_id, model, endpoint, decision);

-- The same sums by the hour and by the minute since the Unix epoch, for a time.
CREATE TABLE usage_hourly (
    hour BIGINT NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
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
    PRIMARY KEY (hour, team_id, key_id, model, endpoint, decision)
);
CREATE INDEX usage_hourly_key ON usage_hourly (key_id, hour);

CREATE TABLE usage_minutely (
    minute BIGINT NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
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
    PRIMARY KEY (minute, team_id, key_id, model, endpoint, decision)
);

-- From which minute on these are complete: from the first on where nothing had been used before.
ALTER TABLE meta ADD COLUMN minutes_since BIGINT NOT NULL DEFAULT 0;
UPDATE meta SET minutes_since = CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) / 60 + 1 WHERE EXISTS (SELECT 1 FROM usage_daily);
