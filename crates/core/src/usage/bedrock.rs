//! Amazon Bedrock's converse: the message stands in `output`. Its usage counts as Anthropic's, under names of its own
//! ([`super::counts`]).

use super::schema::{Members, Schema};

/// `output` of a whole answer.
pub(super) const OUTPUT: Schema = Schema::Part(&[(
    "message",
    Schema::Object(&[("content", Schema::List(&Schema::Object(BLOCK)))]),
)]);

const BLOCK: Members = &[
    ("text", Schema::Text),
    (
        "toolUse",
        Schema::Object(&[("name", Schema::Text), ("input", Schema::Text)]),
    ),
    (
        "reasoningContent",
        Schema::Object(&[("reasoningText", Schema::Object(&[("text", Schema::Text)]))]),
    ),
];
