//! The exit status of a command, and its message on standard error.
//!
//! | status | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed, on this side or in the service |
//! | 2 | the command line or the configuration file is wrong; nothing was done |
//! | 3 | done, but not everywhere yet: a live proxy has not confirmed the change, or none is live |
//! | 4 | refused by the service (a wrong value, a token without permission, a conflict) |
//! | 5 | not found |
//! | 6 | the service cannot be reached, or cannot reach its database: try again |
//!
//! # Failure policy
//! If a reader closes standard output early (`gmtech keys list | head -1`), the status is 0 and there is no message. If the
//! unread part holds a key, it is a failure.

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

use crate::out;

/// The end of every `--help` of the program.
pub(crate) const AFTER_HELP: &str = "Each command has its own --help with examples.

Exit status:
  0  done
  1  failed
  2  wrong command line or configuration file; nothing was done
  3  done, but not everywhere yet (--wait)
  4  refused by the service
  5  not found
  6  the service cannot be reached, or its database; try again

With --json an error is one JSON object on standard error.";

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    WrongCommand = 2,
    NotEverywhere = 3,
    Refused = 4,
    NotFound = 5,
    Unreachable = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with an exit status of its own.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A code for programs: the service's or this program's.
    pub(crate) code: String,
    /// The message for people.
    pub(crate) message: String,
    /// The HTTP status of the service's answer.
    pub(crate) status: Option<u16>,
    /// The id of the request, which is also in the service's log.
    pub(crate) request_id: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.into(),
            message: message.into(),
            status: None,
            request_id: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.status {
            Some(status) => write!(f, " ({status}, {})", self.code),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Prints the error on standard error, as JSON if `json`. Returns the exit status.
pub(crate) fn report(error: &anyhow::Error, json: bool) -> Exit {
    if error.is::<out::Closed>() {
        return Exit::Done;
    }
    let failure = error.downcast_ref::<Failure>();
    let exit = failure.map_or(Exit::Failed, |f| f.exit);
    if json {
        out::say(&format!("{}\n", as_json(error, failure, exit)));
    } else {
        out::say(&format!("gmtech: {error:#}\n"));
    }
    exit
}

fn as_json(error: &anyhow::Error, failure: Option<&Failure>, exit: Exit) -> serde_json::Value {
    // In JSON the status and the code have fields of their own.
    let parts = error
        .chain()
        .map(|part| match part.downcast_ref::<Failure>() {
            Some(failure) => failure.message.clone(),
            None => part.to_string(),
        });
    json!({"error": {
        "message": parts.collect::<Vec<_>>().join(": "),
        "code": failure.map_or("failed", |f| &f.code),
        "status": failure.and_then(|f| f.status),
        "request_id": failure.and_then(|f| f.request_id.as_deref()),
        "exit": exit as u8,
    }})
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn an_error_is_printed_for_people_and_for_programs() {
        let refused = Failure {
            status: Some(409),
            request_id: Some("r1".into()),
            ..Failure::new(Exit::Refused, "conflict", "Not done.")
        };
        let error = Err::<(), _>(refused).context("the demo team").unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the demo team: Not done. (409, conflict)"
        );
        let told = as_json(&error, error.downcast_ref(), Exit::Refused);
        assert_eq!(
            told,
            json!({"error": {"message": "the demo team: Not done.", "code": "conflict", "status": 409,
                "request_id": "r1", "exit": 4}})
        );
        let plain = anyhow!("no such file");
        assert_eq!(
            as_json(&plain, None, Exit::Failed)["error"]["code"],
            "failed"
        );
    }
}
