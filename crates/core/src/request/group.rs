//! Groups of endpoints, which an operator opens and closes by name.
//!
//! Open by default is what the gate reads, meters, and what keeps nothing at the provider. Behind the gate every
//! team uses one account of the provider's, so whatever is kept there belongs to all of them: with
//! `DELETE /files/x` one team deletes another's file. Such groups are closed until the operator opens them.

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

/// The groups that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenGroups(u64);

impl Default for OpenGroups {
    fn default() -> Self {
        let open = EndpointGroup::all().filter(|group| group.is_open_by_default());
        Self(open.fold(0, |bits, group| bits | group.bit()))
    }
}

impl OpenGroups {
    /// Opens or closes a group.
    pub fn set(&mut self, group: EndpointGroup, open: bool) {
        if open {
            self.0 |= group.bit();
        } else {
            self.0 &= !group.bit();
        }
    }

    /// Whether the group is open.
    #[must_use]
    pub fn contains(self, group: EndpointGroup) -> bool {
        self.0 & group.bit() != 0
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
        let mut open = OpenGroups::default();
        assert!(open.contains(G::Models) && !open.contains(G::Files));
        open.set(G::Files, true);
        open.set(G::Models, false);
        assert!(!open.contains(G::Models) && open.contains(G::Files));
        open.set(G::Files, false);
        open.set(G::Models, true);
        assert_eq!(open, OpenGroups::default());
    }
}
