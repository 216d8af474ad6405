//! The prompt's size in tokens, from what passes by.
//!
//! Text goes through [`TextEstimator`]. Images, sound and files are parts of their own at a flat cost, since
//! their base64 has nothing to do with what they are billed as. What is which follows from the keys, and is
//! checked on the bytes: a string in an image's place that is no URL and no base64 counts as text too, so that prose
//! does not hide there.

use super::keys::Key;
use crate::estimate::TextEstimator;

/// What parts other than text are expected to cost, in tokens. Estimates all: settlement puts them right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartCosts {
    /// An image: OpenAI bills 85 + 170 a tile of 512 px, 765 for 1024×1024, 1,105 for the largest example of
    /// its vision guide (2048×4096), which is the default.
    pub image: u64,
    /// Sound inside a message, at least: ten seconds at OpenAI's token per 100 ms.
    pub audio: u64,
    /// Bytes of base64 sound a token. MP3 at 64 kbit/s has 1,067, PCM at 24 kHz 6,400. 0: flat only.
    pub audio_bytes_per_token: u64,
    /// A file inside a message, or named by its id, at least: one page as an image.
    pub file: u64,
    /// Bytes of base64 file a token: between a dense PDF (about 30) and a scanned one (over 100). 0: flat only.
    pub file_bytes_per_token: u64,
    /// Bytes of a recording to transcribe a token: MP3 at 64 kbit/s has 800, at 128 kbit/s 1,600. 0: free.
    pub recording_bytes_per_token: u64,
    /// What a message costs besides its text: OpenAI's chat format adds three or four.
    pub message: u64,
}

impl Default for PartCosts {
    fn default() -> Self {
        Self {
            image: 1_105,
            audio: 100,
            audio_bytes_per_token: 1_000,
            file: 1_105,
            file_bytes_per_token: 64,
            recording_bytes_per_token: 800,
            message: 4,
        }
    }
}

/// How many parts were counted at a flat cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartCounts {
    /// Images, inline or by URL.
    pub images: u64,
    /// Sound.
    pub audios: u64,
    /// Files, inline, by URL or by id.
    pub files: u64,
}

/// From this many bytes on, base64 under a key that need not be a picture is taken for one.
const BLOB_BYTES: u64 = 256;

/// Identifiers are free up to this length; what is longer is text in disguise.
const ID_BYTES: u64 = 128;

/// Bytes a token of what is neither text nor picture (encrypted reasoning): the floor of all estimates.
const OPAQUE_BYTES_PER_TOKEN: u64 = 8;

/// Sums the prompt.
#[derive(Debug)]
pub(super) struct Meter {
    costs: PartCosts,
    text: TextEstimator,
    other: u64,
    parts: PartCounts,
    /// Bytes of the present string that are not counted as text.
    held: u64,
    /// The present string of a part turned out to be text.
    prose: bool,
}

impl Meter {
    pub(super) const fn new(costs: PartCosts) -> Self {
        Self {
            costs,
            text: TextEstimator::new(),
            other: 0,
            parts: PartCounts {
                images: 0,
                audios: 0,
                files: 0,
            },
            held: 0,
            prose: false,
        }
    }

    pub(super) fn tokens(&self) -> u64 {
        self.text.tokens().saturating_add(self.other)
    }

    pub(super) fn parts(&self) -> PartCounts {
        self.parts
    }

    /// Adds a token id, or a number that the model is shown.
    pub(super) fn number(&mut self) {
        self.add(1);
    }

    /// Adds what a message costs besides its text.
    pub(super) fn message(&mut self) {
        self.add(self.costs.message);
    }

    /// Adds a recording of so many bytes.
    pub(super) fn recording(&mut self, bytes: u64) {
        self.parts.audios = self.parts.audios.saturating_add(1);
        self.add(
            bytes
                .checked_div(self.costs.recording_bytes_per_token)
                .unwrap_or(0),
        );
    }

    /// Adds an image, whatever its bytes.
    pub(super) fn image(&mut self) {
        self.parts.images = self.parts.images.saturating_add(1);
        self.add(self.costs.image);
    }

    /// More of the present string, which stands under `key`.
    pub(super) fn push(&mut self, key: Key, piece: &[u8]) {
        match key {
            Key::Other | Key::Label => self.text.push(piece),
            Key::Role | Key::Id => {
                let free =
                    usize::try_from(ID_BYTES.saturating_sub(self.held)).unwrap_or(usize::MAX);
                let (_, long) = piece.split_at_checked(free).unwrap_or((piece, &[]));
                self.held = self.held.saturating_add(piece.len() as u64);
                self.text.push(long);
            }
            Key::Opaque => self.held = self.held.saturating_add(piece.len() as u64),
            Key::Image | Key::Audio | Key::File | Key::Source | Key::Blob => {
                let encoded = if self.prose { 0 } else { encoded_len(piece) };
                let (encoded, prose) = piece.split_at_checked(encoded).unwrap_or((piece, &[]));
                self.held = self.held.saturating_add(encoded.len() as u64);
                self.prose |= !prose.is_empty();
                self.text.push(prose);
            }
        }
    }

    /// The present string is complete.
    pub(super) fn end(&mut self, key: Key) {
        self.text.end_text();
        let (held, prose) = (
            std::mem::take(&mut self.held),
            std::mem::take(&mut self.prose),
        );
        match key {
            Key::Other | Key::Label | Key::Role | Key::Id => {}
            Key::Opaque => self.add(held.div_ceil(OPAQUE_BYTES_PER_TOKEN)),
            Key::Image => self.image(),
            Key::Source if !prose => self.image(),
            Key::Blob if !prose && held >= BLOB_BYTES => self.image(),
            Key::Audio => {
                self.parts.audios = self.parts.audios.saturating_add(1);
                let by_length = held
                    .checked_div(self.costs.audio_bytes_per_token)
                    .unwrap_or(0);
                self.add(by_length.max(self.costs.audio));
            }
            Key::File => {
                self.parts.files = self.parts.files.saturating_add(1);
                let by_length = held
                    .checked_div(self.costs.file_bytes_per_token)
                    .unwrap_or(0);
                self.add(by_length.max(self.costs.file));
            }
            // Text after all: what was passed over counts as letters in a row.
            Key::Source | Key::Blob => self.add(held.div_ceil(2)),
        }
    }

    fn add(&mut self, tokens: u64) {
        self.other = self.other.saturating_add(tokens);
    }
}

/// How many bytes from the start may be a URL or base64: no space, nothing beyond ASCII. Line ends pass, since some
/// encoders wrap.
fn encoded_len(bytes: &[u8]) -> usize {
    const fn encoded(byte: u8) -> bool {
        // Without branches, so that sixteen are judged at once.
        (byte > b' ') & (byte < 0x7f) | (byte == b'\r') | (byte == b'\n')
    }
    let (blocks, _) = bytes.as_chunks::<16>();
    let all = |block: &&[u8; 16]| block.iter().fold(true, |all, b| all & encoded(*b));
    let skipped = blocks.iter().take_while(all).count().saturating_mul(16);
    let tail = bytes.get(skipped..).unwrap_or_default();
    skipped.saturating_add(tail.iter().take_while(|b| encoded(**b)).count())
}
