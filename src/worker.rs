//! The agent of this VM, of which each worker has one. All root contexts and streams of the VM share it.

use std::cell::RefCell;

use gmtech_core::agent::Agent;
use proxy_wasm::traits::Context;

use crate::host::{Envoy, Status, callout, system};

thread_local! {
    static AGENT: RefCell<Option<Agent>> = const { RefCell::new(None) };
}

/// Lets `act` use the agent. Nothing that is done with it comes back here, so that it is never borrowed already.
pub(crate) fn with<T>(act: impl FnOnce(&mut Agent) -> T) -> Result<T, Status> {
    AGENT.with(|agent| {
        let mut agent = agent.try_borrow_mut().map_err(|_| Status::BUSY)?;
        match &mut *agent {
            Some(agent) => Ok(act(agent)),
            none => Ok(act(none.insert(Agent::new(system::random_u64()?)))),
        }
    })
}

/// Time passes: sends, in the name of this root context, what is due.
pub(crate) fn tick(root: u32, from: &dyn Context) -> Result<(), Status> {
    let now = system::now()?.monotonic;
    with(|agent| agent.tick(&Envoy, now))?;
    send(root, from, now)
}

/// A call of this root context has ended, and what its end made way for is sent.
pub(crate) fn answered(
    root: u32,
    call: u32,
    size: usize,
    from: &dyn Context,
) -> Result<(), Status> {
    let now = system::now()?.monotonic;
    // What cannot be read of an answer is none.
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
