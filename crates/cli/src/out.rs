//! All that this program writes to standard output and standard error.
//!
//! # Failure policy
//! No write panics. If the reader has closed standard output, the error is [`Closed`], which ends a command quietly. Any other
//! failure is reported, since a script must not take half an answer for a whole one.

use std::fmt;
use std::io::{self, Write};

use anyhow::{Context as _, Result};

/// The reader of standard output has closed it.
#[derive(Debug)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output was closed")
    }
}

impl std::error::Error for Closed {}

/// Writes to standard output.
///
/// # Errors
/// [`Closed`], or the reason why it cannot be written.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        done => done.context("cannot write to standard output"),
    }
}

/// Writes a secret that is shown only once, such as a new key. A closed output is a failure here; `lost` says what to do.
///
/// # Errors
/// With `lost`, if it was not written.
pub(crate) fn print_once(text: &str, lost: &str) -> Result<()> {
    // As text, so that it is not handled as [`Closed`], which ends quietly.
    print(text).map_err(|error| anyhow::anyhow!("{lost} ({error:#})"))
}

/// Writes to standard error. A failure is ignored.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
