//! Where everything lives: keys, teams, tokens, the audit log, usage and money.
//!
//! The traits say what a store does; [`sql::SqlStore`] does it on SQLite and on PostgreSQL. One test suite
//! (`tests/store.rs`) is run against both.
//!
//! # Laws that every store keeps
//! - A change of a key or of a credit state, its version and its audit entry are one transaction. Versions are
//!   seen in the order they were given: who has read version `n` never later finds a change at or below `n`.
//! - A balance is the sum of the team's ledger rows; ledger and audit rows are never changed or removed.
//! - A usage event is counted once, however often and however late it is sent. A closed day's sums do not change.
//! - No sum passes what its column holds: it stays at the largest.
//! - No secret comes in: a key or token is its digest here.
//!
//! # Failure policy
//! A store that cannot answer says [`StoreError::Unavailable`], and nothing of the change has happened; one that lost
//! the answer to its last word says [`StoreError::Unconfirmed`]. Every future of a store can be dropped at any moment:
//! the change has then happened whole or not at all, and the store works on.

pub mod failure;
pub mod sql;
mod types;

use async_trait::async_trait;
use gmtech_core::ident::{KeyId, TeamId};
use gmtech_core::key::KeyDigest;
use gmtech_core::objects::{Object, ObjectId};
use gmtech_core::record::Status;
use gmtech_core::sync::{KeyEntry, TeamEntry};

