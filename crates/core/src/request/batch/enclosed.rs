//! Requests inside a document: the `body` of a line of a batch's file, the `params` of Anthropic's batches.
//!
//! What stands inside is read as a request of its own is, by the same [`Fields`]; around it only what says where the request
//! goes.

use super::super::error::BodyError;
use super::super::fault::BatchFault;
use super::super::fields::Fields;
use super::super::lexer::{Begin, Scalar, Visitor};
use super::super::meter::PartCosts;
use super::sum::Batched;
use crate::json::Bounded;

/// The longest `url` of a line.
const MAX_URL: usize = 128;

/// Where the requests stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One, under `body`: a line of a file.
    Line,
    /// Any number, each under `params` of an element of `requests`.
    Document,
}

impl Shape {
    /// The key and the depth of the object that it stands in.
    const fn key(self) -> (&'static [u8], usize) {
        match self {
            Self::Line => (b"body", 1),
            Self::Document => (b"params", 3),
        }
    }
}

/// What the next value around the requests is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Other,
    Request,
    Url,
    Method,
}

/// A request under way, and how many containers of it are open.
#[derive(Debug)]
struct Inner {
    fields: Box<Fields>,
    depth: usize,
}

/// Visits the document, and hands what is inside a request to that request's fields.
#[derive(Debug)]
pub(super) struct Enclosed {
    shape: Shape,
    costs: PartCosts,
    pub(super) batched: Batched,
    depth: usize,
    in_key: bool,
    key: Bounded<16>,
    text: Bounded<MAX_URL>,
    next: Next,
    inner: Option<Inner>,
    /// Where this line's request goes.
    url: Option<String>,
    found: bool,
}

impl Enclosed {
    pub(super) fn new(shape: Shape, costs: PartCosts) -> Self {
        Self {
            shape,
            costs,
            batched: Batched::default(),
            depth: 0,
            in_key: false,
            key: Bounded::new(),
            text: Bounded::new(),
            next: Next::Other,
            inner: None,
            url: None,
            found: false,
        }
    }

    /// A document is complete; a line must have been one request with its address.
    ///
    /// # Errors
    /// [`BatchFault`] where it was not.
    pub(super) fn end_document(&mut self) -> Result<(), BatchFault> {
        let (found, url) = (std::mem::take(&mut self.found), self.url.take());
        match self.shape {
            Shape::Line if !found => Err(BatchFault::NoBody),
            Shape::Line => self.batched.goes_to(url.ok_or(BatchFault::NoUrl)?),
            Shape::Document if !found => Err(BatchFault::NoBody),
            Shape::Document => Ok(()),
        }
    }

    fn end_key(&mut self) -> Result<(), BodyError> {
        self.in_key = false;
        let (name, at) = self.shape.key();
        let key = self.key.whole().unwrap_or_default();
        let mistyped = |word: &[u8]| key != word && key.eq_ignore_ascii_case(word);
        self.next = match (self.depth == at, self.shape) {
            (false, _) => Next::Other,
            (true, _) if key == name => Next::Request,
            (true, _) if mistyped(name) => return Err(fault(BatchFault::LetterCase)),
            (true, Shape::Line) if key == b"url" => Next::Url,
            (true, Shape::Line) if key == b"method" => Next::Method,
            (true, Shape::Line) if mistyped(b"url") => return Err(fault(BatchFault::LetterCase)),
            _ => Next::Other,
        };
        Ok(())
    }

    fn end_value(&mut self) -> Result<(), BodyError> {
        let text = self
            .text
            .whole()
            .and_then(|text| std::str::from_utf8(text).ok());
        match std::mem::replace(&mut self.next, Next::Other) {
            Next::Url => {
                let url = text.ok_or(fault(BatchFault::NoUrl))?;
                if self.url.replace(url.to_owned()).is_some() {
                    return Err(fault(BatchFault::NoUrl));
                }
            }
            Next::Method if text != Some("POST") => return Err(fault(BatchFault::Method)),
            Next::Request => return Err(fault(BatchFault::NoBody)),
            Next::Method | Next::Other => {}
        }
        Ok(())
    }
}

const fn fault(fault: BatchFault) -> BodyError {
    BodyError::Batch(fault, 0)
}

impl Visitor for Enclosed {
    fn begin(&mut self, what: Begin, inside: u64) -> Result<(), BodyError> {
        let container = matches!(what, Begin::Object | Begin::Array);
        if let Some(inner) = &mut self.inner {
            inner.depth = inner.depth.saturating_add(usize::from(container));
            return inner.fields.begin(what, inside);
        }
        if container && self.next == Next::Request {
            if what == Begin::Array || (self.shape == Shape::Line && self.found) {
                return Err(fault(BatchFault::NoBody));
            }
            self.next = Next::Other;
            let mut fields = Box::new(Fields::new(self.costs));
            fields.begin(what, inside)?;
            self.inner = Some(Inner { fields, depth: 1 });
            return Ok(());
        }
        match what {
            Begin::Key => {
                self.in_key = true;
                self.key.clear();
            }
            Begin::String => self.text.clear(),
            Begin::Object | Begin::Array => {
                self.next = Next::Other;
                self.depth = self.depth.saturating_add(1);
            }
        }
        Ok(())
    }

    fn text(&mut self, piece: &str) -> Result<(), BodyError> {
        if let Some(inner) = &mut self.inner {
            return inner.fields.text(piece);
        }
        if self.in_key {
            self.key.push(piece.as_bytes());
        } else {
            self.text.push(piece.as_bytes());
        }
        Ok(())
    }

    fn end_text(&mut self) -> Result<(), BodyError> {
        match &mut self.inner {
            Some(inner) => inner.fields.end_text(),
            None if self.in_key => self.end_key(),
            None => self.end_value(),
        }
    }

    fn end(&mut self) -> Result<(), BodyError> {
        let Some(inner) = &mut self.inner else {
            self.depth = self.depth.saturating_sub(1);
            return Ok(());
        };
        inner.fields.end()?;
        inner.depth = inner.depth.saturating_sub(1);
        if inner.depth > 0 {
            return Ok(());
        }
        if let Some(inner) = self.inner.take() {
            self.found = true;
            self.batched.add(&inner.fields).map_err(fault)?;
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar, from: u64, to: u64) -> Result<(), BodyError> {
        match &mut self.inner {
            Some(inner) => inner.fields.scalar(scalar, from, to),
            None if matches!(self.next, Next::Other) => Ok(()),
            None => Err(fault(match self.next {
                Next::Method => BatchFault::Method,
                Next::Url => BatchFault::NoUrl,
                Next::Other | Next::Request => BatchFault::NoBody,
            })),
        }
    }
}
