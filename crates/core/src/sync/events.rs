//! Usage events: the usage of settled requests, from the filter to the key service's ledger.
//!
//! ```text
//! batch  = version:1 count:2 (length:2 event)*
//! event  = id:16 source:1 status:2 duration:4 started:8 tokens:8×4 key team tier model endpoint decision
//!          requests:4 object request_id endpoint_group more_tokens
//! ```
//! Each name is `length:2 text`; an empty model, request id or group means none. The object is `length:2 bytes`
//! ([`ObjectNote`]), empty for none. `tokens` has the first seven kinds and the total. `more_tokens` is `length:2
//! count×4` with the kinds that were added later, in the order of [`TokenKind::ALL`].
//!
//! A batch may be sent twice, since the service counts each id once. An event that cannot be read is skipped alone: if
//! the batch were refused for it, it would be sent again forever.
//!
//! # How the form grows
//! A new field is appended to the event, with a default: readers fill in fields that an older writer does not send, and
//! skip unknown ones. Only a change that an older reader would misunderstand needs a new version. Version 1 ends with
//! the decision.

mod label;

pub use label::{Label, MAX_LABEL_LEN, NamedDecision};

use super::SyncError;
use super::bytes::{Reader, put_block};
use super::versions::USAGE;
use crate::decision::Decision;
use crate::ident::{KeyId, TeamId, TierName};
use crate::model::ModelId;
use crate::objects::ObjectNote;
use crate::usage::{TokenKind, Tokens, Usage, UsageSource};

/// The number of token kinds in the fixed part of an event.
const FIRST_KINDS: usize = 7;

/// The most events in one batch.
pub const MAX_BATCH_EVENTS: usize = 1_000;

/// The most tokens of one kind in an event: 10^12. The largest real events, batches of 50,000 requests, use a hundredth
/// of it, and sums of millions of such events fit 64 bits. On the wire a count is at most `u32::MAX`; this bound is for
/// other sources, such as logs.
pub const MAX_EVENT_TOKENS: u64 = 1_000_000_000_000;

/// The latest start that is accepted as a time: 2200-01-01, in milliseconds since the Unix epoch.
pub const MAX_STARTED_UNIX_MS: u64 = 7_258_118_400_000;

/// One settled request of a known key, or several refused ones that differ only in their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    /// The event's id. The service counts each id once.
    pub id: [u8; 16],
    /// The key that was used.
    pub key: KeyId,
    /// The team that is charged.
    pub team: TeamId,
    /// The tier that applied.
    pub tier: TierName,
    /// The model that was asked for, if any.
    pub model: Option<ModelId>,
    /// The route, without a query.
    pub endpoint: Label,
    /// The decision.
    pub decision: NamedDecision,
    /// The status that the client got; 0 if it got none.
    pub status: u16,
    /// From the first byte of the request to the last of the response, in milliseconds.
    pub duration_ms: u32,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// The usage, with its source. On the wire a count is cut to `u32::MAX`.
    pub usage: Usage,
    /// How many requests the event stands for, at least 1.
    pub requests: u32,
    /// The note about a provider's object, if any.
    pub object: Option<ObjectNote>,
    /// The first 64 characters of the request's `x-request-id`; empty if it has none, and for several requests.
    pub request_id: Label,
    /// The group of the endpoint, by its name in the configuration; empty if it was not determined.
    pub endpoint_group: Label,
}

/// Writes a batch event by event.
#[derive(Debug, Default)]
pub struct BatchWriter {
    /// The encoded events, without the batch's head.
    blocks: Vec<u8>,
    events: u16,
}

impl BatchWriter {
    /// Adds an event.
    ///
    /// # Errors
    /// [`SyncError::TooLarge`] if the batch has [`MAX_BATCH_EVENTS`] events already. The batch does not change.
    pub fn push(&mut self, event: &UsageEvent) -> Result<(), SyncError> {
        self.push_block(&event.to_block()?)
    }

    /// Adds an event as encoded by [`UsageEvent::to_block`].
    ///
    /// # Errors
    /// As [`BatchWriter::push`].
    pub(crate) fn push_block(&mut self, block: &[u8]) -> Result<(), SyncError> {
        if self.is_full() {
            return Err(SyncError::TooLarge);
        }
        self.blocks.extend_from_slice(block);
        self.events = self.events.saturating_add(1);
        Ok(())
    }

    /// Whether no more events may be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= MAX_BATCH_EVENTS
    }

    /// The number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.events)
    }

    /// Whether there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// The bytes of its encoded events.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len()
    }

    /// Returns the wire form.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.blocks.len() + 3);
        out.push(USAGE.newest);
        out.extend_from_slice(&self.events.to_be_bytes());
        out.extend_from_slice(&self.blocks);
        out
    }
}

/// Writes a batch.
///
/// # Errors
/// [`SyncError::TooLarge`] with more than [`MAX_BATCH_EVENTS`] events.
pub fn encode_batch(events: &[UsageEvent]) -> Result<Vec<u8>, SyncError> {
    let mut batch = BatchWriter::default();
    for event in events {
        batch.push(event)?;
    }
    Ok(batch.finish())
}

