//! Lays out the exact frames and pauses of a body, from an answer and its directives. Pure: nothing is sent here.

use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};

use crate::count::Tokens;
use crate::directive::Directives;

/// The events, tokens and usage that the client has once it has some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub events: u64,
    pub tokens: u64,
    pub usage: Option<Tokens>,
}

impl Mark {
    fn add(&mut self, later: Self) {
        self.events += later.events;
        self.tokens += later.tokens;
        self.usage = later.usage.or(self.usage);
    }
}

/// One step of sending a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One frame; over HTTP/1.1 one chunk.
    Send(Bytes, Mark),
    /// Lets the connection write its buffer, so that frames do not share a packet by chance.
    Flush,
    /// Waits.
    Sleep(Duration),
    /// Ends the body with trailers.
    Trailers(HeaderMap),
    /// Breaks the connection (HTTP/2: the stream).
    Cut,
}

/// Bytes, and the mark that their last byte completes.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub bytes: Vec<u8>,
    pub mark: Mark,
}

/// A body as a list of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub steps: VecDeque<Step>,
    /// The whole body's length, if it is announced.
    pub length: Option<u64>,
}

/// Lays out `pieces`: one document, or the events of a stream.
pub(crate) fn lay_out(mut pieces: Vec<Piece>, streams: bool, d: &Directives) -> Script {
    if d.bom
        && let Some(first) = pieces.first_mut()
    {
        first.bytes.splice(0..0, *b"\xef\xbb\xbf");
    }
    if d.gzip {
        compress(&mut pieces);
    }
    let whole: u64 = pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
    let mut writer = Writer {
        chunk: d.chunk_bytes.and_then(|n| usize::try_from(n).ok()),
        ..Writer::default()
    };
    if !d.first_event.is_zero() {
        writer.pause(d.first_event);
    }
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 && !d.event_delay.is_zero() {
            writer.pause(d.event_delay);
        }
        if streams && d.cut_after_events == Some(i as u64) {
            break;
        }
        writer.write(piece);
    }
    writer.flush();
    let mut steps = writer.steps;
    if streams && d.cut_after_events.is_some() {
        // Everything before the cut, even if it is only the head, must be on the wire first.
        steps.extend([Step::Flush, Step::Cut]);
    }
    if let Some(at) = d.split_at {
        split(&mut steps, at, false);
    }
    let cut_at = d
        .cut_after_bytes
        .or_else(|| d.cut_after_events.filter(|_| !streams).map(|_| whole / 2));
    if let Some(at) = cut_at {
        split(&mut steps, at, true);
    }
    if d.trailers {
        let mut trailers = HeaderMap::new();
        trailers.insert(
            "x-mock-trailer",
            axum::http::HeaderValue::from_static("end"),
        );
        steps.push_back(Step::Trailers(trailers));
    }
    Script {
        steps,
        length: (!streams && !d.trailers).then_some(whole),
    }
}

/// Compresses as servers do for streams: each event can be inflated as soon as it has arrived.
fn compress(pieces: &mut [Piece]) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let last = pieces.len().saturating_sub(1);
    for (i, piece) in pieces.iter_mut().enumerate() {
        // Writing to a Vec does not fail.
        let _ = encoder.write_all(&piece.bytes);
        let _ = if i == last {
            encoder.try_finish()
        } else {
            encoder.flush()
        };
        piece.bytes = std::mem::take(encoder.get_mut());
    }
}

/// Regroups pieces into frames: one piece in each, or frames of `chunk` bytes that ignore the borders of events.
#[derive(Default)]
struct Writer {
    steps: VecDeque<Step>,
    chunk: Option<usize>,
    held: BytesMut,
    mark: Mark,
}

impl Writer {
    fn write(&mut self, piece: &Piece) {
        self.held.extend_from_slice(&piece.bytes);
        match self.chunk {
            None => {
                self.mark.add(piece.mark);
                self.flush();
            }
            Some(chunk) => {
                // A piece is complete with its last byte, so its mark belongs to the frame that has that byte.
                while self.held.len() > chunk {
                    let frame = self.held.split_to(chunk).freeze();
                    let mark = std::mem::take(&mut self.mark);
                    self.send(frame, mark);
                }
                self.mark.add(piece.mark);
                if self.held.len() == chunk {
                    self.flush();
                }
            }
        }
    }

    fn send(&mut self, frame: Bytes, mark: Mark) {
        self.steps.push_back(Step::Send(frame, mark));
        self.steps.push_back(Step::Flush);
    }

