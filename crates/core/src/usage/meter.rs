//! The meter of one answer: bytes through, [`Usage`] out, whatever the answer was.
//!
//! The content type of the answer picks the reader, not what the request asked for: a refusal of a stream is
//! JSON, and some upstreams stream unasked.
//!
//! # Failure policy
//! Nothing an upstream sends is an error here. What cannot be read is estimated, what was cut is bounded
//! from below, and the bytes pass.

use super::findings::{Findings, at_least_one};
use super::plan::{Ending, MeterPlan, Metered, Output, ResponseFacts};
use super::shapes;
use super::shown::Shown;
use super::sse::SseReader;
use super::tokens::{Tokens, Usage};
use super::unread::Opaque;
use super::walker::Walker;

/// Meters one answer.
///
/// ```
/// use gmtech_core::usage::{
///     Ending, MeterPlan, Output, ResponseFacts, ResponseMeter, Tokens, Usage,
/// };
///
/// let facts = ResponseFacts {
///     status: 200,
///     content_type: Some(b"application/json"),
///     ..ResponseFacts::default()
/// };
/// let mut meter = ResponseMeter::new(&facts, MeterPlan::default());
/// let body = br#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12}}"#;
/// for chunk in body.chunks(7) {
///     assert_eq!(meter.push(chunk), Output::Unchanged);
/// }
/// assert_eq!(meter.finish(Ending::Complete).usage, Usage::Exact(Tokens::of(9, 12)));
/// ```
#[derive(Debug)]
pub struct ResponseMeter {
    plan: MeterPlan,
    reader: Reader,
    /// Whether the first byte has confirmed, or changed, what the content type said.
    begun: bool,
}

#[derive(Debug)]
enum Reader {
    /// The upstream refused: nothing was used.
    Refused,
    /// No content that is read: audio, images, text.
    Opaque(Opaque),
    Encoded(Opaque),
    Json(Box<(Walker, Findings)>),
    Sse(Box<SseReader>),
}

impl ResponseMeter {
    /// A meter for the answer with this head.
    #[must_use]
    pub fn new(facts: &ResponseFacts<'_>, plan: MeterPlan) -> Self {
        let media_type = facts.content_type.map(media_type).unwrap_or_default();
        let reader = if !(200..300).contains(&facts.status) {
            Reader::Refused
        } else if is_encoded(facts.content_encoding) {
            Reader::Encoded(Opaque::of(&media_type, true))
        } else {
            match media_type.as_slice() {
                b"text/event-stream" => {
                    Reader::Sse(Box::new(SseReader::new(plan.drop_usage_event)))
                }
                b"" => json(),
                other if is_json(other) => json(),
                other => Reader::Opaque(Opaque::of(other, false)),
            }
        };
        Self {
            plan,
            reader,
            begun: false,
        }
    }

    /// Whether the body may come out shorter than it went in, so that a `content-length` must go.
    #[must_use]
    pub fn may_shorten(&self) -> bool {
        self.plan.drop_usage_event && matches!(self.reader, Reader::Sse(_))
    }

    /// Takes the next bytes of the body, in any split.
    pub fn push(&mut self, chunk: &[u8]) -> Output {
        let chunk = self.begin(chunk);
        match &mut self.reader {
            Reader::Sse(sse) => return sse.push(chunk),
            Reader::Json(json) => {
                let (walker, findings) = &mut **json;
                walker.push(chunk, findings);
            }
            Reader::Opaque(opaque) | Reader::Encoded(opaque) => opaque.push(chunk.len()),
            Reader::Refused => {}
        }
        Output::Unchanged
    }

    /// So many bytes have passed that were not handed over. From here on the answer is counted by its bytes.
    pub fn lose(&mut self, bytes: usize) {
        if let Reader::Json(_) | Reader::Sse(_) = self.reader {
            self.reader = Reader::Opaque(Opaque::text());
        }
        if let Reader::Opaque(opaque) | Reader::Encoded(opaque) = &mut self.reader {
            opaque.push(bytes);
        }
    }

