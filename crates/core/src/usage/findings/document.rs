//! One JSON document: an event's data, a body, or a line of one.

use super::super::report::Report;
use super::super::unread::Strings;

/// What `choices` at the top level of a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Choices {
    /// Absent or null.
    #[default]
    None,
    /// An array without an item.
    Empty,
    /// Anything else.
    Other,
}

/// Whether an event is the injected usage event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::usage) enum Verdict {
    /// It has a report and nothing of an answer, so far.
    UsageOnly,
    /// It may still become it.
    Open,
    /// It cannot become it.
    Content,
}

/// What was found in a document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Document {
    /// Whether a value was begun.
    pub(super) begun: bool,
    pub(super) report: Report,
    /// Whether the top level has a `usage` that is an object.
    pub(super) usage: bool,
    pub(super) choices: Choices,
    /// Whether it holds a part of an answer, or an error, other than `choices`.
    pub(super) content: bool,
    pub(super) generated: bool,
    /// Whether its text is base64.
    pub(super) blob: bool,
    /// Whether any part of the shape is one that is known here, so that what is generated is seen.
    pub(super) known: bool,
    /// Strings at known places, under names that are new.
    pub(super) loose: Strings,
    /// Strings at no known place.
    pub(super) unknown: Strings,
    pub(super) error: bool,
    pub(super) last: bool,
}

impl Document {
    /// Whether it is the event to drop.
    pub(super) fn verdict(&self) -> Verdict {
        if self.content || self.generated || self.choices == Choices::Other {
            Verdict::Content
        } else if self.usage {
            Verdict::UsageOnly
        } else {
            Verdict::Open
        }
    }
}

/// The documents of the event under way that have ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event {
    pub(super) documents: u64,
    pub(super) usage_only: bool,
}
