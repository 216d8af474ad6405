-- Refusals come summed: one event stands for so many of them.
ALTER TABLE events ADD COLUMN requests BIGINT NOT NULL DEFAULT 1;
