//! The decision on a request, before it becomes a response.

use crate::directive::BadDirective;
use crate::error::Failure;
use crate::job::{Job, Reply};

/// The decision on a request.
pub(crate) enum Verdict {
    Reply(Box<Job>, Reply),
    Failure(Failure),
    Redirect { status: u16, to: String },
    Drop,
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<BadDirective> for Verdict {
    fn from(bad: BadDirective) -> Self {
        Self::Failure(Failure::invalid(&bad.to_string(), Some("x-mock")))
    }
}
