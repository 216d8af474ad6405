-- The time that the service has lived through, in milliseconds since the Unix epoch; 0 before the first. Only what it
-- proves makes anything disappear: a wall clock can be wrong.
ALTER TABLE meta ADD COLUMN proven_at INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET proven_at = MAX(
    COALESCE((SELECT MAX(at) FROM audit), 0),
    COALESCE((SELECT MAX(seen_at) FROM proxies), 0),
    COALESCE((SELECT MAX(received_at) FROM events), 0));

-- Days that were closed before ids were kept: of an event of theirs nobody can tell whether it was counted, so that it
-- is taken for counted. A clock that was ahead may have closed days to come, of which this must not hold.
ALTER TABLE meta ADD COLUMN forgotten_before_day INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET
    forgotten_before_day = MIN(closed_before_day, CAST(strftime('%s', 'now') AS INTEGER) / 86400),
    closed_before_day = MIN(closed_before_day, CAST(strftime('%s', 'now') AS INTEGER) / 86400);

-- Rises while a service runs, so that an older copy of a file can be told from what it replaced.
ALTER TABLE meta ADD COLUMN beat INTEGER NOT NULL DEFAULT 0;

-- The ids of events that were counted and are gone, as ranges. Both halves of an id are big-endian numbers, less 2^63, so
-- that they fit a signed column in their order.
CREATE TABLE counted (
    prefix INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (prefix, first)
) WITHOUT ROWID;

-- What a restored backup does not have: changes that were made after it, until somebody has seen to them.
CREATE TABLE restored (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    team_id TEXT,
    amount INTEGER,
    found_at INTEGER NOT NULL
);
