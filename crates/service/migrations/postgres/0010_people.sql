-- People who sign in. An address is in lower case. Links, sessions and invitations are known by digests only.
CREATE TABLE people (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- A PHC string; null for who signs in by a provider or by links only.
    password TEXT,
    admin BIGINT NOT NULL DEFAULT 0,
    -- Counted up to end all sessions of the person.
    generation BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT
);

-- Who a person is at a provider.
CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_person ON identities (person_id);

CREATE TABLE sessions (
    digest BYTEA PRIMARY KEY,
    person_id TEXT REFERENCES people (id),
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);
CREATE INDEX sessions_seen ON sessions (seen_at);

-- Links that sign one person in, once. Without an address: the first administrator's.
CREATE TABLE sign_in_links (
    digest BYTEA PRIMARY KEY,
    email TEXT,
    admin BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    team_id TEXT NOT NULL REFERENCES teams (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX invitations_team ON invitations (team_id, created_at);

-- Whoever only used a team's keys made keys of his own, too.
UPDATE members SET role = 'developer' WHERE role = 'member';
CREATE INDEX members_email ON members (LOWER(email));
