//! What passed and could not be read: bytes, and the tokens that they are at least.
//!
//! What it is: the floor under the charge for answers of shapes and encodings that are not known here. A reservation is
//! no floor: it was made before anything was generated.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// Why the usage of an answer was not read, so that it is charged by what passed.
    pub enum Unread {
        /// It was compressed, although the upstream is asked not to.
        Encoding = "encoding",
        /// It holds no text: audio, an image.
        Media = "media",
        /// It is text, but neither JSON nor events.
        Text = "text",
        /// It is JSON, or events, of a shape that is not known here.
        Shape = "shape",
        /// It began as JSON and is none.
        Broken = "broken",
        /// The host did not deliver all of it.
        Lost = "lost",
    }
}

/// Bytes a token of text whose place is not known: the average of English.
const TEXT_BYTES_PER_TOKEN: u64 = 4;

/// Bytes a token of text that is not read at all: the floor under every estimate ([`crate::estimate`]).
/// Compressed text is denser than that, so that it holds for it too.
const OPAQUE_TEXT_BYTES_PER_TOKEN: u64 = 8;

/// Bytes a token of a compressed stream of events: each is a frame of its own, flushed by itself.
const ENCODED_EVENT_BYTES_PER_TOKEN: u64 = 32;

/// Bytes a token of audio and images. Models generate 20 tokens of audio a second; its largest form, PCM of 16 bits
/// at 24 kHz, has 48,000 bytes. Images have fewer bytes a token.
const MEDIA_BYTES_PER_TOKEN: u64 = 2_400;

/// From this length on, a string without anything but the letters of base64 is no text.
const BLOB: usize = 1_024;

/// A body that is not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opaque {
    bytes: u64,
    bytes_per_token: u64,
}

impl Opaque {
    /// For a body with an encoding, of this media type (in lower case, without parameters).
    pub(super) fn encoded(media_type: &[u8]) -> Self {
        Self::new(match media_type {
            b"text/event-stream" => ENCODED_EVENT_BYTES_PER_TOKEN,
            _ => OPAQUE_TEXT_BYTES_PER_TOKEN,
        })
    }

    /// For audio and images.
    pub(super) fn media() -> Self {
        Self::new(MEDIA_BYTES_PER_TOKEN)
    }

    /// For text that could have been read and was not handed over, and for bytes that are labelled as text.
    pub(super) fn text() -> Self {
        Self::new(OPAQUE_TEXT_BYTES_PER_TOKEN)
    }

    fn new(bytes_per_token: u64) -> Self {
        Self {
            bytes: 0,
            bytes_per_token,
        }
    }

    /// Whether nothing has passed.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// So many bytes have passed.
    pub(super) fn push(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The tokens that they are at least.
    pub(super) fn tokens(&self) -> u64 {
        self.bytes
            .checked_div(self.bytes_per_token)
            .unwrap_or(self.bytes)
    }
}

/// Strings at places that are not known, text and base64 told apart. How they are cut changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strings {
    text: u64,
    /// Decoded from base64: three bytes for every four letters.
    media: u64,
    /// Letters of base64 in a row, at the end of what came.
    run: usize,
}

impl Strings {
    /// Adds a piece of a string.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            let letters = rest.iter().take_while(|b| is_base64(**b)).count();
            self.run = self.run.saturating_add(letters);
            rest = rest.get(letters..).unwrap_or_default();
            let others = rest.iter().take_while(|b| !is_base64(**b)).count();
            if others > 0 {
                self.end();
                self.text = self.text.saturating_add(others as u64);
            }
            rest = rest.get(others..).unwrap_or_default();
        }
    }

    /// Ends a string.
    pub(super) fn end(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run < BLOB {
            self.text = self.text.saturating_add(run as u64);
        } else {
            self.blob(run);
        }
    }

    /// Adds so many letters of base64.
    pub(super) fn blob(&mut self, letters: usize) {
        let bytes = (letters as u64).saturating_mul(3).div_ceil(4);
        self.media = self.media.saturating_add(bytes);
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.text == 0 && self.media == 0 && self.run == 0
    }

    /// Adds all of the other, whose last string has ended.
    pub(super) fn add(&mut self, other: &Self) {
        self.text = self.text.saturating_add(other.text);
        self.media = self.media.saturating_add(other.media);
    }

    /// Leaves so many bytes of text out.
    pub(super) fn without(self, bytes: u64) -> Self {
        Self {
            text: self.text.saturating_sub(bytes),
            ..self
        }
    }

    /// The tokens that all are at least.
    pub(super) fn tokens(&self) -> u64 {
        let text = self.text / TEXT_BYTES_PER_TOKEN;
        text.saturating_add(self.media / MEDIA_BYTES_PER_TOKEN)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(strings: &[&str]) -> u64 {
        let mut all = Strings::default();
        for string in strings {
            all.push(string.as_bytes());
            all.end();
        }
        all.tokens()
    }

    #[test]
    fn text_and_base64_are_told_apart() {
        let prose = "word ".repeat(1_000);
        let blob = "A".repeat(32_000);
        for (strings, expected) in [
            (&[][..], 0),
            (&[prose.as_str()], 1_250),
            (&["A".repeat(1_023).as_str()], 255),
            (&[blob.as_str()], 10),
            (&[&format!("data:image/png;base64,{blob}")], 15),
            (&[blob.as_str(), &prose, &blob], 1_270),
            // Short strings are not one long one.
            (&["A".repeat(500).as_str(); 8], 1_000),
            (&["日本語 ".repeat(400).as_str()], 1_000),
        ] {
            assert_eq!(tokens(strings), expected, "{} strings", strings.len());
        }
    }

    #[test]
    fn a_body_that_is_not_read_counts_by_its_bytes() {
        for (mut opaque, expected) in [
            (Opaque::media(), 10),
            (Opaque::text(), 3_000),
            (Opaque::encoded(b"application/json"), 3_000),
            (Opaque::encoded(b"text/event-stream"), 750),
        ] {
            for _ in 0..3 {
                opaque.push(8_000);
            }
            assert_eq!(opaque.tokens(), expected, "{opaque:?}");
        }
    }

    proptest! {
        #[test]
        fn how_a_string_is_cut_changes_nothing(runs in proptest::collection::vec((0usize..2_000, 0usize..3), 0..6), size in 1usize..700) {
            let text: String = runs.iter().map(|(a, b)| "A".repeat(*a) + &" ".repeat(*b)).collect();
            let mut cut = Strings::default();
            for piece in text.as_bytes().chunks(size) { cut.push(piece); }
            cut.end();
            prop_assert_eq!(cut.tokens(), tokens(&[&text]));
        }
    }
}
