//! The meter as a specification: the usage of every sample, whole and at every split.

mod dropping;
mod endings;
mod hostile;
mod labels;
mod numbers;
mod passed;
mod reference;
mod shown;
mod splits;
mod strings;

use super::TokenKind::{AudioInput, AudioOutput, CacheWrite, CachedInput, Reasoning};
use super::*;

/// The plan, whose estimates apply if an answer has no count.
const PLAN: MeterPlan = MeterPlan {
    prompt_estimate: 7,
    output_estimate: 1_000,
    generates: true,
    drop_usage_event: false,
};

const DROPPING: MeterPlan = MeterPlan {
    drop_usage_event: true,
    ..PLAN
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Sse,
}

/// A sample and its usage if it ends by itself.
struct Sample {
    name: &'static str,
    form: Form,
    bytes: &'static [u8],
    usage: Usage,
}

fn meter(form: Form, plan: MeterPlan) -> ResponseMeter {
    let content_type: &[u8] = match form {
        Form::Json => b"application/json",
        Form::Sse => b"Text/Event-Stream; charset=utf-8",
    };
    let facts = ResponseFacts {
        status: 200,
        content_type: Some(content_type),
        content_encoding: None,
    };
    ResponseMeter::new(&facts, plan)
}

/// Drives a meter as the filter does; returns the client's bytes and the usage.
fn run<'a>(
    mut meter: ResponseMeter,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    ending: Ending,
) -> (Vec<u8>, Usage) {
    let mut out = Vec::new();
    for chunk in chunks {
        match meter.push(chunk) {
            Output::Unchanged => out.extend_from_slice(chunk),
            Output::Replaced(bytes) => out.extend_from_slice(&bytes),
        }
        assert!(meter.held_bytes() <= 16 * 1024);
    }
    let metered = meter.finish(ending);
    out.extend_from_slice(&metered.tail);
    (out, metered.usage)
}

fn usage_of(form: Form, bytes: &[u8], ending: Ending) -> Usage {
    run(meter(form, PLAN), [bytes], ending).1
}

fn tokens(input: u64, output: u64, total: u64) -> Tokens {
    Tokens::of(input, output).with_total(total)
}

fn exact(input: u64, output: u64, total: u64) -> Usage {
    Usage::Exact(tokens(input, output, total))
}

fn estimated(input: u64, output: u64) -> Usage {
    Usage::Estimated(tokens(input, output, 0))
}

fn at_least(input: u64, output: u64) -> Usage {
    Usage::LowerBound(tokens(input, output, 0))
}

macro_rules! samples {
    ($($form:ident $file:literal => $usage:expr,)*) => {
        vec![$(Sample {
            name: $file,
            form: Form::$form,
            bytes: include_bytes!(concat!("samples/", $file)),
            usage: $usage,
        }),*]
    };
}

fn samples() -> Vec<Sample> {
    samples! {
        // OpenAI's chat, completions, embeddings; a `usage` in text or arguments does not count.
        Json "chat.json" => Usage::Exact(tokens(2006, 300, 2306).with(CachedInput, 1920).with(Reasoning, 128).with(AudioOutput, 4)),
        Json "completion.json" => exact(5, 7, 12),
        Json "embedding.json" => exact(5, 0, 5),
        Json "embedding_total.json" => exact(31, 0, 31),
        Sse "chat.sse" => Usage::Exact(tokens(19, 10, 29).with(Reasoning, 3)),
        Sse "completion.sse" => exact(3, 2, 5),
        Sse "tools.sse" => exact(70, 22, 92),
        Sse "three_choices.sse" => exact(4, 5, 9),
        Sse "pretty.sse" => exact(12, 3, 15),
        // Providers with variants of OpenAI's shape.
        Json "xai.json" => Usage::Exact(tokens(37, 402, 439).with(Reasoning, 391)),
        Json "deepseek.json" => Usage::Exact(tokens(17, 9, 26).with(CachedInput, 16).with(Reasoning, 6)),
        Sse "azure.sse" => exact(8, 2, 10),
        Sse "vllm_continuous.sse" => exact(12, 2, 14),
        Sse "mistral.sse" => exact(14, 16, 30),
        Sse "groq.sse" => exact(40, 7, 47),
        Sse "moonshot.sse" => Usage::Exact(tokens(19, 13, 32).with(CachedInput, 4)),
        Sse "openrouter.sse" => Usage::Exact(tokens(6, 4, 10).with(CachedInput, 2).with(CacheWrite, 1)),
        // OpenAI's responses, images, audio.
        Json "responses.json" => Usage::Exact(tokens(36, 87, 123).with(CachedInput, 12).with(Reasoning, 64)),
        Sse "responses.sse" => exact(37, 11, 48),
        Sse "responses_incomplete.sse" => exact(8, 16, 24),
        Sse "responses_failed.sse" => at_least(0, 0),
        Json "image.json" => exact(50, 50, 100),
        Json "transcription.json" => Usage::Exact(tokens(14, 45, 59).with(AudioInput, 14)),
        Json "transcription_duration.json" => estimated(7, 9),
        Sse "transcription.sse" => Usage::Exact(tokens(14, 5, 19).with(AudioInput, 14)),
        Sse "speech.sse" => exact(14, 101, 115),
        // Anthropic: tokens read from and written to the cache are added.
        Json "anthropic.json" => Usage::Exact(tokens(2009, 52, 0).with(CachedInput, 1800).with(CacheWrite, 188)),
        Sse "anthropic.sse" => Usage::Exact(tokens(1125, 15, 0).with(CachedInput, 1000).with(CacheWrite, 100)),
        Sse "anthropic_error.sse" => at_least(25, 6),
        // Gemini: thoughts and tool prompts are added.
        Json "gemini.json" => Usage::Exact(tokens(48, 120, 168).with(CachedInput, 16).with(Reasoning, 100)),
        Json "gemini_stream.json" => Usage::Exact(tokens(9, 36, 45).with(Reasoning, 30)),
        Sse "gemini.sse" => Usage::Exact(tokens(9, 35, 44).with(Reasoning, 30)),
        // Cohere.
        Json "cohere_chat.json" => exact(5, 418, 0),
        Sse "cohere.sse" => exact(3, 27, 0),
        Json "rerank.json" => exact(120, 0, 0),
        Json "rerank_units.json" => estimated(7, 9),
        // Without a count.
        Json "no_usage.json" => estimated(7, 10),
        Sse "no_usage.sse" => estimated(7, 3),
        Json "moderation.json" => estimated(7, 14),
        // Errors with status 200.
        Json "error_200.json" => at_least(0, 0),
        Sse "error_first.sse" => at_least(0, 0),
        Sse "error_midway.sse" => at_least(7, 5),
        // A count before the text: its input counts, and the output is that of the text.
        Sse "usage_first.sse" => Usage::LowerBound(tokens(21, 6, 22)),
    }
}

#[test]
fn every_sample_has_the_usage_that_its_provider_states() {
    let mut wrong = Vec::new();
    for sample in samples() {
        let (out, usage) = run(meter(sample.form, PLAN), [sample.bytes], Ending::Complete);
        assert_eq!(out, sample.bytes, "{}", sample.name);
        if usage != sample.usage {
            wrong.push((sample.name, usage, sample.usage));
        }
    }
    assert!(wrong.is_empty(), "(sample, got, expected): {wrong:#?}");
}
