//! Sessions of browsers, kept in the store through `tower-sessions`.
//!
//! A browser holds 128 random bits in a cookie; the store knows their SHA-256. A session ends when it was idle for too long,
//! when its life is over, at sign-out, and when the person's other sessions are ended. A page view writes nothing: the last
//! use is kept in memory and written by housekeeping.
//!
//! # Failure policy
//! A session that was ended while a request used it is not brought back by that request. Where the store does not answer,
//! nobody is signed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::{Duration as Age, OffsetDateTime};
use tower_sessions::session::{self, Id, Record};
use tower_sessions::session_store::{self, Error};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

use crate::clock::Millis;
use crate::provider::Pending;
use crate::secret::{self, TokenDigest};
use crate::service::Service;
use crate::store::{Person, StoreError, StoredSession};

/// Who has signed in, in a session's data.
const WHO: &str = "who";

/// What every form must send back, in a session's data.
pub(crate) const CSRF: &str = "csrf";

/// Sign-ins with a provider that have been begun, in a session's data.
const PENDING: &str = "pending";

/// How many of them a session remembers: one for each tab, within reason.
const MOST_PENDING: usize = 4;

/// How long a session lives in which nobody has signed in: long enough to come back from a provider.
const ANONYMOUS: Duration = Duration::from_secs(15 * 60);

/// Who has signed in, as a session remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Who {
    /// The person's id.
    pub(crate) person: String,
    /// The person's generation then.
    pub(crate) generation: i64,
    /// When, in milliseconds.
    pub(crate) at: i64,
    /// Whether a proxy in front of the pages has said so: the session counts only while the proxy goes on to say it.
    #[serde(default)]
    pub(crate) by_header: bool,
}

impl Service {
    /// Writes when sessions were last used, and drops those that have ended by `proven`, the proven time.
    pub(crate) async fn keep_sessions(&self, proven: Millis) -> Result<(), StoreError> {
        let seen = self.seen.take();
        if !seen.is_empty()
            && let Err(error) = self.store.note_sessions_seen(&seen).await
        {
            for (digest, at) in seen {
                self.seen.note(digest, at);
            }
            return Err(error);
        }
        let idle = i64::try_from(self.seen.idle.as_millis()).unwrap_or(i64::MAX);
        self.store
            .forget_sessions(Millis(proven.0.saturating_sub(idle)), proven)
            .await
    }
}

/// The layer that gives each request its [`Session`].
pub(crate) fn layer(service: &Arc<Service>) -> SessionManagerLayer<Kept> {
    let https = service.people.is_https();
    let age = Age::try_from(service.seen.life).unwrap_or(Age::WEEK);
    SessionManagerLayer::new(Kept(service.clone()))
        // The prefix makes browsers refuse a cookie that another host of the domain has set.
        .with_name(if https {
            "__Host-gmtech_session"
        } else {
            "gmtech_session"
        })
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(age))
}

/// Makes the session one of `person`: under a new id, with nothing of what it held before.
pub(crate) async fn begin(
    session: &Session,
    person: &Person,
    by_header: bool,
    now: Millis,
) -> Result<(), session::Error> {
    session.clear().await;
    session.cycle_id().await?;
    let who = Who {
        person: person.id.clone(),
        generation: person.generation,
        at: now.0,
        by_header,
    };
    let csrf = secret::random::<16>()
        .map_err(|error| session::Error::Store(Error::Backend(error.to_string())))?;
    session.insert(WHO, who).await?;
    session.insert(CSRF, hex::encode(csrf)).await
}

/// Who has signed in.
pub(crate) async fn who(session: &Session) -> Result<Option<Who>, session::Error> {
    session.get(WHO).await
}

/// Keeps a sign-in that was begun, until the browser comes back. The oldest of too many is forgotten.
pub(crate) async fn keep_pending(session: &Session, begun: Pending) -> Result<(), session::Error> {
    let mut all: Vec<Pending> = session.get(PENDING).await?.unwrap_or_default();
    all.push(begun);
    let surplus = all.len().saturating_sub(MOST_PENDING);
    all.drain(..surplus);
    session.insert(PENDING, all).await
}

/// The sign-in that was begun in this browser with this state. It is taken out, so that an answer counts once.
pub(crate) async fn take_pending(
    session: &Session,
    state: &str,
) -> Result<Option<Pending>, session::Error> {
    let mut all: Vec<Pending> = session.get(PENDING).await?.unwrap_or_default();
    let is_this = |begun: &Pending| secret::digest(&begun.state) == secret::digest(state);
    let Some(at) = all.iter().position(is_this) else {
        return Ok(None);
    };
    let begun = all.remove(at);
    session.insert(PENDING, all).await?;
    // Stored before the answer is looked at: another request with the same one finds nothing.
    session.save().await?;
    Ok(Some(begun))
}

/// The store of `tower-sessions`, over the service's own.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Service>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[async_trait]
impl SessionStore for Kept {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let now = Millis::now();
        let mut session = stored(record)?;
        let life = match session.person {
            Some(_) => self.0.seen.life,
            None => ANONYMOUS,
        };
        session.seen_at = now;
        session.expires_at = now.after(life);
        let made = self.0.store.create_session(&session, now).await;
        made.map_err(|error| backend(&error))
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let saved = self.0.store.save_session(&stored(record)?).await;
        saved.map_err(|error| backend(&error))
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let now = Millis::now();
        let digest = digest(id);
        let found = self.0.store.session(&digest).await;
        let found = found.map_err(|error| backend(&error))?;
        let Some(session) = found.filter(|found| self.0.seen.is_open(found, now)) else {
            return Ok(None);
        };
        self.0.seen.note(digest, now);
        let data = serde_json::from_str(&session.data).map_err(|e| Error::Decode(e.to_string()))?;
        let ends = OffsetDateTime::from_unix_timestamp(session.expires_at.0 / 1_000);
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: ends.map_err(|e| Error::Decode(e.to_string()))?,
        }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        let ended = self.0.store.end_session(&digest(id)).await;
        ended.map_err(|error| backend(&error))
    }
}

fn digest(id: &Id) -> TokenDigest {
    secret::digest(&id.to_string())
}

/// What is stored of a record; when it ends is decided at its creation.
fn stored(record: &Record) -> session_store::Result<StoredSession> {
    let who = record.data.get(WHO).cloned();
    let who: Option<Who> = who.and_then(|who| serde_json::from_value(who).ok());
    Ok(StoredSession {
        digest: digest(&record.id),
        person: who.map(|who| who.person),
        data: serde_json::to_string(&record.data).map_err(|e| Error::Encode(e.to_string()))?,
        seen_at: Millis(0),
        expires_at: Millis(0),
    })
}

fn backend(error: &StoreError) -> Error {
    tracing::error!(cause = %error, "a session could not be read or written");
    Error::Backend("the database does not answer".into())
}