    fn flush(&mut self) {
        if !self.held.is_empty() {
            let frame = self.held.split().freeze();
            let mark = std::mem::take(&mut self.mark);
            self.send(frame, mark);
        }
    }

    fn pause(&mut self, time: Duration) {
        self.flush();
        self.steps.push_back(Step::Sleep(time));
    }
}

/// Splits the frame that contains offset `at`. With `cut`, a broken connection replaces everything after it.
fn split(steps: &mut VecDeque<Step>, at: u64, cut: bool) {
    let mut before = 0;
    let mut found = None;
    for (i, step) in steps.iter().enumerate() {
        let Step::Send(bytes, _) = step else { continue };
        let end = before + bytes.len() as u64;
        if at < end {
            found = Some((i, usize::try_from(at - before).unwrap_or(0)));
            break;
        }
        before = end;
    }
    let Some((i, offset)) = found else { return };
    let mut tail = steps.split_off(i);
    if let Some(Step::Send(mut bytes, mark)) = tail.pop_front() {
        let head = bytes.split_to(offset);
        if !head.is_empty() {
            steps.push_back(Step::Send(head, Mark::default()));
            steps.push_back(Step::Flush);
        }
        tail.push_front(Step::Send(bytes, mark));
    }
    if cut {
        steps.extend([Step::Flush, Step::Cut]);
    } else {
        steps.append(&mut tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[&str]) -> Vec<Piece> {
        let mark = Mark {
            events: 1,
            tokens: 1,
            usage: None,
        };
        texts
            .iter()
            .map(|text| Piece {
                bytes: text.as_bytes().to_vec(),
                mark,
            })
            .collect()
    }

    /// Frames as text with the events that each completes; `!` is a cut, `.` a pause.
    fn shown(directives: &str, texts: &[&str], streams: bool) -> String {
        let mut d = Directives::default();
        d.apply(directives).unwrap();
        let script = lay_out(pieces(texts), streams, &d);
        let steps = script.steps.iter().filter_map(|step| match step {
            Step::Send(bytes, mark) => Some(format!(
                "{}:{}",
                String::from_utf8_lossy(bytes),
                mark.events
            )),
            Step::Sleep(_) => Some(".".into()),
            Step::Cut => Some("!".into()),
            Step::Trailers(_) => Some("T".into()),
            Step::Flush => None,
        });
        steps.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn frames_are_laid_out_as_asked() {
        for (directives, streams, frames) in [
            ("", true, "abc:1 defg:1 h:1"),
            ("chunk_bytes=1", true, "a:0 b:0 c:1 d:0 e:0 f:0 g:1 h:1"),
            ("chunk_bytes=2", true, "ab:0 cd:1 ef:0 gh:2"),
            ("chunk_bytes=100", true, "abcdefgh:3"),
            ("split_at=2", true, "ab:0 c:1 defg:1 h:1"),
            ("split_at=3", true, "abc:1 defg:1 h:1"),
            ("split_at=99", true, "abc:1 defg:1 h:1"),
            ("cut_after_events=0", true, "!"),
            ("cut_after_events=2", true, "abc:1 defg:1 !"),
            ("cut_after_bytes=0", true, "!"),
            ("cut_after_bytes=4", true, "abc:1 d:0 !"),
            ("cut_after_events=0", false, "abc:1 d:0 !"),
            ("event_delay_ms=1", true, "abc:1 . defg:1 . h:1"),
            (
                "first_event_ms=1; chunk_bytes=2",
                true,
                ". ab:0 cd:1 ef:0 gh:2",
            ),
            (
                "event_delay_ms=1; chunk_bytes=2",
                true,
                "ab:0 c:1 . de:0 fg:1 . h:1",
            ),
            ("trailers", true, "abc:1 defg:1 h:1 T"),
        ] {
            assert_eq!(
                shown(directives, &["abc", "defg", "h"], streams),
                frames,
                "{directives}"
            );
        }
    }

    #[test]
    fn every_split_keeps_every_byte_and_every_event() {
        let texts = ["abc", "defg", "", "hi"];
        for chunk in 1..12 {
            for at in 1..12 {
                let mut d = Directives::default();
                d.apply(&format!("chunk_bytes={chunk}; split_at={at}"))
                    .unwrap();
                let (mut bytes, mut events) = (Vec::new(), 0);
                for step in lay_out(pieces(&texts), true, &d).steps {
                    if let Step::Send(part, mark) = step {
                        bytes.extend_from_slice(&part);
                        events += mark.events;
                    }
                }
                assert_eq!(
                    (bytes.as_slice(), events),
                    (&b"abcdefghi"[..], 4),
                    "{chunk} {at}"
                );
            }
        }
    }
}
