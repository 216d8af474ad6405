//! Where in a JSON document a mistake stands: from a line and column to the names that lead there.
//!
//! A reader that tracks its path while it reads, as the crates for it do, makes the filter a quarter larger for
//! something that is needed once, in an error. So the path is found afterwards.

/// One step on the way down.
enum Step {
    /// Into an object: the name read last, and whether the next string is one.
    Object {
        name: Option<String>,
        expects_name: bool,
    },
    /// Into a list, at this index.
    List(usize),
}

/// The path to the mistake that serde_json found; `.` for the document itself.
pub(super) fn path_of(mistake: &serde_json::Error, json: &[u8]) -> String {
    let read = upto(json, mistake.line(), mistake.column());
    // What is missing is found at the end of its object; any other mistake that is found there stands in the
    // last member.
    match read {
        [before @ .., b']' | b'}'] if !mistake.to_string().starts_with("missing field") => {
            path_at(before)
        }
        _ => path_at(read),
    }
}

/// What has been read at `column` of `line`, both counted from 1.
fn upto(json: &[u8], line: usize, column: usize) -> &[u8] {
    let lines = json
        .split_inclusive(|b| *b == b'\n')
        .take(line.saturating_sub(1));
    let start = lines.map(<[u8]>::len).sum::<usize>();
    json.get(..start.saturating_add(column)).unwrap_or(json)
}

/// The path to what stands at the end of `read`.
fn path_at(read: &[u8]) -> String {
    let mut way: Vec<Step> = Vec::new();
    let mut bytes = read.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' => way.push(Step::Object {
                name: None,
                expects_name: true,
            }),
            b'[' => way.push(Step::List(0)),
            b'}' | b']' => {
                way.pop();
            }
            b':' => {
                if let Some(Step::Object { expects_name, .. }) = way.last_mut() {
                    *expects_name = false;
                }
            }
            b',' => match way.last_mut() {
                Some(Step::Object { expects_name, .. }) => *expects_name = true,
                Some(Step::List(index)) => *index = index.saturating_add(1),
                None => {}
            },
            b'"' => {
                let text = string(&mut bytes);
                if let Some(Step::Object {
                    name,
                    expects_name: true,
                }) = way.last_mut()
                {
                    *name = Some(text);
                }
            }
            _ => {}
        }
    }
    written(&way)
}

/// The rest of a string, its escapes left as they are.
fn string(bytes: &mut impl Iterator<Item = u8>) -> String {
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => {
                text.push(byte);
                text.extend(bytes.next());
            }
            _ => text.push(byte),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn written(way: &[Step]) -> String {
    let mut path = String::new();
    for step in way {
        match step {
            Step::Object {
                name: Some(name), ..
            } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Object { name: None, .. } => {}
            Step::List(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if path.is_empty() { ".".into() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_leads_to_what_was_read_last() {
        let json = "{\"a\": 1,\n \"b\": {\"c\\\"}\": [true, {\"d\": null}]},\n \"e\": 2}";
        for (line, column, path) in [
            (1, 0, "."),
            (1, 1, "."),
            (1, 4, "a"),
            (1, 7, "a"),
            (2, 4, "b"),
            (2, 17, "b.c\\\"}[0]"),
            (2, 30, "b.c\\\"}[1].d"),
            (2, 35, "b"),
            (3, 5, "e"),
            (3, 99, "."),
            (9, 9, "."),
        ] {
            assert_eq!(
                path_at(upto(json.as_bytes(), line, column)),
                path,
                "{line}:{column}"
            );
        }
        assert_eq!(path_at(b"\"\\"), ".");
    }
}
