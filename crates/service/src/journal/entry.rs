//! What a journal says, and where a database stands to it.

use serde::{Deserialize, Serialize};

use crate::store::{Change, Place};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The place that was reached.
    #[serde(flatten)]
    pub place: Place,
    /// What was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The number that stands in the database's own file, without its write-ahead log, from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<i64>,
}

impl Entry {
    /// A change.
    pub(crate) fn change(place: Place, change: Change) -> Self {
        Self {
            place,
            change: Some(change),
            kept: None,
        }
    }

    /// A place, whatever led there.
    pub(crate) fn reached(place: Place, kept: Option<i64>) -> Self {
        Self {
            place,
            change: None,
            kept,
        }
    }

    /// Reads a line. Those of earlier versions are `epoch version`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        if let Ok(entry) = serde_json::from_str(line) {
            return Some(entry);
        }
        let (epoch, version) = line.trim().split_once(' ')?;
        let place = Place {
            epoch: epoch.parse().ok()?,
            version: version.parse().ok()?,
            seq: 0,
        };
        Some(Self::reached(place, None))
    }
}

/// Where a database stands to a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The journal knows nothing of this database.
    Unknown,
    /// The database has all that the journal has.
    Current,
    /// The database went back.
    Behind(Lost),
}

/// What a database that went back lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// Whether the journal goes back to where the database ends, so that these are all.
    pub all: bool,
}

/// Where a database at `place` stands to these entries.
///
/// In the order of the file, since a database that was restored once has two histories with the same numbers: what
/// follows on the last line that the database has is what it lacks.
pub(crate) fn standing(entries: &[Entry], place: &Place) -> Standing {
    let is_of = |e: &Entry| e.place.epoch == place.epoch;
    let has = |e: &Entry| is_of(e) && e.place.version <= place.version && e.place.seq <= place.seq;
    if !entries.iter().any(is_of) {
        return Standing::Unknown;
    }
    let from = entries.iter().rposition(has).map(|at| at + 1);
    let after = entries.get(from.unwrap_or(0)..).unwrap_or_default();
    if after.is_empty() {
        return Standing::Current;
    }
    Standing::Behind(Lost {
        changes: after.iter().filter_map(|e| e.change.clone()).collect(),
        all: from.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: u64, version: u64, seq: i64) -> Place {
        Place {
            epoch,
            version,
            seq,
        }
    }

    fn change(subject: &str) -> Change {
        Change {
            at: 1_795_435_200_000,
            actor: "tok_1".into(),
            action: "key.revoke".into(),
            subject: subject.into(),
            team: Some("acme".into()),
            amount: None,
        }
    }

    /// Epoch 7 up to its sixth entry; a restore at its second; epoch 8 from there.
    fn history() -> Vec<Entry> {
        vec![
            Entry::change(place(7, 10, 1), change("a")),
            Entry::reached(place(7, 10, 2), None),
            Entry::change(place(7, 11, 3), change("b")),
            Entry::change(place(7, 12, 4), change("c")),
            Entry::reached(place(7, 12, 6), Some(5)),
            Entry::reached(place(8, 11, 3), None),
            Entry::change(place(8, 12, 4), change("b again")),
        ]
    }

    #[test]
    fn what_follows_on_the_last_line_that_a_database_has_is_what_it_lacks() {
        let told = |at: Place| match standing(&history(), &at) {
            Standing::Behind(lost) => {
                let mut names: Vec<_> = lost.changes.into_iter().map(|c| c.subject).collect();
                if !lost.all {
                    names.insert(0, "?".into());
                }
                names.join(", ")
            }
            other => format!("{other:?}"),
        };
        for (at, expected) in [
            (place(9, 99, 99), "Unknown"),
            (place(8, 12, 4), "Current"),
            (place(8, 15, 9), "Current"),
            (place(8, 11, 3), "b again"),
            // The first backup once more: both histories after it are lost.
            (place(7, 10, 2), "b, c, b again"),
            // A backup of before the journal.
            (place(7, 3, 0), "?, a, b, c, b again"),
        ] {
            assert_eq!(told(at), expected, "{at:?}");
        }
        assert_eq!(standing(&[], &place(7, 1, 1)), Standing::Unknown);
    }

    #[test]
    fn a_line_reads_back_and_what_is_cut_is_none() {
        for entry in history() {
            let line = serde_json::to_string(&entry).unwrap();
            assert_eq!(Entry::parse(&line), Some(entry));
            for cut in 0..line.len() {
                assert_eq!(Entry::parse(line.get(..cut).unwrap()), None, "{cut}");
            }
        }
        assert_eq!(
            Entry::parse("7 40\n"),
            Some(Entry::reached(place(7, 40, 0), None)),
            "an earlier version's"
        );
    }
}
