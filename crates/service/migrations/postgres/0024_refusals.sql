-- The refusals of some keys in the last hour, and no other usage.
CREATE INDEX usage_minutely_refused ON usage_minutely (key_id, minute) WHERE decision <> 'allowed';
