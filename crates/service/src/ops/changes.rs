//! Changes of keys and of credit states, as proxies ask for them. Answers are frames of [`gmtech_core::sync`].

use std::time::Duration;

use gmtech_core::key::KeyDigest;
use gmtech_core::sync::versions::KEYS;
use gmtech_core::sync::{Frame, FrameKind, KeyEntry, SyncError, TeamEntry, TierEntry, Watch};
use tokio::time::{Instant, timeout_at};

use crate::clock::Millis;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{By, Changes, Head};

/// The longest that a poll is held, in milliseconds.
pub const MAX_WAIT_MS: u64 = 25_000;

/// The most entries of a frame, and how many by default. At a hundred bytes each a page of the default is 100 KB.
const MAX_PAGE: usize = 2_000;
const DEFAULT_PAGE: usize = 1_000;

/// How often a held poll looks for what another process has changed; this process's changes wake it at once.
const LOOK: Duration = Duration::from_millis(200);

/// What a proxy asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poll {
    /// What it has applied.
    pub(crate) applied: Head,
    /// The highest version that it has seen in any answer of this epoch.
    pub(crate) seen: u64,
    /// How long the answer may wait for a change, in milliseconds; at most [`MAX_WAIT_MS`].
    pub(crate) wait_ms: u64,
    /// At most this many entries.
    pub(crate) limit: Option<usize>,
    /// The newest version of frames that it reads; `None` if it does not say.
    pub(crate) keys: Option<u8>,
    /// The version of the teams that it knows to be watched; `None` if it reports no levels.
    pub(crate) watch: Option<u64>,
}

/// What changed after what the proxy has applied, as a frame; held until something has. A proxy of another epoch, or that
/// has seen more than there is, gets the first page of a snapshot.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn poll(service: &Service, asked: Poll) -> Result<Vec<u8>, ApiError> {
    let Poll { applied, .. } = asked;
    let limit = asked.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let form = KEYS.for_reader(asked.keys);
    let seen = Head {
        version: asked.seen.max(applied.version),
        ..applied
    };
    let head = head_behind(service, seen).await?;
    if applied.epoch != head.epoch {
        return page(service, FrameKind::Snapshot, 0, limit, form).await;
    }
    let until = Instant::now() + Duration::from_millis(asked.wait_ms.min(MAX_WAIT_MS));
    news(service, applied.version, asked.watch, until).await?;
    page(service, FrameKind::Delta, applied.version, limit, form).await
}

/// One key, or that there is none, as a frame of the newest version up to `keys` ([`KEYS`]).
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn resolve(
    service: &Service,
    digest: &KeyDigest,
    keys: Option<u8>,
) -> Result<Vec<u8>, ApiError> {
    let (head, found) = service.store.resolve(digest).await?;
    let (key, teams, tiers) = match found {
        Some((key, team, tier)) => (key, vec![team], tier.into_iter().collect()),
        None => (
            KeyEntry {
                digest: *digest,
                version: head.version,
                state: None,
            },
            vec![],
            vec![],
        ),
    };
    // A change between the reads may have made an entry newer than the head that was read.
    let entries = teams.iter().map(|t: &TeamEntry| t.version);
    let entries = entries.chain(tiers.iter().map(|t: &TierEntry| t.version));
    let to = entries.fold(head.version.max(key.version), u64::max);
    let frame = Frame {
        kind: FrameKind::Resolved,
        more: false,
        epoch: head.epoch,
        from: to,
        to,
        keys: vec![key],
        teams,
        tiers,
        watch: Watch::default(),
    };
    service
        .journal
        .has(Head {
            version: to,
            ..head
        })
        .await;
    let form = KEYS.for_reader(keys);
    frame
        .encode_for(form)
        .map_err(|error| ApiError::internal(&error))
}

/// The head, in a new epoch if a proxy has seen more of this one than there is.
async fn head_behind(service: &Service, seen: Head) -> Result<Head, ApiError> {
    let head = service.store.head().await?;
    if seen.epoch != head.epoch || seen.version <= head.version {
        return Ok(head);
    }
    // If the journal knows what is lost, it starts the epoch, and names it.
    service.journal.settle().await;
    let head = service.store.head().await?;
    if seen.epoch != head.epoch || seen.version <= head.version {
        return Ok(head);
    }
    let by = By::service(Millis::now());
    tracing::warn!(
        seen = seen.version,
        head = head.version,
        "a proxy is ahead of the database: starting a new epoch"
    );
    let why = "a proxy is ahead of the database";
    Ok(service.store.new_epoch(head, why, &[], &by).await?)
}

/// Returns once there is a version after `since`, or other teams are watched than the proxy knows, or at `until`, or when the
/// service stops.
async fn news(
    service: &Service,
    since: u64,
    watch: Option<u64>,
    until: Instant,
) -> Result<(), ApiError> {
    let mut made = service.store.watch();
    let mut stopping = service.stopping.subscribe();
    let mut watched = service.levels.changes();
    // Where nobody watches here, somebody may at another service: that the proxy knows of it is no news.
    let is_news = || {
        let version = service.levels.watched().version;
        version != 0 && watch.is_some_and(|known| known != version)
    };
    loop {
        if service.store.head().await?.version > since
            || Instant::now() >= until
            || is_news()
            || *stopping.borrow()
        {
            return Ok(());
        }
        let look = until.min(Instant::now() + LOOK);
        tokio::select! {
            _ = timeout_at(look, made.changed()) => {}
            _ = watched.changed() => {}
            _ = stopping.changed() => {}
        }
    }
}

/// One page of changes. A page whose records are so long that it does not fit a frame is made shorter.
async fn page(
    service: &Service,
    kind: FrameKind,
    since: u64,
    mut limit: usize,
    form: u8,
) -> Result<Vec<u8>, ApiError> {
    loop {
        let Changes {
            to,
            more,
            keys,
            teams,
            tiers,
        } = service.store.changes(since, limit).await?;
        let frame = Frame {
            kind,
            more,
            epoch: to.epoch,
            from: since.min(to.version),
            to: to.version,
            keys,
            teams,
            tiers,
            watch: service.levels.watched(),
        };
        match frame.encode_for(form) {
            Ok(bytes) => {
                service.journal.has(to).await;
                return Ok(bytes);
            }
            Err(SyncError::TooLarge) if limit > 1 => limit /= 2,
            Err(error) => return Err(ApiError::internal(&error)),
        }
    }
}