/// Reads a batch. An event that cannot be read is an error at its position.
///
/// # Errors
/// [`SyncError`] if the batch itself has an unknown version, is cut, or is too long.
pub fn decode_batch(bytes: &[u8]) -> Result<Vec<Result<UsageEvent, SyncError>>, SyncError> {
    let mut reader = Reader::new(bytes);
    USAGE.read(reader.u8()?)?;
    let count = usize::from(reader.u16()?);
    if count > MAX_BATCH_EVENTS {
        return Err(SyncError::TooLarge);
    }
    let events = (0..count)
        .map(|_| reader.block().map(UsageEvent::decode))
        .collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(events)
}

impl UsageEvent {
    /// Whether its numbers are in range: no count above [`MAX_EVENT_TOKENS`], and no start after
    /// [`MAX_STARTED_UNIX_MS`].
    #[must_use]
    pub fn is_within_bounds(&self) -> bool {
        let tokens = self.usage.tokens();
        let mut counts = tokens.counts().map(|(_, count)| count);
        counts.all(|count| count <= MAX_EVENT_TOKENS)
            && tokens.total() <= MAX_EVENT_TOKENS
            && self.started_unix_ms <= MAX_STARTED_UNIX_MS
    }

    /// Whether the event may cost money: the request was forwarded, or used tokens, or the event is about an object.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.decision == Decision::Allowed.into()
            || !self.usage.tokens().is_zero()
            || self.object.is_some()
    }

    /// Encodes the event for a batch, with its length before it.
    pub(crate) fn to_block(&self) -> Result<Vec<u8>, SyncError> {
        let mut event = Vec::with_capacity(256);
        self.encode(&mut event)?;
        let mut block = Vec::with_capacity(event.len() + 2);
        put_block(&mut block, &event)?;
        Ok(block)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), SyncError> {
        out.extend_from_slice(&self.id);
        out.push(self.usage.source() as u8);
        out.extend_from_slice(&self.status.to_be_bytes());
        out.extend_from_slice(&self.duration_ms.to_be_bytes());
        out.extend_from_slice(&self.started_unix_ms.to_be_bytes());
        let tokens = self.usage.tokens();
        let (first, later) = TokenKind::ALL.split_at(FIRST_KINDS);
        let count_of = |kind: &TokenKind| tokens.get(*kind);
        for count in first.iter().map(count_of).chain([tokens.total()]) {
            out.extend_from_slice(&as_u32(count).to_be_bytes());
        }
        for text in [
            self.key.as_str(),
            self.team.as_str(),
            self.tier.as_str(),
            self.model.as_ref().map_or("", ModelId::as_str),
            self.endpoint.as_str(),
            self.decision.as_str(),
        ] {
            put_block(out, text.as_bytes())?;
        }
        out.extend_from_slice(&self.requests.to_be_bytes());
        let object = self.object.as_ref().map(ObjectNote::to_wire).transpose();
        put_block(
            out,
            &object
                .map_err(|_| SyncError::Malformed)?
                .unwrap_or_default(),
        )?;
        put_block(out, self.request_id.as_str().as_bytes())?;
        put_block(out, self.endpoint_group.as_str().as_bytes())?;
        let later = later.iter().map(count_of);
        let later: Vec<u8> = later.flat_map(|n| as_u32(n).to_be_bytes()).collect();
        put_block(out, &later)
    }

    fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let id = r.array()?;
        let source = usize::from(r.u8()?);
        let source = *UsageSource::ALL.get(source).ok_or(SyncError::Malformed)?;
        let (first, later) = TokenKind::ALL.split_at(FIRST_KINDS);
        let mut event = Self {
            id,
            status: r.u16()?,
            duration_ms: r.u32()?,
            started_unix_ms: r.u64()?,
            usage: Usage::new(source, counts(r, first)?.with_total(r.u32()?.into())),
            key: KeyId::new(r.text()?).map_err(|_| SyncError::Malformed)?,
            team: TeamId::new(r.text()?).map_err(|_| SyncError::Malformed)?,
            tier: TierName::new(r.text()?).map_err(|_| SyncError::Malformed)?,
            model: match r.text()? {
                "" => None,
                name => Some(ModelId::new(name).map_err(|_| SyncError::Malformed)?),
            },
            endpoint: Label::checked(r.text()?)?,
            decision: Label::checked(r.text()?)?.into(),
            requests: match r.appended(Reader::u32)? {
                None => 1,
                Some(0) => return Err(SyncError::Malformed),
                Some(requests) => requests,
            },
            object: match r.appended(Reader::block)? {
                None | Some([]) => None,
                Some(note) => Some(ObjectNote::from_wire(note).map_err(|_| SyncError::Malformed)?),
            },
            request_id: Label::checked(r.appended(Reader::text)?.unwrap_or_default())?,
            endpoint_group: Label::checked(r.appended(Reader::text)?.unwrap_or_default())?,
        };
        let mut more = Reader::new(r.appended(Reader::block)?.unwrap_or_default());
        let mut tokens = *event.usage.tokens();
        for kind in later {
            let count = more.appended(Reader::u32)?.unwrap_or(0);
            tokens = tokens.with(*kind, count.into());
        }
        event.usage = Usage::new(source, tokens);
        Ok(event)
    }
}

/// Reads one count for each of these kinds.
fn counts(reader: &mut Reader<'_>, kinds: &[TokenKind]) -> Result<Tokens, SyncError> {
    kinds.iter().try_fold(Tokens::default(), |tokens, kind| {
        Ok(tokens.with(*kind, reader.u32()?.into()))
    })
}

fn as_u32(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
