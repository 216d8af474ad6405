//! Supervises the children of a stack: starts them in order, detects their end, ends them in reverse order.
//!
//! A child that ends stops the stack, except the child that [`Supervisor::run_until_stopped`] starts
//! again.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::child::{Program, stop};
use super::files::LocalDir;

/// How often children and signals are checked.
const STEP: Duration = Duration::from_millis(50);
/// How long a child stays down before it is started again.
const REVIVED_AFTER: Duration = Duration::from_secs(1);
/// How much of a dead child's log is shown.
const LAST_LINES: usize = 15;

/// The running children, and whether a signal has arrived. Dropping it ends the children.
pub(super) struct Supervisor {
    children: Vec<Running>,
    stop: Arc<AtomicBool>,
}

struct Running {
    program: Program,
    child: Child,
    log: std::path::PathBuf,
}

impl Supervisor {
    /// Installs the signal handlers.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub(super) fn new() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop))
                .context("cannot handle signals")?;
        }
        Ok(Self {
            children: Vec::new(),
            stop,
        })
    }

    /// Starts `program`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&mut self, program: Program, dir: &LocalDir) -> Result<()> {
        let log = dir.path(&format!("{}.log", program.name));
        let child = program.start(dir.new_log(&format!("{}.log", program.name))?)?;
        self.children.push(Running {
            program,
            child,
            log,
        });
        Ok(())
    }

    /// Waits until `ready`, for at most `limit`.
    ///
    /// # Errors
    /// When a child ends, a signal arrives or the time is over.
    pub(super) fn wait_until(
        &mut self,
        name: &str,
        limit: Duration,
        ready: impl Fn() -> bool,
    ) -> Result<()> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a native program: the clock works"
        )]
        let deadline = Instant::now() + limit;
        while !ready() {
            self.check()?;
            if self.stopped() {
                bail!("stopped before {name} was ready");
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a native program: the clock works"
            )]
            if Instant::now() >= deadline {
                bail!(
                    "{name} was not ready after {} s{}",
                    limit.as_secs(),
                    self.last_lines(name)
                );
            }
            std::thread::sleep(STEP);
        }
        // Another program may have answered at the port while the child failed to listen on it.
        self.check()
    }

    /// Waits for a signal. The child called `revived` is started again whenever it ends.
    ///
    /// # Errors
    /// When another child ends first, or it cannot be started again.
    pub(super) fn run_until_stopped(&mut self, revived: &str) -> Result<()> {
        while !self.stopped() {
            if let Some((at, status)) = self.ended()? {
                if self.name(at) != revived {
                    return self.fail(at, status);
                }
                crate::out::say(&format!(
                    "gmtech: {revived} ended ({status}) and is started again\n"
                ));
                // A child that cannot start must not be retried without a pause.
                self.pause(REVIVED_AFTER);
                if !self.stopped() {
                    self.revive(at)?;
                }
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    fn revive(&mut self, at: usize) -> Result<()> {
        if let Some(running) = self.children.get_mut(at) {
            let log = std::fs::OpenOptions::new()
                .append(true)
                .open(&running.log)
                .with_context(|| format!("cannot write {}", running.log.display()))?;
            running.child = running.program.start(log)?;
        }
        Ok(())
    }

    fn pause(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.stopped() {
            std::thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || super::parent::is_interrupted()
    }

    fn check(&mut self) -> Result<()> {
        match self.ended()? {
            Some((at, status)) => self.fail(at, status),
            None => Ok(()),
        }
    }

    fn ended(&mut self) -> Result<Option<(usize, ExitStatus)>> {
        for (at, running) in self.children.iter_mut().enumerate() {
            let status = running.child.try_wait();
            if let Some(status) = status.context("cannot wait for a child")? {
                return Ok(Some((at, status)));
            }
        }
        Ok(None)
    }

    fn fail(&self, at: usize, status: ExitStatus) -> Result<()> {
        let name = self.name(at);
        bail!("{name} ended by itself ({status}){}", self.last_lines(name))
    }

    fn name(&self, at: usize) -> &'static str {
        self.children.get(at).map_or("", |r| r.program.name)
    }

    fn last_lines(&self, name: &str) -> String {
        let Some(running) = self.children.iter().find(|r| r.program.name == name) else {
            return String::new();
        };
        let text = std::fs::read(&running.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<&str> = text.lines().rev().take(LAST_LINES).collect();
        lines.reverse();
        format!(
            "; the end of {}:\n  {}",
            running.log.display(),
            lines.join("\n  ")
        )
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        while let Some(mut running) = self.children.pop() {
            stop(&mut running.child);
        }
    }
}
