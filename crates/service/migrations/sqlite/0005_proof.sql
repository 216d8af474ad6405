-- When a write was last proved to work, in milliseconds; 0 before the first time.
ALTER TABLE meta ADD COLUMN proved_at INTEGER NOT NULL DEFAULT 0;
