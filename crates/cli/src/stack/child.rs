//! A program of the stack, and the wrapper that ends it with the stack.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// The hidden command that calls [`run_tied`].
pub(crate) const TIED: &str = "tied-child";

/// How long a child may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// A program to start.
pub(super) struct Program {
    pub(super) name: &'static str,
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    pub(super) fn new(name: &'static str, path: PathBuf) -> Self {
        Self {
            name,
            path,
            args: Vec::new(),
        }
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Starts it with its output in `log`.
    ///
    /// It gets a process group of its own, so that Ctrl-C reaches only the stack, which then ends its children in
    /// order.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, log: File) -> Result<Child> {
        let this = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(this);
        // They may be those of another service or stack, whose demo.env this shell has read.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GMTECH_") {
                command.env_remove(name);
            }
        }
        command
            .env(crate::config_file::VARIABLE, "")
            .arg(TIED)
            .arg(std::process::id().to_string())
            .arg(&self.path)
            .args(&self.args)
            .env_remove(super::plan::UPSTREAM_KEY)
            // make repeats its command line there, including the key.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKEOVERRIDES")
            .env_remove("MFLAGS")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))
    }
}

/// Executes `program` in this process, which dies with the process `parent`, even if that is killed.
///
/// # Errors
/// When the program cannot be started; otherwise it does not return.
pub(crate) fn run_tied(parent: u32, program: &[OsString]) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
        // The parent may have died before the line above.
        anyhow::ensure!(
            now.and_then(|p| u32::try_from(p).ok()) == Some(parent),
            "the stack has ended"
        );
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    let (path, args) = program.split_first().context("no program")?;
    let error = Command::new(path).args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", path.display()))
}

/// Sends `child` SIGTERM, and kills it if it does not end in time.
pub(super) fn stop(child: &mut Child) {
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a native program: the clock works"
    )]
    let deadline = Instant::now() + GRACE;
    loop {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a native program: the clock works"
        )]
        if Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
