//! A batch's file: a request a line.

use super::super::error::BodyError;
use super::super::lexer::Lexer;
use super::super::meter::PartCosts;
use super::enclosed::{Enclosed, Shape};
use super::sum::Batched;
use super::{at, empty};

/// Reads a file of lines.
#[derive(Debug)]
pub(in crate::request) struct Lines {
    lexer: Lexer,
    enclosed: Enclosed,
    /// The number of the line under way, from 1.
    line: u64,
    /// Something other than white space stands in the line.
    begun: bool,
    fault: Option<BodyError>,
}

impl Lines {
    pub(in crate::request) fn new(costs: PartCosts) -> Self {
        Self {
            lexer: Lexer::new(),
            enclosed: Enclosed::new(Shape::Line, costs),
            line: 1,
            begun: false,
            fault: None,
        }
    }

    /// More of the file. After a fault the rest is not read.
    pub(in crate::request) fn push(&mut self, mut bytes: &[u8]) {
        while self.fault.is_none() && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (piece, rest) = match end.and_then(|at| bytes.split_at_checked(at)) {
                Some((piece, rest)) => (piece, rest.get(1..).unwrap_or_default()),
                None => (bytes, &[][..]),
            };
            self.begun |= !piece.trim_ascii().is_empty();
            if self.begun {
                let read = self.lexer.push(piece, &mut self.enclosed);
                self.note(read);
            }
            if end.is_some() && self.fault.is_none() {
                self.end_line();
                self.line = self.line.saturating_add(1);
            }
            bytes = rest;
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.begun) {
            let ended = self.lexer.finish();
            self.note(ended);
            if self.fault.is_none() {
                let ended = self.enclosed.end_document();
                self.note(ended.map_err(|fault| BodyError::Batch(fault, 0)));
            }
        }
        self.lexer = Lexer::new();
    }

    fn note(&mut self, result: Result<(), BodyError>) {
        if let Err(error) = result {
            self.fault = Some(at(error, self.line));
        }
    }

    /// What the file comes to.
    ///
    /// # Errors
    /// The first fault, with its line.
    pub(in crate::request) fn finish(&mut self) -> Result<&Batched, BodyError> {
        if self.fault.is_none() {
            self.end_line();
        }
        match self.fault {
            Some(fault) => Err(fault),
            None if self.enclosed.batched.requests == 0 => Err(at(empty(), self.line)),
            None => Ok(&self.enclosed.batched),
        }
    }

    /// The first fault so far.
    pub(in crate::request) fn fault(&self) -> Option<BodyError> {
        self.fault
    }
}
