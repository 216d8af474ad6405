-- Sums of a key by the day, whatever models, endpoints and decisions: lists of keys read one row for each day of a key.
CREATE TABLE usage_key_daily (
    team_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    -- Of these, those that were refused.
    refused BIGINT NOT NULL,
    total BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, key_id, day)
);
INSERT INTO usage_key_daily (team_id, key_id, day, requests, refused, total, cost, last_used_at)
    SELECT team_id, key_id, day,
        CAST(CASE WHEN SUM(requests / 1000000000) >= 3999999990 THEN 4000000000000000000 WHEN SUM(requests / 1000000000) <= -3999999990 THEN -4000000000000000000
            ELSE SUM(requests / 1000000000) * 1000000000 + SUM(requests % 1000000000) END AS BIGINT),
        CAST(CASE WHEN SUM(refused / 1000000000) >= 3999999990 THEN 4000000000000000000 WHEN SUM(refused / 1000000000) <= -3999999990 THEN -4000000000000000000
            ELSE SUM(refused / 1000000000) * 1000000000 + SUM(refused % 1000000000) END AS BIGINT),
        CAST(CASE WHEN SUM(total / 1000000000) >= 3999999990 THEN 4000000000000000000 WHEN SUM(total / 1000000000) <= -3999999990 THEN -4000000000000000000
            ELSE SUM(total / 1000000000) * 1000000000 + SUM(total % 1000000000) END AS BIGINT),
        CAST(CASE WHEN SUM(cost / 1000000000) >= 3999999990 THEN 4000000000000000000 WHEN SUM(cost / 1000000000) <= -3999999990 THEN -4000000000000000000
            ELSE SUM(cost / 1000000000) * 1000000000 + SUM(cost % 1000000000) END AS BIGINT),
        MAX(last_used_at)
    FROM (SELECT team_id, key_id, day, requests, CASE WHEN decision IN ('allowed', 'free', 'limits', 'own_account', 'preflight', 'incomplete', 'settled', 'found') THEN 0 ELSE requests END AS refused, total, cost, last_used_at FROM usage_daily) AS booked
    GROUP BY team_id, key_id, day;
