//! The meter of one answer: bytes through, [`Usage`] out, whatever the answer was.
//!
//! The bytes of the answer tell what it is, not its content type, and not what the request asked for: a refusal of a stream is
//! JSON, some upstreams stream unasked, and others label a stream as JSON or as plain text. The content type only tells how many
//! bytes of what is no text at all make a token.
//!
//! # Failure policy
//! Nothing an upstream sends is an error here. What cannot be read is estimated, what was cut is bounded
//! from below, and the bytes pass.

use super::findings::{Settled, at_least_one};
use super::plan::{Ending, MeterPlan, Metered, Output, ResponseFacts};
use super::shown::Shown;
use super::sniff;
use super::text::TextReader;
use super::tokens::{Tokens, Usage};
use super::unread::{Opaque, Unread};
use crate::json::Bounded;

/// The first byte of what gzip has compressed. No text begins so.
const GZIP: u8 = 0x1f;

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
    /// All bytes so far, for what turns out to be no text.
    passed: Opaque,
}

#[derive(Debug)]
enum Reader {
    /// The upstream refused: nothing was used.
    Refused,
    /// It is not read.
    Opaque(Unread),
    /// It is labelled as audio or the like. Its first bytes, until they tell.
    Begun(Box<Bounded<{ sniff::DECISIVE }>>),
    Text(Box<TextReader>),
}

impl ResponseMeter {
    /// A meter for the answer with this head.
    #[must_use]
    pub fn new(facts: &ResponseFacts<'_>, plan: MeterPlan) -> Self {
        let media_type = facts.content_type.map(media_type).unwrap_or_default();
        let (reader, passed) = if !(200..300).contains(&facts.status) {
            (Reader::Refused, Opaque::text())
        } else if is_encoded(facts.content_encoding) {
            let passed = Opaque::encoded(&media_type);
            (Reader::Opaque(Unread::Encoding), passed)
        } else if media_type.is_empty() {
            (text(&plan), Opaque::media())
        } else if is_text(&media_type) {
            (text(&plan), Opaque::text())
        } else {
            (Reader::Begun(Box::new(Bounded::new())), Opaque::media())
        };
        Self {
            plan,
            reader,
            passed,
        }
    }

    /// Whether the body may come out shorter than it went in, so that a `content-length` must go.
    #[must_use]
    pub fn may_shorten(&self) -> bool {
        self.plan.drop_usage_event && matches!(self.reader, Reader::Text(_) | Reader::Begun(_))
    }

    /// Takes the next bytes of the body, in any split.
    pub fn push(&mut self, chunk: &[u8]) -> Output {
        let first = self.passed.is_empty();
        self.passed.push(chunk.len());
        if let Reader::Begun(begun) = &mut self.reader {
            let mut with_chunk = Bounded::clone(begun);
            with_chunk.push(chunk);
            match sniff::is_text(with_chunk.held()) {
                None => **begun = with_chunk,
                Some(false) => self.reader = Reader::Opaque(Unread::Media),
                Some(true) => {
                    let reader = TextReader::after(begun.held(), self.plan.drop_usage_event);
                    self.reader = Reader::Text(Box::new(reader));
                }
            }
        }
        match &mut self.reader {
            Reader::Text(_) if first && chunk.first() == Some(&GZIP) => {
                self.passed = Opaque::text();
                self.passed.push(chunk.len());
                self.reader = Reader::Opaque(Unread::Encoding);
                Output::Unchanged
            }
            Reader::Text(text) => text.push(chunk),
            Reader::Refused | Reader::Opaque(_) | Reader::Begun(_) => Output::Unchanged,
        }
    }

    /// So many bytes have passed that were not handed over. From here on the answer is counted by its bytes.
    pub fn lose(&mut self, bytes: usize) {
        self.passed.push(bytes);
        if let Reader::Text(_) | Reader::Begun(_) = self.reader {
            self.reader = Reader::Opaque(Unread::Lost);
        }
    }

    /// Bytes held back now: at most 16 KiB, and zero but for streams whose usage event is dropped.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.reader {
            Reader::Text(text) => text.held_bytes(),
            _ => 0,
        }
    }

    /// The objects of the provider's that the answer has shown so far.
    #[must_use]
    pub fn shown(&self) -> Shown {
        match &self.reader {
            Reader::Text(text) => *text.shown(),
            Reader::Refused | Reader::Opaque(_) | Reader::Begun(_) => Shown::default(),
        }
    }

    /// The end of the answer.
    pub fn finish(self, ending: Ending) -> Metered {
        let (plan, passed) = (self.plan, self.passed);
        let mut tail = Vec::new();
        let (usage, unread) = match self.reader {
            Reader::Refused => (Usage::Exact(Tokens::default()), None),
            Reader::Opaque(why) => (unread(&plan, passed), Some(why)),
            Reader::Begun(_) => (unread(&plan, passed), Some(Unread::Media)),
            Reader::Text(text) => {
                let (held, settled) = text.finish(&plan, ending == Ending::Complete);
                tail = held;
                match settled {
                    Settled::Usage(usage, why) => (usage, why),
                    Settled::Binary => (unread(&plan, passed), Some(Unread::Media)),
                }
            }
        };
        Metered {
            tail,
            usage,
            unread,
        }
    }
}

fn text(plan: &MeterPlan) -> Reader {
    Reader::Text(Box::new(TextReader::new(plan.drop_usage_event)))
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

/// Whether this is the type of some text.
fn is_text(media_type: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"json", b"xml", b"subrip"];
    let has = |word: &&[u8]| memchr::memmem::find(media_type, word).is_some();
    media_type.starts_with(b"text/") || words.iter().any(has)
}

fn is_encoded(content_encoding: Option<&[u8]>) -> bool {
    content_encoding
        .unwrap_or_default()
        .split(|b| *b == b',')
        .map(|coding| coding.trim_ascii())
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}
