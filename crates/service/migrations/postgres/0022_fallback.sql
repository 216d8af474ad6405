-- What was charged by the fallback price because no price was known, by day and model.
CREATE TABLE fallback_daily (
    day BIGINT NOT NULL,
    model TEXT NOT NULL,
    requests BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    PRIMARY KEY (day, model)
);
INSERT INTO fallback_daily (day, model, requests, cost)
    SELECT day, model, CAST(SUM(requests) AS BIGINT), CAST(SUM(cost) AS BIGINT) FROM events
    WHERE priced_by = 'fallback' GROUP BY day, model;
