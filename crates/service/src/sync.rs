//! The proxy-facing listener, `/sync/v1`: what the filters learn and what they report.
//!
//! | request | answer |
//! |---|---|
//! | `GET changes?epoch&since&seen&proxy&wait&limit` | a [`Frame`]: what changed after `since`, held for up to `wait` ms until something has |
//! | `GET resolve/{digest}` | a [`Frame`] of kind `Resolved`: one key, or that there is none |
//! | `GET objects/{digest},…?wait` | who made each of these objects of a provider's; held for up to `wait` ms until all are known |
//! | `POST usage` with a batch of events | how many were counted, as JSON |
//! | `POST receipts?proxy&epoch&version` | 204 |
//!
//! Asking for changes after `since` says that `since` is applied, so a poll is a receipt too; `seen` is the highest version in
//! any answer so far, of a question about one key too. A request of another epoch, or that has seen more than there is, is
//! answered with the first page of a snapshot; its further pages are deltas from there.
//!
//! # Failure policy
//! Everything is safe to repeat. A filter that gets no answer, or one that is not of this form, keeps what it has.

pub mod receipts;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gmtech_core::key::KeyDigest;
use gmtech_core::objects::ObjectId;
use gmtech_core::sync::events::decode_batch;
use gmtech_core::sync::objects::{MAX_OBJECTS, encode};
use gmtech_core::sync::{Frame, FrameKind, KeyEntry, SyncError};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::api::{Path, Query};
use crate::authenticate::{Listener, authenticate};
use crate::clock::Millis;
use crate::detached::detached;
use crate::error::ApiError;
use crate::health;
use crate::observe::observed;
use crate::service::Service;
use crate::store::{By, Changes, Head, Ingested};

/// The longest that a poll is held, in milliseconds.
pub const MAX_WAIT_MS: u64 = 25_000;

/// The most entries of a frame, and how many by default. At a hundred bytes each a page of the default is 100 KB.
const MAX_PAGE: usize = 2_000;
const DEFAULT_PAGE: usize = 1_000;

/// How often a held poll looks for what another process has changed; this process's changes wake it at once.
const LOOK: Duration = Duration::from_millis(200);

/// The longest that a question about objects is held, in milliseconds, and how often it looks.
const MAX_OBJECT_WAIT_MS: u64 = 5_000;
const OBJECT_LOOK: Duration = Duration::from_millis(50);

const MAX_BODY: usize = 2 << 20;

/// The proxy-facing listener's routes.
pub fn app(service: Arc<Service>) -> Router {
    let router = Router::new()
        .route("/sync/v1/changes", get(changes))
        .route("/sync/v1/resolve/{digest}", get(resolve))
        .route("/sync/v1/objects/{digests}", get(objects))
        .route("/sync/v1/usage", post(usage))
        .route("/sync/v1/receipts", post(receipt))
        .route_layer(middleware::from_fn_with_state(
            service.clone(),
            only_proxies,
        ))
        .merge(health::routes())
        .fallback(|| async { ApiError::not_found("URL") })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(service.clone(), detached))
        .with_state(service.clone());
    observed(router, service, Listener::Proxies)
}