use crate::clock::Millis;
use crate::journal::{Change, Place};
use crate::secret::TokenDigest;
pub use failure::{Failure, FailureKind};
pub use types::*;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing; says what kind.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It contradicts what is there; says how, for the caller to read.
    #[error("{0}")]
    Conflict(String),
    /// The actor may not go that far.
    #[error("{0}")]
    Refused(#[from] crate::policy::Refusal),
    /// No page gave this cursor.
    #[error("no page gave this cursor")]
    BadCursor,
    /// The database failed, and nothing was changed.
    #[error("{0}")]
    Unavailable(#[from] Failure),
    /// The database did not say what became of a change: it may have happened.
    #[error("a change was not confirmed: {0}")]
    Unconfirmed(Failure),
    /// The database holds what this program did not write.
    #[error("the database holds a malformed {0}")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// What a store method gives.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Keys, and the record of who changed them.
#[async_trait]
pub trait KeyStore {
    /// Stores a new key. With an idempotency token that this actor has used for the same request before, gives
    /// what that call made, and `replayed`.
    async fn create_key(&self, new: NewKey, once: Option<Once>, by: &By) -> Result<Created>;
    /// Stores several new keys, or none of them.
    async fn create_keys(
        &self,
        new: Vec<NewKey>,
        once: Option<Once>,
        by: &By,
    ) -> Result<CreatedKeys>;
    /// One key.
    async fn key(&self, id: &KeyId) -> Result<KeyInfo>;
    /// Keys in the order of the filter. A page may have fewer than its limit, even none, where the filter passes few of the
    /// keys that were looked at; the list ends where there is no next page.
    async fn keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<KeyInfo>>;
    /// Changes what the patch names. What a key may use and spend changes for its whole chain of rotations.
    async fn update_key(&self, id: &KeyId, patch: KeyPatch, by: &By) -> Result<KeyInfo>;
    /// Suspends, resumes or revokes. A revoked key stays revoked; a change to the status it has is no change.
    async fn set_status(&self, id: &KeyId, status: Status, by: &By) -> Result<KeyInfo>;
    /// Continues a key with another one of the same account and status; the old one ends after the overlap unless it ends
    /// sooner by itself.
    async fn rotate_key(&self, id: &KeyId, how: Rotation, by: &By) -> Result<Rotated>;
    /// The audit log, the newest first.
    async fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>>;
}

/// Teams and their members.
#[async_trait]
pub trait TeamStore {
    /// Stores a new team.
    async fn create_team(&self, new: NewTeam, by: &By) -> Result<CreatedTeam>;
    /// One team.
    async fn team(&self, id: &TeamId) -> Result<Team>;
    /// Teams by id; only `only` if given.
    async fn teams(&self, only: Option<&TeamId>, page: &PageRequest) -> Result<Page<Team>>;
    /// Changes what the patch names.
    async fn update_team(&self, id: &TeamId, patch: TeamPatch, by: &By) -> Result<Team>;
    /// Ends a team: its keys are revoked, and nothing is done with it any more. What it has used and paid stays.
    async fn close_team(&self, id: &TeamId, by: &By) -> Result<Team>;
    /// The members of a team by address.
    async fn members(&self, team: &TeamId) -> Result<Vec<Member>>;
    /// Adds a member or changes its role.
    async fn put_member(&self, team: &TeamId, member: NewMember, by: &By) -> Result<Member>;
    /// Removes a member.
    async fn remove_member(&self, team: &TeamId, email: &str, by: &By) -> Result<()>;
}

/// The bearer tokens of the service itself: of administrators and of proxies.
#[async_trait]
pub trait TokenStore {
    /// Stores a new token; one whose digest is there already is left as it is. At most two tokens of proxies are valid
    /// at a time: a third is a conflict.
    async fn create_token(&self, new: NewAdminToken, by: &By) -> Result<AdminToken>;
    /// Stores a new token. With an idempotency token that this actor has used for the same request before, gives what that
    /// call made, and `true`.
    async fn create_token_once(
        &self,
        new: NewAdminToken,
        once: Option<Once>,
        by: &By,
    ) -> Result<(AdminToken, bool)>;
    /// Takes the token that the service is started with, and ends those that it replaces. An administrator's replaces
    /// every earlier configured one at once. A proxies' token leaves the one before valid for `overlap_ms`, and ends
    /// older ones. A token that has ended stays so, and then replaces nothing.
    async fn configure_token(
        &self,
        new: NewAdminToken,
        overlap_ms: i64,
        by: &By,
    ) -> Result<Configured>;
    /// The token with this digest, also one that has ended.
    async fn token(&self, digest: &TokenDigest) -> Result<Option<AdminToken>>;
    /// All tokens, also those that have ended, in the order in which they were made.
    async fn tokens(&self) -> Result<Vec<AdminToken>>;
    /// Ends a token; one that has ended already is left as it is. The last administrator's cannot be ended.
    async fn revoke_token(&self, id: &str, by: &By) -> Result<()>;
    /// Notes when tokens were last used.
    async fn note_tokens_used(&self, used: &[(String, Millis)]) -> Result<()>;
}

/// What the proxies learn, and what they report.
#[async_trait]
pub trait SyncStore {
    /// The present version and epoch.
    async fn head(&self) -> Result<Head>;
    /// What changed after `since`, at most `limit` entries.
    async fn changes(&self, since: u64, limit: usize) -> Result<Changes>;
    /// One key by digest, with its team's credit.
    async fn resolve(&self, digest: &KeyDigest) -> Result<(Head, Option<(KeyEntry, TeamEntry)>)>;
    /// Starts another history of versions, because this one went back, and keeps what was lost; gives the present one.
    /// Where the epoch is not `from`'s any more, another process has done it.
    async fn new_epoch(&self, from: Head, why: &str, lost: &[Change], by: &By) -> Result<Head>;
    /// Notes what a proxy has applied.
    async fn report(&self, proxy: &str, applied: Head, now: Millis) -> Result<()>;
    /// Every proxy that reported since `since`.
    async fn proxies(&self, since: Millis) -> Result<Vec<Proxy>>;
    /// Wakes up when this process has made a version; other processes' changes are only seen by asking.
    fn watch(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// Usage and money.
#[async_trait]
pub trait UsageStore {
    /// Counts and charges events, each id once.
    async fn ingest(&self, events: &[Priced], now: Millis) -> Result<Ingested> {
        let mut done = self.ingest_all(&[events.to_vec().into()], now).await?;
        Ok(done.pop().unwrap_or_default())
    }
    /// As [`UsageStore::ingest`], several batches in one transaction; gives what became of each. An import is in the
    /// audit log with what it came to.
    async fn ingest_all(&self, batches: &[Batch], now: Millis) -> Result<Vec<Ingested>>;
    /// Adds to a team's credit, or corrects it.
    async fn credit(&self, team: &TeamId, entry: NewCredit, by: &By) -> Result<Team>;
    /// The ledger of a team, the newest first.
    async fn ledger(&self, team: &TeamId, page: &PageRequest) -> Result<Page<LedgerRow>>;
    /// Usage in groups: by time first, then by what is told apart, in that order.
    async fn usage(&self, query: &UsageQuery) -> Result<Page<UsageRow>>;
    /// From when on sums of minutes and of hours are complete.
    async fn usage_kept(&self) -> Result<Kept>;
    /// What is recorded of one request; only of `team` if given.
    async fn request(&self, id: &str, team: Option<&TeamId>) -> Result<Vec<RequestRecord>>;
}

/// What time does to the data.
#[async_trait]
pub trait TimeStore {
    /// The proven time; `None` before there was one.
    async fn proven(&self) -> Result<Option<Millis>>;
    /// Sets the proven time to `to` if it still is `was`; whether it was.
    async fn prove(&self, was: Option<Millis>, to: Millis) -> Result<bool>;
    /// Judges keys' budgets anew for the day and month that `now` is in; gives how many keys changed.
    async fn judge_budgets(&self, which: Budgeted, now: Millis) -> Result<u64>;
    /// Closes the days before `day`, so that their sums do not change any more, and drops their raw events, of which
    /// the ids are kept; gives how many were dropped.
    async fn close_days_before(&self, day: i64) -> Result<u64>;
    /// Drops what only matters for a while: idempotency tokens and proxies of before `before`.
    async fn forget(&self, before: Millis) -> Result<()>;
}

/// Where the database stands in its history, and what it lacks since it was restored.
#[async_trait]
pub trait RestoreStore {
    /// The present place.
    async fn place(&self) -> Result<Place>;
    /// The audit log after `seq`, the oldest first.
    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEntry>>;
    /// Brings what is in a write-ahead log into the database's file; gives the number that the file has now and that no
    /// earlier copy of it has. `None` where there is no such file, or readers keep it from being done.
    async fn checkpoint(&self) -> Result<Option<i64>>;
    /// What is lost and was not seen to, in the order in which it was done.
    async fn restored(&self) -> Result<Vec<Restored>>;
    /// All that is lost was seen to; gives how many changes.
    async fn acknowledge(&self, by: &By) -> Result<u64>;
}

/// Objects that providers keep.
#[async_trait]
pub trait ObjectStore {
    /// What is known of each.
    async fn objects(&self, ids: &[ObjectId]) -> Result<Vec<(ObjectId, Option<Object>)>>;
    /// Drops responses and completions of before `before`, which providers have dropped too; gives how many.
    async fn forget_objects(&self, before: Millis) -> Result<u64>;
}

/// Whether the store works, and its end.
#[async_trait]
pub trait HealthStore {
    /// Returns once a change was made durable after the call.
    async fn prove_write(&self, now: Millis) -> Result<()>;
    /// Reads something.
    async fn prove_read(&self) -> Result<()>;
    /// Waits for the change that is under way and ends all connections. Reads fail from then on.
    async fn close(&self) -> Result<()>;
}

/// A whole store.
pub trait Store:
    KeyStore
    + TeamStore
    + TokenStore
    + SyncStore
    + UsageStore
    + TimeStore
    + RestoreStore
    + ObjectStore
    + HealthStore
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: KeyStore
        + TeamStore
        + TokenStore
        + SyncStore
        + UsageStore
        + TimeStore
        + RestoreStore
        + ObjectStore
        + HealthStore
        + Send
        + Sync
{
}
