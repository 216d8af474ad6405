//! What changes on the page of limits, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Each event has the whole state of the keys on the page, so a reader that missed some needs none of them. A slow reader gets
//! the newest state, not a queue.
//!
//! # Failure policy
//! The stream ends when the service stops, when the session has ended, or when the team may not be seen any more. A browser
//! then asks again, and is answered 204, or sent to the sign-in page.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use gmtech_core::ident::KeyId;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower_sessions::Session;

use super::Asked;
use crate::clock::Millis;
use crate::extract::Query;
use crate::levels::{LiveLevel, Watching};
use crate::ops::limits;
use crate::ops::sign_in;
use crate::pages::error::PageError;
use crate::pages::visitor::Visitor;
use crate::service::Service;

/// The shortest time between two events.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest time between two looks at refusals, and at whether the visitor may still look.
const LOOK: Duration = Duration::from_secs(5);

/// How often a comment keeps the connection open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a browser waits before it connects again, in milliseconds.
const RETRY: Duration = Duration::from_secs(2);

/// The state of the keys on the page.
#[derive(Debug, PartialEq, Serialize)]
struct PageState {
    keys: BTreeMap<String, KeyState>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct KeyState {
    /// The levels that proxies report; empty without traffic.
    levels: BTreeMap<&'static str, LevelState>,
    /// Refusals of the last hour by reason.
    refused: BTreeMap<String, i64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct LevelState {
    limit: u32,
    used: u64,
    reserved: u64,
    proxies: usize,
}

impl From<LiveLevel> for LevelState {
    fn from(level: LiveLevel) -> Self {
        Self {
            limit: level.limit,
            used: level.used,
            reserved: level.reserved,
            proxies: level.proxies,
        }
    }
}

/// One page that is open.
struct Follower {
    service: Arc<Service>,
    watching: Watching,
    /// The keys on the page: id and account.
    keys: Vec<(KeyId, KeyId)>,
    session: Session,
    team: gmtech_core::ident::TeamId,
    refused: BTreeMap<String, BTreeMap<String, i64>>,
    look_at: Instant,
    told: Option<PageState>,
}

/// Follows the limits of the keys on a page.
pub(super) async fn follow(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let of = visitor.team(asked.team.as_deref())?;
    let team = of.team.id.clone();
    let shown = limits::list(&service, &visitor.caller, team.as_str(), &asked.page()).await?;
    let keys = shown.keys.into_iter().map(|shown| {
        let record = shown.key.record;
        (record.id.clone(), record.account().clone())
    });
    let follower = Follower {
        watching: limits::watch(&service, &visitor.caller, &team, &visitor.id)?,
        keys: keys.collect(),
        session: visitor.session().clone(),
        team,
        refused: BTreeMap::new(),
        look_at: Instant::now(),
        told: None,
        service,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let alive = KeepAlive::new().interval(HEARTBEAT);
    let mut response = Sse::new(events).keep_alive(alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Follower {
    /// The next event, once something has changed; `None` when the page may not be followed any more.
    async fn next(&mut self) -> Option<Event> {
        let mut stopping = self.service.stopping.subscribe();
        loop {
            if *stopping.borrow() {
                return None;
            }
            if Instant::now() >= self.look_at {
                self.look_at = Instant::now() + LOOK;
                self.look().await?;
            }
            let state = self.state();
            if self.told.as_ref() != Some(&state) {
                // Texts and numbers always serialise.
                let data = serde_json::to_string(&state).unwrap_or_default();
                self.told = Some(state);
                return Some(Event::default().retry(RETRY).data(data));
            }
            tokio::select! {
                _ = timeout(PAUSE, stopping.changed()) => {}
                () = sleep(PAUSE) => {}
            }
            // Levels expire, so that it looks again even if nothing is reported.
            let until = self.look_at.min(Instant::now() + Duration::from_secs(1));
            tokio::select! {
                _ = timeout_at(until, self.watching.reported()) => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Reads refusals, and whether the visitor may still look; `None` if not.
    async fn look(&mut self) -> Option<()> {
        // A database that does not answer for a moment ends nothing.
        if let Ok(who) = sign_in::who(&self.service, &self.session).await {
            let of = who?;
            let sees = of.person.admin || of.teams.iter().any(|(team, _)| team.id == self.team);
            if !sees {
                return None;
            }
        }
        let ids: Vec<KeyId> = self.keys.iter().map(|(id, _)| id.clone()).collect();
        if let Ok(refused) = limits::refused(&self.service, &ids, Millis::now()).await {
            self.refused = refused;
        }
        Some(())
    }

    fn state(&self) -> PageState {
        let accounts: HashSet<KeyId> = self.keys.iter().map(|(_, of)| of.clone()).collect();
        let levels = limits::levels(&self.watching, &accounts);
        let state = |(id, account): &(KeyId, KeyId)| {
            let cells = levels.iter().find(|(of, _)| of == account);
            let cells = cells.map(|(_, cells)| cells.as_slice()).unwrap_or_default();
            let state = KeyState {
                levels: cells
                    .iter()
                    .map(|cell| (cell.dimension.name(), LevelState::from(*cell)))
                    .collect(),
                refused: self.refused.get(id.as_str()).cloned().unwrap_or_default(),
            };
            (id.to_string(), state)
        };
        PageState {
            keys: self.keys.iter().map(state).collect(),
        }
    }
}
