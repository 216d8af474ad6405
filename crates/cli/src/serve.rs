//! `gmtech serve`: runs the key service in the foreground until a signal stops it.
//!
//! SIGINT and SIGTERM stop it. SIGHUP reads the configuration file, the token files and the prices again, and takes tokens,
//! prices from them; everything else needs a restart.
//!
//! # Failure policy
//! An error at the start ends the program with one message. An error at a SIGHUP is logged, and the configuration
//! stays unchanged.

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
/// If an option, file or address is invalid or cannot be used.
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
        // The service keeps running if the program that started it has closed standard output.
        let _ = out::print(&format!(
            "management http://{}  proxies http://{}\n",
            running.admin_addr, running.sync_addr
        ));
        match gmtech_service::ops::people::first_link(running.service()).await {
            // Not into the log: whoever opens it first is the administrator.
            Ok(Some(link)) => {
                let _ = out::print(&format!(
                    "first administrator: open {} within a day, once\n",
                    link.url
                ));
            }
            Ok(None) => {}
            // A service must start on a full disk too, so that keys can be revoked.
            Err(error) => tracing::warn!(
                why = error.message(),
                "no link for the first administrator was made; `gmtech people link EMAIL --admin` makes one"
            ),
        }
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => match reload(&running, command).await {
                    Ok(()) => tracing::info!("tokens and prices were read again"),
                    Err(error) => tracing::error!(
                        why = format!("{error:#}"),
                        "not read again: tokens and prices stay as they were"
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
