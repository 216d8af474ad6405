//! Sends a script as a response body, and records in the capture how much was sent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::capture::{Capture, Entry, Outcome, lock};
use crate::script::{Script, Step};

/// Ends a request's capture exactly once, whatever happens to its connection. If it is dropped without an outcome,
/// the client has disconnected.
#[derive(Debug)]
pub(crate) struct Guard {
    capture: Arc<Capture>,
    entry: Arc<Entry>,
    outcome: Outcome,
}

impl Guard {
    pub(crate) fn new(capture: Arc<Capture>, entry: Arc<Entry>) -> Self {
        Self {
            capture,
            entry,
            outcome: Outcome::Disconnected,
        }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The outcome to record when the guard is dropped.
    pub(crate) fn will_be(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.capture.end(&self.entry, self.outcome);
    }
}

/// The error that breaks the connection, because a directive says so.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("cut, as asked")]
pub(crate) struct CutAsAsked;

/// A response body that plays a script.
#[derive(Debug)]
pub(crate) struct Player {
    steps: VecDeque<Step>,
    left: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    guard: Guard,
    /// The outcome of a script that is played to its end.
    ending: Outcome,
}

impl Player {
    pub(crate) fn new(script: Script, guard: Guard, ending: Outcome) -> Self {
        let mut player = Self {
            steps: script.steps,
            left: script.length,
            sleep: None,
            guard,
            ending,
        };
        player.note_end();
        player
    }

    /// A flush is only needed when more follows.
    fn note_end(&mut self) {
        if self.steps.iter().all(|step| *step == Step::Flush) {
            self.steps.clear();
            self.guard.will_be(self.ending);
        }
    }
}

impl Body for Player {
    type Data = Bytes;
    type Error = CutAsAsked;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutAsAsked>>> {
        if let Some(sleep) = &mut self.sleep {
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.sleep = None,
            }
        }
        loop {
            let Some(step) = self.steps.pop_front() else {
                return Poll::Ready(None);
            };
            match step {
                Step::Send(bytes, mark) => {
                    {
                        let mut progress = lock(&self.guard.entry().progress);
                        progress.bytes_sent += bytes.len() as u64;
                        progress.events_sent += mark.events;
                        progress.counted.completion += mark.tokens;
                        progress.reported = mark.usage.or(progress.reported);
                    }
                    self.left = self
                        .left
                        .map(|left| left.saturating_sub(bytes.len() as u64));
                    self.note_end();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Step::Flush => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Sleep(time) => {
                    let mut sleep = Box::pin(tokio::time::sleep(time));
                    if sleep.as_mut().poll(cx).is_pending() {
                        self.sleep = Some(sleep);
                        return Poll::Pending;
                    }
                }
                Step::Trailers(trailers) => {
                    self.note_end();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Step::Cut => {
                    self.steps.clear();
                    self.guard.will_be(Outcome::Cut);
                    return Poll::Ready(Some(Err(CutAsAsked)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}
