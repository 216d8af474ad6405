//! The paths of objects that the provider keeps.

use super::{Kind, ObjectId};

/// The collections of objects: their path after the version, and the kind of their objects.
const COLLECTIONS: &[(&[&str], Kind)] = &[
    (&["responses"], Kind::Response),
    (&["chat", "completions"], Kind::Completion),
    (&["chat", "deferred-completion"], Kind::Completion),
    (&["batches"], Kind::Batch),
    (&["messages", "batches"], Kind::Batch),
    (&["files"], Kind::File),
    (&["conversations"], Kind::Other),
    (&["uploads"], Kind::Other),
    (&["vector_stores"], Kind::Other),
    (&["fine_tuning", "jobs"], Kind::Other),
    (&["assistants"], Kind::Other),
    (&["threads"], Kind::Other),
    (&["containers"], Kind::Other),
    (&["evals"], Kind::Other),
    (&["videos"], Kind::Other),
    (&["skills"], Kind::Other),
];

/// Segments in the place of an id that are calls on the collection.
const CALLS: &[&str] = &["input_tokens", "compact", "runs", "validate", "sessions"];

/// The part of an object that a path shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The object, which is read, changed or cancelled. The answer names it.
    Itself,
    /// Its result, under another id (xAI's deferred completions).
    Outcome,
    /// A file's bytes, or a batch's answers: one JSON document a line.
    Lines,
    /// Something below the object.
    Part,
}

/// The object or collection that a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A call that may make an object of this kind.
    Makes(Kind),
    /// A call that makes a batch of the requests in its body (Anthropic).
    MakesBatch,
    /// All objects of a collection, of all makers.
    List(Kind),
    /// One object.
    Object {
        /// Which one.
        id: ObjectId,
        /// Its id as written in the path, decoded.
        text: String,
        /// What it is.
        kind: Kind,
        /// The part that is shown.
        view: View,
    },
}

impl Place {
    /// The kind of object that a call to this place may make.
    #[must_use]
    pub fn makes(&self) -> Option<Kind> {
        match self {
            Self::Makes(kind) => Some(*kind),
            Self::MakesBatch => Some(Kind::Batch),
            Self::List(_) | Self::Object { .. } => None,
        }
    }
}

/// Reads the path after the version. `lower` has its segments in lower case, for comparison; `written` has them as
/// sent, for the id, whose letter case matters.
#[must_use]
pub fn place(get: bool, post: bool, lower: &[&str], written: &[String]) -> Option<Place> {
    // The longest prefix wins: `messages/batches` is not a message.
    let (kind, at, rest) = COLLECTIONS
        .iter()
        .filter_map(|(prefix, kind)| Some((*kind, prefix.len(), lower.strip_prefix(*prefix)?)))
        .max_by_key(|(_, len, _)| *len)?;
    let deferred = lower.first() == Some(&"chat") && lower.get(1) == Some(&"deferred-completion");
    let (id, below) = match rest.split_first() {
        None if post && lower.first() == Some(&"messages") => return Some(Place::MakesBatch),
        None if post => return Some(Place::Makes(kind)),
        // `GET responses` opens a WebSocket.
        None if get && kind != Kind::Response => return Some(Place::List(kind)),
        None => return None,
        Some((word, _)) if CALLS.contains(word) => return post.then_some(Place::Makes(kind)),
        Some((_, below)) => (written.get(at)?, below),
    };
    let view = match (kind, below) {
        _ if deferred && below.is_empty() => View::Outcome,
        (_, []) | (_, ["cancel"]) => View::Itself,
        (Kind::File, ["content"]) | (Kind::Batch, ["results"]) => View::Lines,
        _ => View::Part,
    };
    Some(Place::Object {
        id: ObjectId::of(id.as_bytes()),
        text: id.clone(),
        kind,
        view,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, path: &str) -> Option<Place> {
        let written: Vec<String> = path.split('/').map(str::to_owned).collect();
        let lower: Vec<String> = written.iter().map(|s| s.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        place(method == "GET", method == "POST", &lower, &written)
    }

    fn object(text: &str, kind: Kind, view: View) -> Option<Place> {
        Some(Place::Object {
            id: ObjectId::of(text.as_bytes()),
            text: text.into(),
            kind,
            view,
        })
    }

    #[test]
    fn paths_name_objects_lists_and_calls_that_make_objects() {
        use Kind::{Batch, Completion, File, Other, Response};
        use View::{Itself, Lines, Outcome, Part};
        for (call, expected) in [
            ("POST responses", Some(Place::Makes(Response))),
            ("GET responses", None),
            ("POST responses/compact", Some(Place::Makes(Response))),
            ("GET responses/compact", None),
            ("GET responses/resp_A", object("resp_A", Response, Itself)),
            ("DELETE Responses/r", object("r", Response, Itself)),
            ("POST responses/r/cancel", object("r", Response, Itself)),
            ("GET responses/r/input_items", object("r", Response, Part)),
            ("POST chat/completions", Some(Place::Makes(Completion))),
            ("GET chat/completions", Some(Place::List(Completion))),
            ("GET chat/completions/c", object("c", Completion, Itself)),
            (
                "GET chat/completions/c/messages",
                object("c", Completion, Part),
            ),
            (
                "GET chat/deferred-completion/d",
                object("d", Completion, Outcome),
            ),
            ("POST batches", Some(Place::Makes(Batch))),
            ("GET batches", Some(Place::List(Batch))),
            ("POST batches/b/cancel", object("b", Batch, Itself)),
            ("POST messages", None),
            ("POST messages/batches", Some(Place::MakesBatch)),
            ("GET messages/batches/b/results", object("b", Batch, Lines)),
            ("GET files/f/content", object("f", File, Lines)),
            ("PUT files/f", object("f", File, Itself)),
            ("PUT files", None),
            ("POST threads/runs", Some(Place::Makes(Other))),
            ("GET threads/t/runs/r", object("t", Other, Part)),
            ("POST embeddings", None),
            ("GET models/responses", None),
        ] {
            let (method, path) = call.split_once(' ').unwrap();
            assert_eq!(read(method, path), expected, "{call}");
        }
    }
}
