//! Charts that took long are kept for a while, so that looking at a team with very many keys stays quick and cheap.
//!
//! What tells keys, owners or tags apart has to read each key of a team. For most teams that takes milliseconds, and the
//! answer is made anew each time. Where it took longer, it is given again for twenty times as long as it took: so no more
//! than a twentieth of one connection's time goes into one chart, however often it is looked at. Then it is made anew in
//! the background, while the last one is shown.
//!
//! # Failure policy
//! An answer that fails is not kept, and who waits for it gets its error. One that takes longer than [`PATIENCE`] goes on
//! without its reader, and the next one finds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::chart::{Chart, Subject};
use super::range::Range;
use crate::clock::Millis;
use crate::store::{Result, Store};

/// What takes no longer is made anew each time.
const QUICK: Duration = Duration::from_millis(10);

/// For how many times as long as it took an answer is given again.
const KEPT_TIMES: u32 = 20;

/// How long a reader waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// How old an answer may be that is shown while the next one is made.
const OLDEST: Duration = Duration::from_secs(600);

/// How many answers are kept.
const MOST: usize = 64;

type Place = (Subject, i64, i64);

/// An answer, and when it was made.
#[derive(Clone, Debug)]
pub struct Dated {
    /// The answer.
    pub chart: Arc<Chart>,
    /// When it was asked for, where it was kept since then; `None` where it is new.
    pub since: Option<Millis>,
}

#[derive(Clone)]
struct Answer {
    chart: Arc<Chart>,
    made: Instant,
    at: Millis,
    took: Duration,
}

#[derive(Default)]
struct Entry {
    answer: Option<Answer>,
    /// Says when the one that is being made is ready.
    making: Option<watch::Receiver<bool>>,
}

/// Kept charts.
#[derive(Clone, Default)]
pub struct Charts(Arc<Mutex<HashMap<Place, Entry>>>);

impl Charts {
    /// A chart; `None` where it is still being made.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn get(
        &self,
        store: &Arc<Store>,
        subject: &Subject,
        range: &Range,
        now: Millis,
    ) -> Result<Option<Dated>> {
        let place = (subject.clone(), range.from, range.to);
        let last = self.with(&place, |entry| entry.answer.clone());
        let slow = last.filter(|a| a.took > QUICK && a.made.elapsed() < OLDEST);
        let kept = slow.map(|answer| {
            let fresh = answer.made.elapsed() < answer.took.saturating_mul(KEPT_TIMES);
            (fresh, answer)
        });
        if let Some((true, answer)) = kept {
            return Ok(Some(answer.dated()));
        }
        let mut making = self.make(store, &place, range, now);
        if let Some((false, answer)) = kept {
            return Ok(Some(answer.dated()));
        }
        let ready = async { making.wait_for(|ready| *ready).await.is_ok() };
        if tokio::time::timeout(PATIENCE, ready).await.is_err() {
            return Ok(None);
        }
        match self.with(&place, |entry| entry.answer.clone()) {
            Some(answer) => Ok(Some(Dated {
                since: None,
                ..answer.dated()
            })),
            // It has failed: the reader finds out why.
            None => {
                let chart = Arc::new(Chart::ask(store, subject, range).await?);
                Ok(Some(Dated { chart, since: None }))
            }
        }
    }

    /// Makes an answer, unless one is being made.
    fn make(
        &self,
        store: &Arc<Store>,
        place: &Place,
        range: &Range,
        at: Millis,
    ) -> watch::Receiver<bool> {
        let done = match self.with(place, |entry| match &entry.making {
            // One whose task has died is made again.
            Some(making) if making.has_changed().is_ok() => Err(making.clone()),
            _ => {
                let (done, making) = watch::channel(false);
                entry.making = Some(making);
                Ok(done)
            }
        }) {
            Ok(done) => done,
            Err(making) => return making,
        };
        let making = done.subscribe();
        let (charts, store) = (self.clone(), store.clone());
        let (place, range) = (place.clone(), *range);
        tokio::spawn(async move {
            let made = Instant::now();
            let chart = Chart::ask(&store, &place.0, &range).await;
            let took = made.elapsed();
            let answer = chart.ok().map(|chart| Answer {
                chart: Arc::new(chart),
                made,
                at,
                took,
            });
            charts.with(&place, |entry| {
                *entry = Entry {
                    answer,
                    making: None,
                }
            });
            charts.forget_old();
            done.send_replace(true);
        });
        making
    }

    fn with<T>(&self, place: &Place, of: impl FnOnce(&mut Entry) -> T) -> T {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        of(kept.entry(place.clone()).or_default())
    }

    /// Drops those that are shown no more, and the oldest of too many.
    fn forget_old(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = |entry: &Entry| entry.answer.as_ref().map(|a| a.made);
        kept.retain(|_, entry| {
            entry.making.is_some() || made(entry).is_some_and(|made| made.elapsed() < OLDEST)
        });
        while kept.len() > MOST {
            let ready = kept.iter().filter(|(_, entry)| entry.making.is_none());
            let oldest = ready
                .min_by_key(|(_, entry)| made(entry))
                .map(|(p, _)| p.clone());
            let Some(oldest) = oldest else { break };
            kept.remove(&oldest);
        }
    }
}

impl Answer {
    fn dated(&self) -> Dated {
        Dated {
            chart: self.chart.clone(),
            since: Some(self.at),
        }
    }
}
