//! Groups of endpoints, which an operator opens and closes by name.
//!
//! Open by default is what the gate reads, meters, and what keeps nothing at the provider. Behind the gate every
//! team uses one account of the provider's, so whatever is kept there belongs to all of them: with
//! `DELETE /files/x` one team deletes another's file. Such groups are closed until the operator opens them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A group of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndpointGroup {
    /// `POST chat/completions`.
    ChatCompletions,
    /// `POST completions`.
    Completions,
    /// `POST embeddings`, and Gemini's `:embedContent` and `:batchEmbedContents`.
    Embeddings,
    /// `POST responses` and `responses/compact`.
    Responses,
    /// Anthropic's `POST messages`.
    Messages,
    /// Gemini's `:generateContent` and `:streamGenerateContent`.
    GenerateContent,
    /// `POST images/…`.
    Images,
    /// `POST audio/speech`.
    Speech,
    /// `POST audio/transcriptions` and `audio/translations`.
    Transcriptions,
    /// `POST moderations`.
    Moderations,
    /// `POST rerank`.
    Rerank,
    /// Counting the tokens of a prompt.
    CountTokens,
    /// `GET models` and `GET models/{m}`.
    Models,
    /// Everything below `responses/`: reading, cancelling and deleting what is stored.
    StoredResponses,
    /// Reading, changing and deleting stored chat completions.
    StoredCompletions,
    /// Work that finishes after its answer: `"background": true`, xAI's `"deferred": true` and
    /// `chat/deferred-completion/{id}`.
    Background,
    /// `conversations`.
    Conversations,
    /// `files`, and Gemini's `generatedFiles`.
    Files,
    /// `uploads`: files in parts.
    Uploads,
    /// `batches`, `messages/batches`, Gemini's `:batchGenerateContent` and `:asyncBatchEmbedContent`.
    Batches,
    /// `fine_tuning`, and Gemini's `tunedModels`.
    FineTuning,
    /// `vector_stores`, and Gemini's `fileSearchStores` and `corpora`.
    VectorStores,
    /// `assistants` and `threads`.
    Assistants,
    /// `containers`, in which code runs.
    Containers,
    /// `evals`.
    Evals,
    /// `videos`, Gemini's `:predictLongRunning` and its operations.
    Videos,
    /// `realtime`: connections, sessions, calls and keys of the provider's for clients.
    Realtime,
    /// `DELETE models/{m}`.
    ModelDeletion,
    /// The old `engines/{m}/…`.
    Engines,
    /// `skills`.
    Skills,
    /// Agents that run at the provider: Anthropic's `agents`, `sessions`, `environments`, `vaults`, `memory_stores`
    /// and `user_profiles`, and OpenAI's `chatkit`.
    Agents,
    /// Gemini's `cachedContents`.
    CachedContents,
    /// `audio/voices` and `audio/voice_consents`.
    Voices,
    /// The provider's account itself: `organization`, `projects`, keys, credit, users.
    Organization,
    /// Any other path.
    Other,
}

use EndpointGroup as G;

/// Every group, its name in the configuration, and whether it is open by default.
const GROUPS: [(EndpointGroup, &str, bool); 35] = [
    (G::ChatCompletions, "chat_completions", true),
    (G::Completions, "completions", true),
    (G::Embeddings, "embeddings", true),
    (G::Responses, "responses", true),
    (G::Messages, "messages", true),
    (G::GenerateContent, "generate_content", true),
    (G::Images, "images", true),
    (G::Speech, "speech", true),
    (G::Transcriptions, "transcriptions", true),
    (G::Moderations, "moderations", true),
    (G::Rerank, "rerank", true),
    (G::CountTokens, "count_tokens", true),
    (G::Models, "models", true),
    (G::StoredResponses, "stored_responses", false),
    (G::StoredCompletions, "stored_completions", false),
    (G::Background, "background", false),
    (G::Conversations, "conversations", false),
    (G::Files, "files", false),
    (G::Uploads, "uploads", false),
    (G::Batches, "batches", false),
    (G::FineTuning, "fine_tuning", false),
    (G::VectorStores, "vector_stores", false),
    (G::Assistants, "assistants", false),
    (G::Containers, "containers", false),
    (G::Evals, "evals", false),
    (G::Videos, "videos", false),
    (G::Realtime, "realtime", false),
    (G::ModelDeletion, "model_deletion", false),
    (G::Engines, "engines", false),
    (G::Skills, "skills", false),
    (G::Agents, "agents", false),
    (G::CachedContents, "cached_contents", false),
    (G::Voices, "voices", false),
    (G::Organization, "organization", false),
    (G::Other, "other", false),
];

