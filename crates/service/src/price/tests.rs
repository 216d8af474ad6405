use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::Label;
use gmtech_core::usage::Usage;
use serde_json::json;

use super::*;

fn cost(book: &PriceBook, model: &str, tokens: Tokens) -> (i64, &'static str) {
    let priced = book.price(UsageEvent {
        id: [0; 16],
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        model: ModelId::new(model).ok(),
        endpoint: Label::clip("/v1/chat/completions"),
        decision: Label::clip("allowed").into(),
        status: 200,
        duration_ms: 1,
        // 2026-10-01
        started_unix_ms: 1_790_812_800_000,
        usage: Usage::Exact(tokens),
        requests: 1,
        object: None,
        request_id: Label::default(),
        endpoint_group: Label::default(),
    });
    (priced.cost, priced.priced_by)
}

fn used(input: u64, output: u64) -> Tokens {
    Tokens::of(input, output)
}

#[test]
fn prices_come_from_the_operator_then_the_list_then_the_fallback() {
    let config = r#"{"fallback": {"input": "100", "output": "200"}, "models": [
        {"model": "house-*", "input": "1", "output": "2.5"},
        {"model": "gratis", "input": "0", "output": "0"}]}"#;
    let book = PriceBook::new(serde_json::from_str(config).unwrap());
    let million = used(1_000_000, 1_000_000);
    for (model, usd, by) in [
        ("house-7b", "3.5", "configuration"),
        ("gratis", "0", "configuration"),
        ("gpt-4o", "12.5", "genai-prices"),
        ("openai/gpt-4o", "12.5", "genai-prices"),
        ("gpt-4o-mini", "0.75", "genai-prices"),
        ("no-such-model", "300", "fallback"),
        ("", "300", "fallback"),
    ] {
        assert_eq!(
            cost(&book, model, million),
            (parse_usd(usd).unwrap(), by),
            "{model:?}"
        );
    }
    assert_eq!(
        cost(&book, "no-such-model", Tokens::default()),
        (0, "nothing used")
    );
}

#[test]
fn parts_of_a_unit_are_charged_as_one() {
    let config = r#"{"models": [{"model": "*", "input": "0.0001", "output": "0"}]}"#;
    let book = PriceBook::new(serde_json::from_str(config).unwrap());
    for (tokens, nanos) in [(1, 1), (10, 1), (11, 2), (1_000_000, 100_000)] {
        assert_eq!(
            cost(&book, "m", used(tokens, 0)).0,
            nanos,
            "{tokens} tokens"
        );
    }
}

#[test]
fn no_tokens_and_no_price_cost_more_than_can_be_summed() {
    let config = r#"{"models": [{"model": "*", "input": "1000000", "output": "1000000"}]}"#;
    let book = PriceBook::new(serde_json::from_str(config).unwrap());
    for (tokens, nanos) in [
        (1, DOLLAR),
        (999_999_999, 999_999_999 * DOLLAR),
        (1_000_000_001, MAX_AMOUNT),
        (u64::MAX, MAX_AMOUNT),
    ] {
        assert_eq!(cost(&book, "m", used(tokens, 0)).0, nanos, "{tokens}");
    }
}

#[test]
fn cached_tokens_have_their_price_and_are_part_of_the_prompt() {
    let config = r#"{"models": [{"model": "*", "input": "10", "cached_input": "1", "cache_write": "20", "output": "0"}]}"#;
    let book = PriceBook::new(serde_json::from_str(config).unwrap());
    let tokens = |cached_input, cache_write| {
        used(1_000_000, 0)
            .with(TokenKind::CachedInput, cached_input)
            .with(TokenKind::CacheWrite, cache_write)
    };
    for (t, usd) in [
        (tokens(0, 0), "10"),
        (tokens(1_000_000, 0), "1"),
        (tokens(500_000, 500_000), "10.5"),
        (tokens(2_000_000, 9), "1"),
    ] {
        assert_eq!(cost(&book, "m", t).0, parse_usd(usd).unwrap(), "{t:?}");
    }
    assert!(
        cost(
            &PriceBook::new(PriceConfig::default()),
            "gpt-4o",
            tokens(1_000_000, 0)
        )
        .0 < 2 * DOLLAR
    );
}

#[test]
fn every_part_costs_what_its_whole_does_unless_it_has_a_price_of_its_own() {
    let million = |kind: TokenKind| {
        let whole = kind.part_of().unwrap_or(kind);
        Tokens::default()
            .with(whole, 1_000_000)
            .with(kind, 1_000_000)
    };
    for kind in TokenKind::ALL {
        let plain = match kind.part_of().unwrap_or(kind) {
            TokenKind::Output => "20",
            _ => "10",
        };
        let book = |own: &str| {
            let rates = json!({"model": "*", "input": "10", "output": "20"});
            let mut config = json!({"models": [rates]});
            if !own.is_empty() {
                config["models"][0][kind.name()] = own.into();
            }
            PriceBook::new(serde_json::from_value(config).unwrap())
        };
        for (own, usd) in [("", plain), ("3", "3")] {
            let usd = parse_usd(usd).unwrap();
            assert_eq!(cost(&book(own), "m", million(kind)).0, usd, "{kind:?}");
        }
    }
}

#[test]
fn what_a_total_has_beyond_its_parts_is_prompt_unless_no_answer_was_stated() {
    let config = r#"{"models": [{"model": "*", "input": "1", "output": "10"}]}"#;
    let book = PriceBook::new(serde_json::from_str(config).unwrap());
    for (total, usd) in [(0, "11"), (2_000_000, "11"), (3_000_000, "12"), (1, "11")] {
        let t = used(1_000_000, 1_000_000).with_total(total);
        assert_eq!(
            cost(&book, "m", t).0,
            parse_usd(usd).unwrap(),
            "total {total}"
        );
    }
    let unknown_parts = Tokens::default().with_total(1_000_000);
    assert_eq!(cost(&book, "m", unknown_parts).0, parse_usd("10").unwrap());
}

#[test]
fn audio_has_the_price_of_the_list() {
    let book = PriceBook::new(PriceConfig::default());
    let audio = used(1_000_000, 0).with(TokenKind::AudioInput, 1_000_000);
    let text = cost(&book, "gpt-audio", used(1_000_000, 0));
    assert!(cost(&book, "gpt-audio", audio).0 > 4 * text.0);
    assert_eq!(text.1, "genai-prices");
}

#[test]
fn a_mistaken_price_list_is_refused() {
    for config in [
        r#"{"fallback": {"input": "-1", "output": "0"}}"#,
        r#"{"fallback": {"input": "cheap", "output": "0"}}"#,
        r#"{"fallback": {"input": "1000000.01", "output": "0"}}"#,
        r#"{"fallback": {"output": "0"}}"#,
        r#"{"fallback": {"input": "1", "output": "1", "input": "2"}}"#,
        r#"{"models": [{"model": "a", "input": "1", "output": "1", "output": "2"}]}"#,
        r#"{"fallbacks": {}}"#,
        r#"{"models": [{"model": "a*b", "input": "1", "output": "1"}]}"#,
    ] {
        assert!(
            serde_json::from_str::<PriceConfig>(config).is_err(),
            "{config}"
        );
    }
}

#[test]
fn the_lists_version_is_that_of_the_library() {
    let lock = include_str!("../../../../Cargo.lock");
    let entry = format!("name = \"{LIST}\"\nversion = \"{LIST_VERSION}\"\n");
    assert!(
        lock.contains(&entry),
        "set LIST_VERSION to that of Cargo.lock"
    );
}
