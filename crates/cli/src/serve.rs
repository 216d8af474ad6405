//! `gmtech serve`: the key service in the foreground, until it is told to stop.
//!
//! SIGINT and SIGTERM stop it. SIGHUP reads the configuration file, the token files and the prices again, and takes tokens,
//! prices and tiers from them; everything else needs a restart.
//!
//! # Failure policy
//! What cannot be read at the start ends the program with one message. What cannot be read at a SIGHUP is logged, and all
//! stays as it was.

mod log;
mod options;

use anyhow::{Context, Result};
use gmtech_service::serve::Running;
use tokio::signal::unix::{SignalKind, signal};

use crate::out;
pub(crate) use options::Command;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// Where an option, file or address does not work.
pub(crate) fn run(command: &Command) -> Result<()> {
    log::start(&command.log, command.log_format)?;
    let config = command.config()?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let running = gmtech_service::serve::serve(&config).await?;
        command.tell(&config, running.admin_addr, running.sync_addr);
        // A service goes on without whoever started it.
        let _ = out::print(&format!(
            "management http://{}  proxies http://{}\n",
            running.admin_addr, running.sync_addr
        ));
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => match reload(&running, command).await {
                    Ok(()) => tracing::info!("tokens, prices and tiers were read again"),
                    Err(error) => tracing::error!(
                        why = format!("{error:#}"),
                        "not read again: tokens, prices and tiers stay as they were"
                    ),
                },
            }
        }
        running.stop().await;
        Ok(())
    })
}

async fn reload(running: &Running, was: &Command) -> Result<()> {
    let now = crate::serve_again()?;
    let config = now.config()?;
    running.service().reload(&config).await?;
    let waiting = now.waits_for_a_restart(was);
    if !waiting.is_empty() {
        tracing::warn!(
            options = waiting.join(", "),
            "these were changed too, and need a restart"
        );
    }
    Ok(())
}
