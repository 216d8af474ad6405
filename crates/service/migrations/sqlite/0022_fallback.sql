-- What was charged by the fallback price because no price was known, by day and model.
CREATE TABLE fallback_daily (
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (day, model)
);
INSERT INTO fallback_daily (day, model, requests, cost)
    SELECT day, model, CAST(SUM(requests) AS INTEGER), CAST(SUM(cost) AS INTEGER) FROM events
    WHERE priced_by = 'fallback' GROUP BY day, model;
