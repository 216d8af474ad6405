//! Anthropic's batches: all requests in one document.

use super::super::error::BodyError;
use super::super::lexer::Lexer;
use super::super::meter::PartCosts;
use super::enclosed::{Enclosed, Shape};
use super::sum::Batched;
use super::{at, empty};

/// Reads one document of many requests.
#[derive(Debug)]
pub(in crate::request) struct Document {
    lexer: Lexer,
    enclosed: Enclosed,
}

impl Document {
    pub(in crate::request) fn new(costs: PartCosts) -> Self {
        Self {
            lexer: Lexer::new(),
            enclosed: Enclosed::new(Shape::Document, costs),
        }
    }

    /// More of it.
    ///
    /// # Errors
    /// The first fault, with the number of its request.
    pub(in crate::request) fn push(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let read = self.lexer.push(bytes, &mut self.enclosed);
        let number = self.enclosed.batched.requests.saturating_add(1);
        read.map_err(|error| at(error, number))
    }

    /// What it comes to.
    ///
    /// # Errors
    /// Where it is not complete, or has no request.
    pub(in crate::request) fn finish(&mut self) -> Result<&Batched, BodyError> {
        self.lexer.finish()?;
        match self.enclosed.end_document() {
            Ok(()) => Ok(&self.enclosed.batched),
            Err(_) => Err(empty()),
        }
    }

    /// What was read so far.
    pub(in crate::request) fn batched(&self) -> &Batched {
        &self.enclosed.batched
    }
}
