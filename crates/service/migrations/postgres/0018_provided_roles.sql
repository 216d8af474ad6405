-- What a provider's groups gave a person, so that a lost group takes away just that.
CREATE TABLE provided_roles (
    person_id TEXT NOT NULL REFERENCES people (id),
    team_id TEXT NOT NULL REFERENCES teams (id),
    role TEXT NOT NULL,
    -- The lower role that somebody had given by hand before; null for none.
    given_by_hand TEXT,
    PRIMARY KEY (person_id, team_id)
);
CREATE INDEX provided_roles_team ON provided_roles (team_id);
-- Whether the groups made the person an administrator.
ALTER TABLE people ADD COLUMN admin_provided BIGINT NOT NULL DEFAULT 0;
