//! The agent of this VM. Each worker has one VM, and all root contexts and streams of it share the agent.

use std::cell::RefCell;

use gmtech_core::agent::Agent;
use proxy_wasm::traits::Context;

use crate::host::{Envoy, Status, callout, system};

thread_local! {
    static AGENT: RefCell<Option<Agent>> = const { RefCell::new(None) };
}

/// Calls `act` with the agent. `act` must not call this function again; if it does, the inner call gets
/// [`Status::BUSY`].
pub(crate) fn with<T>(act: impl FnOnce(&mut Agent) -> T) -> Result<T, Status> {
    AGENT.with(|agent| {
        let mut agent = agent.try_borrow_mut().map_err(|_| Status::BUSY)?;
        match &mut *agent {
            Some(agent) => Ok(act(agent)),
            none => Ok(act(none.insert(Agent::new(system::random_u64()?)))),
        }
    })
}

/// Ticks the agent and sends the calls that are due, as calls of this root context.
pub(crate) fn tick(root: u32, from: &dyn Context) -> Result<(), Status> {
    let now = system::now()?.monotonic;
    with(|agent| agent.tick(&Envoy, now))?;
    send(root, from, now)
}

/// Passes the end of a call of this root context to the agent, and sends the calls that are then due.
pub(crate) fn answered(
    root: u32,
    call: u32,
    size: usize,
    from: &dyn Context,
) -> Result<(), Status> {
    let now = system::now()?.monotonic;
    // An answer that cannot be read counts as a failure.
    let answer = callout::answer(size).unwrap_or_default();
    with(|agent| agent.answered(call, answer.as_deref(), &Envoy, now))?;
    send(root, from, now)
}

fn send(root: u32, from: &dyn Context, now: u64) -> Result<(), Status> {
    while let Some((id, call)) = with(|agent| agent.poll(root, &Envoy, now))? {
        let sent = callout::send(from, &call);
        with(|agent| agent.sent(id, sent, now))?;
    }
    Ok(())
}