impl EndpointGroup {
    /// Every group.
    pub fn all() -> impl Iterator<Item = Self> {
        GROUPS.iter().map(|(group, ..)| *group)
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        let row = GROUPS.iter().find(|(group, ..)| *group == self);
        row.map_or("other", |(_, name, _)| name)
    }

    /// The group of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let row = GROUPS.iter().find(|(_, known, _)| *known == name);
        row.map(|(group, ..)| *group)
    }

    /// Whether it is open where the configuration does not speak of it.
    #[must_use]
    pub fn is_open_by_default(self) -> bool {
        GROUPS
            .iter()
            .any(|(group, _, open)| *group == self && *open)
    }

    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// A set of groups: what a gate has opened, or what a key may use. In text a list of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointSet(u64);

impl EndpointSet {
    /// No group.
    pub const EMPTY: Self = Self(0);

    /// The groups that are open where the configuration does not speak of them.
    #[must_use]
    pub fn open_by_default() -> Self {
        EndpointGroup::all()
            .filter(|group| group.is_open_by_default())
            .collect()
    }

    /// Puts a group in, or takes it out.
    pub fn set(&mut self, group: EndpointGroup, within: bool) {
        if within {
            self.0 |= group.bit();
        } else {
            self.0 &= !group.bit();
        }
    }

    /// Whether the group is in it.
    #[must_use]
    pub fn contains(self, group: EndpointGroup) -> bool {
        self.0 & group.bit() != 0
    }

    /// Its groups, in the order of [`EndpointGroup::all`].
    pub fn groups(self) -> impl Iterator<Item = EndpointGroup> {
        EndpointGroup::all().filter(move |group| self.contains(*group))
    }
}

impl FromIterator<EndpointGroup> for EndpointSet {
    fn from_iter<I: IntoIterator<Item = EndpointGroup>>(groups: I) -> Self {
        groups.into_iter().fold(Self::EMPTY, |mut set, group| {
            set.set(group, true);
            set
        })
    }
}

/// A name that no group has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such group; there are: {}", EndpointGroup::all().map(EndpointGroup::name).collect::<Vec<_>>().join(", "))]
pub struct UnknownGroup;

impl std::str::FromStr for EndpointGroup {
    type Err = UnknownGroup;
    fn from_str(name: &str) -> Result<Self, UnknownGroup> {
        Self::named(name).ok_or(UnknownGroup)
    }
}

/// Names on the wire too, not numbers: they stay right when a group is added between others.
impl Serialize for EndpointSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<&str> = self.groups().map(EndpointGroup::name).collect();
        names.serialize(serializer)
    }
}

/// People are told of a name that no group has. In a binary form it is left out: a newer service means a group whose
/// endpoints are not known here.
impl<'de> Deserialize<'de> for EndpointSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let strict = deserializer.is_human_readable();
        let names = Vec::<Box<str>>::deserialize(deserializer)?;
        let group = |name: Box<str>| match EndpointGroup::named(&name) {
            None if strict => Some(Err(D::Error::custom(UnknownGroup))),
            known => known.map(Ok),
        };
        names.into_iter().filter_map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_groups() {
        for group in EndpointGroup::all() {
            assert_eq!(EndpointGroup::named(group.name()), Some(group));
        }
        assert_eq!(EndpointGroup::named("Files"), None);
        assert_eq!(G::Other as usize + 1, GROUPS.len(), "every group has a row");
    }

    #[test]
    fn groups_are_opened_and_closed_one_by_one() {
        let mut open = EndpointSet::open_by_default();
        assert!(open.contains(G::Models) && !open.contains(G::Files));
        open.set(G::Files, true);
        open.set(G::Models, false);
        assert!(!open.contains(G::Models) && open.contains(G::Files));
        open.set(G::Files, false);
        open.set(G::Models, true);
        assert_eq!(open, EndpointSet::open_by_default());
    }

    #[test]
    fn a_set_is_written_as_names_and_read_again() {
        let set: EndpointSet = [G::Files, G::ChatCompletions].into_iter().collect();
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["chat_completions","files"]"#);
        assert_eq!(serde_json::from_str::<EndpointSet>(&json).unwrap(), set);
        let wire = postcard::to_allocvec(&set).unwrap();
        assert_eq!(postcard::from_bytes::<EndpointSet>(&wire), Ok(set));
        let refused = serde_json::from_str::<EndpointSet>(r#"["chat"]"#).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("there are: chat_completions, "),
            "{refused}"
        );
        let newer = postcard::to_allocvec(&vec!["files", "holograms"]).unwrap();
        let known: EndpointSet = [G::Files].into_iter().collect();
        assert_eq!(postcard::from_bytes::<EndpointSet>(&newer), Ok(known));
    }
}
