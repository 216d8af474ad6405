-- What a proxy tells of itself with its polls: its filter's version, how many keys it holds, and the fingerprints of the
-- tiers of its configuration as JSON. Null where the filter does not tell.
ALTER TABLE proxies ADD COLUMN filter TEXT;
ALTER TABLE proxies ADD COLUMN held INTEGER;
ALTER TABLE proxies ADD COLUMN tiers TEXT;
