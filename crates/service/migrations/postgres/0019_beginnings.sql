-- What people search for is found by the beginning of a key's name, id or text, by bytes, whatever order the database's language has.
CREATE INDEX keys_team_begins ON keys (team_id, folded text_pattern_ops);
CREATE INDEX keys_team_id_begins ON keys (team_id, lower(id) text_pattern_ops);
CREATE INDEX keys_team_redacted_begins ON keys (team_id, lower(redacted) text_pattern_ops);
