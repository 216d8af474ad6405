//! A service as a process, and the command line that uses it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A service that runs until it is dropped.
pub(crate) struct Service {
    pub(crate) process: Child,
    pub(crate) url: String,
    pub(crate) sync_url: String,
    pub(crate) dir: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[])
    }

    pub(crate) fn start_in(dir: tempfile::TempDir, more: &[&str]) -> Self {
        Self::start_with(dir, more, &[])
    }

    /// Starts a service with these options and variables, in the test's own directory.
    pub(crate) fn start_with(dir: tempfile::TempDir, more: &[&str], env: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_gmtech"))
            .args(["serve", "--port", "0", "--sync-port", "0", "--database"])
            .arg(dir.path().join("state/gmtech.db"))
            .args(more)
            .env_clear()
            .envs(env.iter().copied())
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(
                std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(dir.path().join("log"))
                    .unwrap(),
            )
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let urls: Vec<_> = line
            .split_whitespace()
            .filter(|word| word.starts_with("http://"))
            .collect();
        let [url, sync_url] = urls[..] else {
            panic!("it did not start: {}", read(&dir.path().join("log")))
        };
        Self {
            process,
            url: url.into(),
            sync_url: sync_url.into(),
            dir,
        }
    }

    /// Kills the service, and starts it again on the same files.
    pub(crate) fn killed_and_started(mut self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::start_in(dir, &[])
    }

    pub(crate) fn state(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join("state").join(file)
    }

    /// The command line with the administrator's token, in the test's own directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gmtech"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.dir.path())
            .env("GMTECH_ADMIN_URL", &self.url)
            .env(
                "GMTECH_ADMIN_TOKEN",
                read(&self.state("admin.token")).trim(),
            );
        command
    }

    pub(crate) fn gmtech(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Calls the listener for proxies with a token. Returns the status.
    pub(crate) fn as_proxy(&self, token: &str, method: &str, path: &str) -> u16 {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .build();
        let agent: ureq::Agent = config.into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/sync/v1/{path}", self.sync_url))
            .header("authorization", format!("Bearer {token}"));
        agent
            .run(request.body(()).unwrap())
            .unwrap()
            .status()
            .as_u16()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        read(&self.dir.path().join("log"))
    }

    /// The log lines with this `message`.
    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| line["fields"]["message"] == message)
            .collect()
    }

    /// Runs a command that must succeed and print JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.gmtech(&[args, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command that must succeed and print text for people.
    pub(crate) fn says(&self, args: &[&str]) -> String {
        let output = self.gmtech(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn field<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {json}"))
}

/// Polls until `probe` is true; fails after ten seconds.
#[allow(clippy::disallowed_methods, reason = "a test waits by the clock")]
pub(crate) fn wait_until(what: &str, probe: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !probe() {
        assert!(Instant::now() < end, "waited 10 s for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