async fn only_proxies(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    authenticate(&service, Listener::Proxies, &parts).await?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[derive(Deserialize)]
struct PollParams {
    #[serde(default)]
    epoch: u64,
    #[serde(default)]
    since: u64,
    /// The highest version that it has seen in any answer of this epoch.
    #[serde(default)]
    seen: u64,
    /// The proxy's own name; without one there is no receipt.
    proxy: Option<String>,
    #[serde(default)]
    wait: u64,
    limit: Option<usize>,
}

async fn changes(
    State(service): State<Arc<Service>>,
    Query(asked): Query<PollParams>,
) -> Result<Response, ApiError> {
    let applied = Head {
        epoch: asked.epoch,
        version: asked.since,
    };
    if let Some(proxy) = asked.proxy.as_deref().filter(|_| applied.epoch != 0) {
        receipts::note_soon(&service, proxy, applied)?;
    }
    let limit = asked.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let seen = Head {
        epoch: asked.epoch,
        version: asked.seen.max(asked.since),
    };
    let head = head_behind(&service, seen).await?;
    if applied.epoch != head.epoch {
        return page(&service, FrameKind::Snapshot, 0, limit).await;
    }
    let until = Instant::now() + Duration::from_millis(asked.wait.min(MAX_WAIT_MS));
    news(&service, applied.version, until).await?;
    page(&service, FrameKind::Delta, applied.version, limit).await
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

/// Returns once there is a version after `since`, or at `until`, or when the service stops.
async fn news(service: &Service, since: u64, until: Instant) -> Result<(), ApiError> {
    let mut made = service.store.watch();
    let mut stopping = service.stopping.subscribe();
    loop {
        if service.store.head().await?.version > since
            || Instant::now() >= until
            || *stopping.borrow()
        {
            return Ok(());
        }
        let look = until.min(Instant::now() + LOOK);
        tokio::select! {
            _ = timeout_at(look, made.changed()) => {}
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
) -> Result<Response, ApiError> {
    loop {
        let Changes {
            to,
            more,
            keys,
            teams,
        } = service.store.changes(since, limit).await?;
        let frame = Frame {
            kind,
            more,
            epoch: to.epoch,
            from: since.min(to.version),
            to: to.version,
            keys,
            teams,
        };
        match frame.encode() {
            Ok(bytes) => {
                service.journal.has(to).await;
                return Ok(binary(bytes));
            }
            Err(SyncError::TooLarge) if limit > 1 => limit /= 2,
            Err(error) => return Err(ApiError::internal(&error)),
        }
    }
}

async fn resolve(
    State(service): State<Arc<Service>>,
    Path(digest): Path<String>,
) -> Result<Response, ApiError> {
    let digest = KeyDigest::from_hex(&digest)
        .map_err(|why| ApiError::invalid("digest", format!("digest {why}.")))?;
    let (head, found) = service.store.resolve(&digest).await?;
    let (key, teams) = match found {
        Some((key, team)) => (key, vec![team]),
        None => (
            KeyEntry {
                digest,
                version: head.version,
                state: None,
            },
            vec![],
        ),
    };
    // A change between the two reads may have made the entry newer than the head that was read.
    let to = head.version.max(key.version);
    let frame = Frame {
        kind: FrameKind::Resolved,
        more: false,
        epoch: head.epoch,
        from: to,
        to,
        keys: vec![key],
        teams,
    };
    service
        .journal
        .has(Head {
            version: to,
            ..head
        })
        .await;
    Ok(binary(
        frame.encode().map_err(|error| ApiError::internal(&error))?,
    ))
}

#[derive(Deserialize)]
struct ObjectParams {
    #[serde(default)]
    wait: u64,
}

/// A proxy may ask before the one that made the object has told: its event is under way then.
async fn objects(
    State(service): State<Arc<Service>>,
    Path(digests): Path<String>,
    Query(asked): Query<ObjectParams>,
) -> Result<Response, ApiError> {
    let ids: Option<Vec<ObjectId>> = digests.split(',').map(ObjectId::from_hex).collect();
    let ids = ids
        .filter(|ids| ids.len() <= MAX_OBJECTS)
        .ok_or_else(|| ApiError::invalid("digests", "Not digests of objects."))?;
    let until = Instant::now() + Duration::from_millis(asked.wait.min(MAX_OBJECT_WAIT_MS));
    let mut stopping = service.stopping.subscribe();
    let answers = loop {
        let answers = service.store.objects(&ids).await?;
        let all = answers.iter().all(|(_, object)| object.is_some());
        if all || Instant::now() >= until || *stopping.borrow() {
            break answers;
        }
        let _ = timeout_at(until.min(Instant::now() + OBJECT_LOOK), stopping.changed()).await;
    };
    let bytes = encode(&answers).map_err(|error| ApiError::internal(&error))?;
    Ok(binary(bytes))
}

fn binary(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

async fn usage(
    State(service): State<Arc<Service>>,
    body: Bytes,
) -> Result<Json<Ingested>, ApiError> {
    let batch = decode_batch(&body)
        .map_err(|why| ApiError::invalid("body", format!("Not a batch of events: {why}.")))?;
    let received = batch.len();
    let priced: Vec<_> = batch
        .into_iter()
        .flatten()
        .map(|event| service.price(event))
        .collect();
    let malformed = received - priced.len();
    let mut done = service.intake.take(priced).await?;
    done.malformed = u64::try_from(malformed).unwrap_or(u64::MAX);
    service.metrics.events(&done);
    if done.malformed + done.unknown_key > 0 {
        tracing::warn!(?done, "events were not counted");
    }
    Ok(Json(done))
}

#[derive(Deserialize)]
struct ReceiptParams {
    proxy: String,
    epoch: u64,
    version: u64,
}

async fn receipt(
    State(service): State<Arc<Service>>,
    Query(said): Query<ReceiptParams>,
) -> Result<StatusCode, ApiError> {
    let applied = Head {
        epoch: said.epoch,
        version: said.version,
    };
    receipts::note(&service, &said.proxy, applied).await?;
    Ok(StatusCode::NO_CONTENT)
}
