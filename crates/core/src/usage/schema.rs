//! What the places of an answer mean: constant trees that read like the documents.
//!
//! Each provider's file holds its branches, [`super::shapes`] joins them. What stands anywhere else is skipped.

use super::report::Field;

/// What a value looks like from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Str,
    Number,
    Null,
    /// `true`, `false`, and what Python adds.
    Literal,
}

/// What a short string says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// The `type` of an event.
    Type,
    /// The `object` of a document: only `error` says something.
    Object,
    /// The model that answered.
    Model,
    /// Its presence says that the answer is whole.
    Ended,
    /// How far the work is.
    Status,
}

/// Whose id a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// The object that the answer shows.
    Itself,
    /// A request whose answer is fetched later, at xAI.
    Deferred,
    /// The file with a batch's answers.
    Output,
    /// The file with a batch's failures.
    Failures,
    /// The address of a batch's answers, at Anthropic.
    Results,
}

/// The members of an object that mean something.
pub(super) type Members = &'static [(&'static str, Schema)];

/// What a value at some path means.
#[derive(Debug)]
pub(super) enum Schema {
    /// A number of the usage report.
    Count(Field),
    /// Generated text: a string, or all strings of a container.
    Text,
    /// Something generated that is no text (audio, an image), in base64.
    Blob,
    /// Text at a place of which only the surroundings are known: it counts where nothing else does.
    Loose,
    /// Known, and nothing that was generated.
    Nothing,
    /// A short string to be read whole.
    Tag(Tag),
    /// A string of any length that is known by its digest.
    Id(Names),
    /// An error, unless null.
    Error,
    /// An object whose members may mean something.
    Object(Members),
    /// The same, where its presence tells a shape that is known.
    Part(Members),
    /// The same, and whatever else it holds is [`Self::Loose`]: what a model says under a name that is new.
    Open(Members),
    /// An array whose items mean this.
    List(&'static Schema),
    /// The same, where its presence tells nothing.
    Items(&'static Schema),
    /// An array with an item for every token that was generated.
    Tokens,
    /// The top level's `usage`: an object of counts whose mere presence tells the usage event.
    Usage(Members),
    /// The top level's `choices`, whose emptiness tells the usage event.
    Choices(&'static Schema),
    /// One meaning a form of the value.
    Any(&'static [Schema]),
}

impl Schema {
    /// What a value of this kind means here.
    pub(super) fn form(&'static self, kind: Kind) -> &'static Schema {
        match self {
            Self::Any(forms) => forms.iter().find(|f| f.holds(kind)).unwrap_or(self),
            _ => self,
        }
    }

    /// Whether a value of this kind can hold places, or the text of this place.
    pub(super) fn holds(&self, kind: Kind) -> bool {
        match self {
            Self::Object(_) | Self::Part(_) | Self::Open(_) | Self::Usage(_) => {
                kind == Kind::Object
            }
            Self::List(_) | Self::Items(_) | Self::Tokens | Self::Choices(_) => kind == Kind::Array,
            Self::Text | Self::Tag(_) | Self::Id(_) => kind == Kind::Str,
            _ => false,
        }
    }

    /// The place of an object's member.
    pub(super) fn member(&'static self, key: &[u8]) -> Option<&'static Schema> {
        match self {
            Self::Object(members) | Self::Part(members) | Self::Usage(members) => {
                find(members, key)
            }
            Self::Open(members) => Some(find(members, key).unwrap_or(&Self::Loose)),
            _ => None,
        }
    }

    /// The place of an array's items.
    pub(super) fn items(&'static self) -> Option<&'static Schema> {
        match self {
            Self::List(item) | Self::Items(item) | Self::Choices(item) => Some(item),
            _ => None,
        }
    }
}

fn find(members: Members, key: &[u8]) -> Option<&'static Schema> {
    members
        .iter()
        .find(|(name, _)| name.as_bytes() == key)
        .map(|(_, place)| place)
}
