//! A multipart/form-data body (RFC 7578), scanned as it passes by.
//!
//! multer and its like want a stream to pull from and hold each field whole. This scanner keeps its place in
//! about two kilobytes and looks at the whole body, however far back the fields stand: some SDKs send the
//! file first. It is stricter than the parsers behind it, so that none of them finds a field that it did not:
//! lines end in CRLF, nothing stands before the first boundary or after the last, and a boundary in any other
//! place is refused.

use super::boundary::Boundary;
use super::error::BodyError;
use super::fault::MultipartFault;
use super::form::Form;
use super::part;
use crate::json::Bounded;

/// A line end that may begin a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Cr,
    Lf,
    CrLf,
}

impl Break {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Cr => b"\r",
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The first boundary, so many bytes matched.
    Start(usize),
    /// After a boundary: `--`, or white space and CRLF.
    Dash,
    CloseDash,
    Padding,
    LineFeed,
    /// A part's headers.
    Header {
        cr: bool,
    },
    /// A part's content; perhaps a delimiter: the line end, and so many bytes of the boundary.
    Content(Option<(Break, usize)>),
    /// After the closing boundary.
    End,
}

/// More headers than any client sends with a part.
const MAX_HEADERS: u32 = 16;

/// The longest header line of a part.
const MAX_HEADER: usize = 1024;

/// The scanner's place in the form.
#[derive(Debug)]
pub(super) struct Multipart {
    boundary: Boundary,
    state: State,
    header: Bounded<MAX_HEADER>,
    headers: u32,
    part: part::Headers,
    pub(super) form: Form,
}

impl Multipart {
    pub(super) const fn new(boundary: Boundary, form: Form) -> Self {
        Self {
            boundary,
            state: State::Start(0),
            header: Bounded::new(),
            headers: 0,
            part: part::Headers::new(),
            form,
        }
    }

    /// Reads the next bytes.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        let mut rest = chunk;
        while let Some((&byte, tail)) = rest.split_first() {
            if let State::Content(None) = self.state {
                let plain = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                if plain > 0 {
                    let (content, after) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                    self.form.content(content);
                    rest = after;
                    continue;
                }
            }
            self.state = self.byte(byte)?;
            rest = tail;
        }
        Ok(())
    }

    /// Whether the form is complete.
    pub(super) fn finish(&self) -> Result<(), BodyError> {
        match self.state {
            State::End => Ok(()),
            State::Start(0) => Err(BodyError::Empty),
            _ => Err(BodyError::InvalidForm(MultipartFault::Truncated)),
        }
    }

    fn byte(&mut self, byte: u8) -> Result<State, BodyError> {
        let fault = |fault| Err(BodyError::InvalidForm(fault));
        Ok(match (self.state, byte) {
            (State::Start(matched), _) => {
                let matched = matched.saturating_add(1);
                match self.boundary.delimiter().get(..matched) {
                    Some([.., last])
                        if *last == byte && matched == self.boundary.delimiter().len() =>
                    {
                        State::Dash
                    }
                    Some([.., last]) if *last == byte => State::Start(matched),
                    _ => return fault(MultipartFault::Start),
                }
            }
            (State::Dash, b'-') => State::CloseDash,
            (State::CloseDash, b'-') => State::End,
            (State::Dash | State::Padding, b'\r') => State::LineFeed,
            (State::Dash | State::Padding, b' ' | b'\t') => State::Padding,
            (State::LineFeed, b'\n') => {
                self.part = part::Headers::new();
                self.header.clear();
                self.headers = 0;
                State::Header { cr: false }
            }
            (State::Dash | State::CloseDash | State::Padding | State::LineFeed, _) => {
                return fault(MultipartFault::Ambiguous);
            }
            (State::Header { cr: true }, b'\n') => return self.end_header(),
            (State::Header { cr: false }, b'\r') => State::Header { cr: true },
            (State::Header { cr: true }, _) | (State::Header { .. }, b'\n') => {
                return fault(MultipartFault::Header);
            }
            (State::Header { cr: false }, _) => {
                self.header.push(&[byte]);
                State::Header { cr: false }
            }
            (State::Content(candidate), _) => return self.content(candidate, byte),
            (State::End, b' ' | b'\t' | b'\r' | b'\n') => State::End,
            (State::End, _) => return fault(MultipartFault::Trailing),
        })
    }

    fn end_header(&mut self) -> Result<State, BodyError> {
        let fault = Err(BodyError::InvalidForm(MultipartFault::Header));
        self.headers = self.headers.saturating_add(1);
        let Some(line) = self.header.whole() else {
            return fault;
        };
        if line.is_empty() {
            self.form.begin(self.part.finish()?)?;
            return Ok(State::Content(None));
        }
        if self.headers > MAX_HEADERS {
            return fault;
        }
        self.part.line(line)?;
        self.header.clear();
        Ok(State::Header { cr: false })
    }

    fn content(&mut self, candidate: Option<(Break, usize)>, byte: u8) -> Result<State, BodyError> {
        let next = match (candidate, byte) {
            (Some((Break::Cr, 0)), b'\n') => return Ok(State::Content(Some((Break::CrLf, 0)))),
            (_, b'\r') => Some((Break::Cr, 0)),
            (_, b'\n') => Some((Break::Lf, 0)),
            (Some((line_end, matched)), _)
                if self.boundary.delimiter().get(matched) == Some(&byte) =>
            {
                let matched = matched.saturating_add(1);
                if matched < self.boundary.delimiter().len() {
                    return Ok(State::Content(Some((line_end, matched))));
                }
                if line_end != Break::CrLf {
                    return Err(BodyError::InvalidForm(MultipartFault::Ambiguous));
                }
                self.form.end()?;
                return Ok(State::Dash);
            }
            _ => None,
        };
        if let Some((line_end, matched)) = candidate {
            self.form.content(line_end.bytes());
            self.form
                .content(self.boundary.delimiter().get(..matched).unwrap_or_default());
        }
        if next.is_none() {
            self.form.content(&[byte]);
        }
        Ok(State::Content(next))
    }
}