    /// The first byte tells a document from a stream of events. Some upstreams mislabel the one as the other, and SDKs
    /// read them all the same. What is left to read of the chunk.
    fn begin<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        if self.begun {
            return chunk;
        }
        // Spaces begin no document that is labelled a stream; there, they begin a line.
        let stream = matches!(self.reader, Reader::Sse(_));
        let blank = |b: &u8| match b {
            b'\r' | b'\n' => true,
            _ => !stream && b.is_ascii_whitespace(),
        };
        let blanks = chunk.iter().take_while(|b| blank(b)).count();
        let begun = chunk.get(blanks..).unwrap_or_default();
        let Some(first) = begun.first() else {
            return chunk;
        };
        self.begun = true;
        match (&self.reader, first) {
            (Reader::Sse(_), b'{' | b'[') => self.reader = json(),
            // `data`, `event`, `id`, `retry`, a comment.
            (Reader::Json(_), b'd' | b'e' | b'i' | b'r' | b':') => {
                self.reader = Reader::Sse(Box::new(SseReader::new(false)));
                return begun;
            }
            _ => {}
        }
        chunk
    }

    /// Bytes held back now: at most 16 KiB, and zero but for streams whose usage event is dropped.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.reader {
            Reader::Sse(sse) => sse.held_bytes(),
            _ => 0,
        }
    }

    /// The objects of the provider's that the answer has shown so far.
    #[must_use]
    pub fn shown(&self) -> Shown {
        match &self.reader {
            Reader::Json(json) => *json.1.shown(),
            Reader::Sse(sse) => *sse.shown(),
            Reader::Refused | Reader::Opaque(_) | Reader::Encoded(_) => Shown::default(),
        }
    }

    /// The end of the answer.
    pub fn finish(self, ending: Ending) -> Metered {
        let complete = ending == Ending::Complete;
        let plan = self.plan;
        let mut tail = Vec::new();
        let mut hidden_by_encoding = false;
        let usage = match self.reader {
            Reader::Refused => Usage::Exact(Tokens::default()),
            Reader::Opaque(opaque) => unread(&plan, opaque),
            Reader::Encoded(opaque) => {
                hidden_by_encoding = true;
                unread(&plan, opaque)
            }
            Reader::Json(json) => {
                let (walker, mut findings) = *json;
                if walker.is_closed() {
                    findings.done();
                }
                // A body that stops within its document was cut, whatever the transport says.
                let whole = complete && !walker.is_open();
                findings.settle(&plan, whole)
            }
            Reader::Sse(sse) => {
                let (held, findings) = sse.finish();
                tail = held;
                findings.settle(&plan, complete)
            }
        };
        Metered {
            tail,
            usage,
            hidden_by_encoding,
        }
    }
}

fn json() -> Reader {
    Reader::Json(Box::new((
        Walker::of_body(&shapes::BODY),
        Findings::of_body(),
    )))
}

/// The estimate for an answer that cannot be read: all that was reserved, or what its bytes are at least.
fn unread(plan: &MeterPlan, opaque: Opaque) -> Usage {
    let passed = if plan.generates { opaque.tokens() } else { 0 };
    Usage::Estimated(at_least_one(Tokens::of(
        plan.prompt_estimate,
        plan.output_estimate.max(passed),
    )))
}

/// The media type without its parameters, in lower case.
fn media_type(content_type: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let bare = content_type.get(..end).unwrap_or_default();
    bare.trim_ascii().to_ascii_lowercase()
}

fn is_json(media_type: &[u8]) -> bool {
    media_type.ends_with(b"/json")
        || media_type.ends_with(b"+json")
        || matches!(
            media_type,
            b"application/x-ndjson" | b"application/jsonl" | b"application/x-jsonlines"
        )
}

fn is_encoded(content_encoding: Option<&[u8]>) -> bool {
    content_encoding
        .unwrap_or_default()
        .split(|b| *b == b',')
        .map(|coding| coding.trim_ascii())
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}
