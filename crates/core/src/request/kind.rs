//! The API families.

/// An API family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointKind {
    /// `POST chat/completions`
    ChatCompletions,
    /// `POST completions`
    Completions,
    /// `POST embeddings`, Gemini's `:embedContent` and `:batchEmbedContents`
    Embeddings,
    /// `POST responses`, `responses/compact`
    Responses,
    /// Anthropic's `POST messages`
    Messages,
    /// Gemini's `POST models/{m}:generateContent` and `:streamGenerateContent`
    GenerateContent,
    /// `POST images/generations`, `images/edits`, `images/variations`
    Images,
    /// `POST audio/speech`
    Speech,
    /// `POST audio/transcriptions`, `audio/translations`
    Transcriptions,
    /// `POST moderations`
    Moderations,
    /// `POST rerank`
    Rerank,
    /// Counting tokens without a model's answer: free at every provider.
    CountTokens,
    /// `GET models`, `GET engines`
    Models,
    /// `GET models/{m}`, `GET engines/{m}`
    Model,
    /// `GET realtime` and `GET responses`, upgrades
    Realtime,
    /// Anything else: files, batches, threads, what is not known yet; more is known by its group.
    Other,
}

impl EndpointKind {
    /// Whether a model generates the answer, so that all of it is output. Vectors, scores and verdicts are none.
    #[must_use]
    pub fn generates(self) -> bool {
        !matches!(
            self,
            Self::Embeddings | Self::Moderations | Self::Rerank | Self::CountTokens
        )
    }
}
