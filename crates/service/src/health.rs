//! Whether the service can do its work: that a change can be made durable, and that something can be read.
//!
//! All checks end within a second, whatever hangs, and show no more of a cause than its kind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::clock::Millis;
use crate::store::{FailureKind, Result, Store, StoreError};

/// The longest that a check takes.
const CHECK_WITHIN: Duration = Duration::from_millis(900);

/// How long a proof holds, so that asking often costs the disk nothing.
const HOLDS: Duration = Duration::from_millis(500);

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// Whether all checks are good.
    pub ready: bool,
    /// Each of them.
    pub checks: Vec<Check>,
}

/// One thing that must work.
#[derive(Debug, Serialize)]
pub struct Check {
    /// `serving`, `write` or `read`.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// Why it does not.
    pub why: Option<String>,
}

impl Check {
    fn of(name: &'static str, result: Result<(), String>) -> Self {
        Self {
            name,
            ok: result.is_ok(),
            why: result.err(),
        }
    }
}

/// What is remembered between two answers.
#[derive(Debug)]
pub struct Health {
    proved: Mutex<Option<Instant>>,
    was_ready: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            proved: Mutex::new(None),
            was_ready: AtomicBool::new(true),
        }
    }
}

impl Health {
    async fn prove_write(&self, store: &Store) -> Result<()> {
        // One proof at a time: who asks meanwhile gets its result.
        let mut proved = self.proved.lock().await;
        if proved.is_some_and(|at| at.elapsed() < HOLDS) {
            return Ok(());
        }
        *proved = None;
        store.prove_write(Millis::now()).await?;
        *proved = Some(Instant::now());
        Ok(())
    }

    /// All checks, side by side.
    pub async fn readiness(&self, store: &Store, stopping: bool) -> Readiness {
        let serving = match stopping {
            false => Ok(()),
            true => Err("the service is stopping".to_owned()),
        };
        let (write, read) = tokio::join!(
            in_time(self.prove_write(store)),
            in_time(store.prove_read()),
        );
        let checks = vec![
            Check::of("serving", serving),
            Check::of("write", write),
            Check::of("read", read),
        ];
        let ready = checks.iter().all(|check| check.ok);
        if self.was_ready.swap(ready, Ordering::Relaxed) != ready {
            match ready {
                true => tracing::info!("ready again"),
                false => tracing::warn!(?checks, "not ready"),
            }
        }
        Readiness { ready, checks }
    }
}

async fn in_time(check: impl Future<Output = Result<()>>) -> Result<(), String> {
    match timeout(CHECK_WITHIN, check).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(StoreError::Unavailable(failure) | StoreError::Unconfirmed(failure))) => {
            Err(failure.kind.to_string())
        }
        Ok(Err(_)) => Err(FailureKind::Damaged.to_string()),
        Err(_) => Err(FailureKind::TimedOut.to_string()),
    }
}
