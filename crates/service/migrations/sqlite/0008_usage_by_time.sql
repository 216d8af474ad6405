-- Single requests are found by their id, and told which group of endpoints they called.
ALTER TABLE events ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN endpoint_group TEXT NOT NULL DEFAULT '';
CREATE INDEX events_request ON events (request_id) WHERE request_id <> '';

-- What takes away from an object's usage takes it from where that was booked.
ALTER TABLE objects ADD COLUMN minute INTEGER;
ALTER TABLE objects ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';

-- Sums of days tell endpoints apart; what was summed before has none.
CREATE TABLE usage_daily_by_endpoint (
    day INTEGER NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL DEFAULT '',
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
    PRIMARY KEY (day, team_id, key_id, model, endpoint, decision)
) WITHOUT ROWID;
INSERT INTO usage_daily_by_endpoint (day, team_id, key_id, model, decision, requests, input, cached_input, cache_write,
        audio_input, output, reasoning, audio_output, total, not_exact, cost, last_used_at)
    SELECT day, team_id, key_id, model, decision, requests, input, cached_input, cache_write, audio_input, output,
        reasoning, audio_output, total, not_exact, cost, last_used_at FROM usage_daily;
DROP TABLE usage_daily;
ALTER TABLE usage_daily_by_endpoint RENAME TO usage_daily;
CREATE INDEX usage_daily_key ON usage_daily (key_id, day);

-- The same sums by the hour and by the minute since the Unix epoch, for a time.
CREATE TABLE usage_hourly (
    hour INTEGER NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
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
    PRIMARY KEY (hour, team_id, key_id, model, endpoint, decision)
) WITHOUT ROWID;
CREATE INDEX usage_hourly_key ON usage_hourly (key_id, hour);

CREATE TABLE usage_minutely (
    minute INTEGER NOT NULL,
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
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
    PRIMARY KEY (minute, team_id, key_id, model, endpoint, decision)
) WITHOUT ROWID;

-- From which minute on these are complete: from the first on where nothing had been used before.
ALTER TABLE meta ADD COLUMN minutes_since INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET minutes_since = CAST(strftime('%s', 'now') AS INTEGER) / 60 + 1 WHERE EXISTS (SELECT 1 FROM usage_daily);
