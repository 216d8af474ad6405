//! What is said once, on the page that follows a form.

use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::error::PageError;

/// The notices that wait, in a session's data.
const NOTICES: &str = "notices";

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NoticeKind {
    /// Something was done.
    Good,
    /// Something was not done, or needs a look.
    Bad,
}

/// What is said once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// What it is about.
    pub(crate) kind: NoticeKind,
    /// One sentence. It is kept in the session: no secret.
    pub(crate) text: String,
}

impl Notice {
    /// Something was done.
    pub(crate) fn good(text: impl Into<String>) -> Self {
        let kind = NoticeKind::Good;
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Something was not done, or needs a look.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        let kind = NoticeKind::Bad;
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Keeps the notice for the next page, and sends the visitor to `to`.
    ///
    /// # Errors
    /// Where the session cannot be read.
    pub(crate) async fn and_go(self, session: &Session, to: &str) -> Result<Response, PageError> {
        keep(session, self).await?;
        Ok(Redirect::to(to).into_response())
    }
}

/// Keeps a notice for the next page.
pub(super) async fn keep(session: &Session, notice: Notice) -> Result<(), PageError> {
    let mut waiting: Vec<Notice> = session.get(NOTICES).await?.unwrap_or_default();
    waiting.push(notice);
    Ok(session.insert(NOTICES, waiting).await?)
}

/// The notices that wait, which then wait no more.
pub(super) async fn take(session: &Session) -> Result<Vec<Notice>, PageError> {
    // A removal counts as a change, which would be written on each view.
    let waiting: Option<Vec<Notice>> = session.get(NOTICES).await?;
    if waiting.is_some() {
        session.remove::<Vec<Notice>>(NOTICES).await?;
    }
    Ok(waiting.unwrap_or_default())
}
