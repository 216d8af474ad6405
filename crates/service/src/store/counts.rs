//! Tokens as the database and JSON have them.

use gmtech_core::usage::{PerKind, TokenKind, Tokens};
use serde::ser::{Serialize, SerializeMap, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

/// The column, and with `_tokens` behind it the JSON field, of what is billed.
const TOTAL: &str = "total";

/// Counts of tokens: of every kind, and what is billed. Below zero they are corrections.
///
/// In JSON each is a field of the object that it is flattened into, as `input_tokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    kinds: PerKind<i64>,
    total: i64,
}

impl From<&Tokens> for TokenCounts {
    fn from(tokens: &Tokens) -> Self {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            kinds: PerKind::each(|kind| signed(tokens.get(kind))),
            total: signed(tokens.billable_total()),
        }
    }
}

impl TokenCounts {
    /// The columns, in the order of [`Self::values`].
    pub(crate) fn columns() -> impl Iterator<Item = &'static str> {
        TokenKind::NAMES.into_iter().chain([TOTAL])
    }

    /// The names in JSON, in the same order.
    pub fn names() -> impl Iterator<Item = String> {
        Self::columns().map(|column| format!("{column}_tokens"))
    }

    /// Its counts, in the order of [`Self::columns`].
    pub(crate) fn values(&self) -> impl Iterator<Item = i64> {
        self.kinds.iter().map(|(_, n)| n).chain([self.total])
    }

    /// The counts that `of` gives for each column.
    ///
    /// # Errors
    /// The first that `of` gives.
    pub(crate) fn read<E>(mut of: impl FnMut(&'static str) -> Result<i64, E>) -> Result<Self, E> {
        let mut counts = Self::default();
        for kind in TokenKind::ALL {
            counts.kinds.set(kind, of(kind.name())?);
        }
        counts.total = of(TOTAL)?;
        Ok(counts)
    }

    /// The count of a kind.
    #[must_use]
    pub fn get(&self, kind: TokenKind) -> i64 {
        self.kinds.get(kind)
    }

    /// What is billed.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.total
    }

    /// Both together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            kinds: PerKind::each(|kind| self.get(kind).saturating_add(other.get(kind))),
            total: self.total.saturating_add(other.total),
        }
    }
}

impl Serialize for TokenCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, count) in Self::names().zip(self.values()) {
            map.serialize_entry(&name, &count)?;
        }
        map.end()
    }
}

impl utoipa::PartialSchema for TokenCounts {
    fn schema() -> RefOr<Schema> {
        let total =
            "What is billed: the total as the provider gave it where that is above the sum.";
        let meanings = TokenKind::ALL.map(TokenKind::meaning).into_iter();
        let fields = Self::names().zip(meanings.chain([total]));
        let count = |meaning| {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .description(Some(meaning))
        };
        let object = fields.fold(ObjectBuilder::new(), |object, (name, meaning)| {
            object.property(&name, count(meaning)).required(name)
        });
        object.into()
    }
}

impl utoipa::ToSchema for TokenCounts {}
