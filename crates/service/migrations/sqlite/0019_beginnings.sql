-- What people search for is found by the beginning of a key's name, id or text.
CREATE INDEX keys_team_id_begins ON keys (team_id, lower(id));
CREATE INDEX keys_team_redacted_begins ON keys (team_id, lower(redacted));
