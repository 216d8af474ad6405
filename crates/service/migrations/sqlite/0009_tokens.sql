-- Tokens of the proxies (role `proxy`) stand here beside those of administrators. One that a service was started with is
-- marked as configured, so that the next one that is configured ends it.
ALTER TABLE admin_tokens ADD COLUMN configured INTEGER NOT NULL DEFAULT 0;
ALTER TABLE admin_tokens ADD COLUMN expires_at INTEGER;
ALTER TABLE admin_tokens ADD COLUMN last_used_at INTEGER;
-- Only the start of a service has made tokens in the name of the service.
UPDATE admin_tokens SET configured = 1
WHERE id IN (SELECT subject FROM audit WHERE action = 'token.create' AND actor = 'service');
