//! The poller: one VM of the process asks the key service for changes and writes them to shared data.
//!
//! Every root context ticks; whose VM holds the lease polls. It is renewed at every tick, so that a VM that traps is
//! replaced within [`LEASE`]. A poll is held by the service until there is news, so a revocation is here as soon as it
//! is made. What is under way belongs to the VM: while a configuration is replaced, its old and its new root context
//! take turns, and both ask the service that was configured last.

use std::cell::RefCell;
use std::time::Duration;

use gmtech_core::config::ServicePolicy;
use gmtech_core::directory::{self, poll_lease, proxy_name};
use gmtech_core::sync::Frame;
use proxy_wasm::traits::Context;

use crate::host::callout::{self, Call};
use crate::host::shared_data::SharedCounters;
use crate::host::{Status, metrics, system};
use crate::services;

/// How often a root context looks what there is to do.
pub(crate) const TICK: u64 = 100_000_000;

const LEASE: u64 = 700_000_000;

/// How long the service holds a poll without news. Its answers are the sign of life that keeps the gate
/// from calling itself degraded.
const WAIT: Duration = Duration::from_millis(3_000);

/// Added to the wait: an answer that takes longer will not come.
const PATIENCE: Duration = Duration::from_millis(2_000);

/// After a failure, doubled up to the longest.
const FIRST_PAUSE: u64 = 200_000_000;
const LONGEST_PAUSE: u64 = 2_000_000_000;

/// When an answer has not come, with the root context that asked or without its callout, it will not come.
const LOST_AFTER: u64 = 6_000_000_000;

thread_local! {
    static POLLER: RefCell<Poller> = const { RefCell::new(Poller::new()) };
}

/// What a VM remembers of polling.
struct Poller {
    /// This VM's number among those that may hold the lease; 0 until drawn.
    holder: u64,
    under_way: Option<UnderWay>,
    not_before: u64,
    pause: u64,
}

struct UnderWay {
    token: u32,
    root: u32,
    lost_at: u64,
}

/// Renews the lease, and polls if it is held and nothing is under way.
pub(crate) fn tick(root: u32, from: &dyn Context) -> Result<(), Status> {
    let Some(service) = services::current() else {
        return Ok(());
    };
    with(|poller| poller.tick(root, from, &service)).unwrap_or(Ok(()))
}

/// Takes an answer; whether it was the poller's.
pub(crate) fn answered(
    root: u32,
    token: u32,
    size: usize,
    from: &dyn Context,
) -> Result<bool, Status> {
    with(|poller| poller.answered(root, token, size, from)).unwrap_or(Ok(false))
}

/// A root context is gone, and with it the answer to what it has asked.
pub(crate) fn retired(root: u32) {
    with(|poller| {
        if poller.under_way.as_ref().is_some_and(|u| u.root == root) {
            poller.under_way = None;
        }
    });
}

fn with<T>(act: impl FnOnce(&mut Poller) -> T) -> Option<T> {
    POLLER.with(|poller| {
        poller
            .try_borrow_mut()
            .ok()
            .map(|mut poller| act(&mut poller))
    })
}

impl Poller {
    const fn new() -> Self {
        Self {
            holder: 0,
            under_way: None,
            not_before: 0,
            pause: 0,
        }
    }

    fn tick(
        &mut self,
        root: u32,
        from: &dyn Context,
        service: &ServicePolicy,
    ) -> Result<(), Status> {
        if self.holder == 0 {
            self.holder = system::random_u64()?.max(1);
        }
        let now = system::now()?.monotonic;
        if self.under_way.as_ref().is_some_and(|u| u.lost_at <= now) {
            self.under_way = None;
            self.rest()?;
        }
        let held = poll_lease::take(&SharedCounters, self.holder, LEASE, now).unwrap_or(false);
        if held && self.under_way.is_none() && now >= self.not_before {
            self.poll(root, from, service)?;
        }
        Ok(())
    }

    fn poll(
        &mut self,
        root: u32,
        from: &dyn Context,
        service: &ServicePolicy,
    ) -> Result<(), Status> {
        let Ok(state) = directory::state(&SharedCounters) else {
            return Ok(());
        };
        // After a failure the first answer is wanted at once: it says that the service is back.
        let wait = if self.pause == 0 { WAIT.as_millis() } else { 0 };
        // While a snapshot is under way its next page is asked for without a receipt: it is not applied yet.
        let proxy = if state.writing == state.generation {
            proxy_name::parameter(&SharedCounters, self.holder).unwrap_or_default()
        } else {
            String::new()
        };
        // So that a service that went back notices by itself.
        let seen = directory::seen(&SharedCounters, &state).unwrap_or(state.version);
        let path = format!(
            "/sync/v1/changes?epoch={}&since={}&seen={seen}&wait={wait}{proxy}",
            state.epoch, state.version
        );
        let call = Call {
            method: "GET",
            path: &path,
            body: None,
            timeout: WAIT + PATIENCE,
        };
        let lost_at = system::now()?.monotonic.saturating_add(LOST_AFTER);
        self.under_way = callout::send(from, service, &call).map(|token| UnderWay {
            token,
            root,
            lost_at,
        });
        if self.under_way.is_none() {
            self.rest()?;
        }
        Ok(())
    }

    fn answered(
        &mut self,
        root: u32,
        token: u32,
        size: usize,
        from: &dyn Context,
    ) -> Result<bool, Status> {
        if self.under_way.as_ref().is_none_or(|u| u.token != token) {
            return Ok(false);
        }
        self.under_way = None;
        let frame = callout::answer(size)?.map(|bytes| Frame::decode(&bytes));
        let now = system::now()?.monotonic;
        let applied = match frame {
            Some(Ok(frame)) => directory::apply(&SharedCounters, &frame, now).unwrap_or(false),
            Some(Err(error)) => {
                log::warn!("gmtech: the key service's answer cannot be read: {error}");
                false
            }
            None => false,
        };
        metrics::count(
            if applied {
                "gmtech_sync.decision.applied"
            } else {
                "gmtech_sync.decision.failed"
            },
            1,
        );
        if !applied {
            self.rest()?;
        } else if let Some(service) = services::current() {
            self.pause = 0;
            self.poll(root, from, &service)?;
        }
        Ok(true)
    }

    fn rest(&mut self) -> Result<(), Status> {
        self.pause = self
            .pause
            .saturating_mul(2)
            .clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.not_before = system::now()?.monotonic.saturating_add(self.pause);
        Ok(())
    }
}
