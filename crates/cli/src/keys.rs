//! `gmtech keys generate`: makes keys. The key is printed once and stored nowhere; the gate stores only its digest.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::ApiKey;
use gmtech_core::limits::RATES;
use gmtech_core::model::ModelPattern;
use serde_json::{Map, Value, json};

use crate::out;

const EXAMPLES: &str = r#"Examples:
  gmtech keys generate --team acme --tier pro --name "staging batch jobs"
  gmtech keys generate --json --team acme --model 'gpt-4o*' --expires-at 2027-01-01T00:00:00Z
  gmtech keys generate --json | jq '{keys: .entry}' > filter.json

Put the entry under "keys" in the configuration of the gmtech filter. The key itself goes to its user and
nowhere else: it cannot be shown again."#;

/// The subcommands of `gmtech keys`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key for the filter's configuration: prints the key, its id, its digest and its entry.
    #[command(after_help = EXAMPLES)]
    Generate(Generate),
}

/// The options of `gmtech keys generate`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Generate {
    /// The team that the key is attributed to and that is billed
    #[arg(long, default_value = "default")]
    pub(crate) team: TeamId,
    /// The tier whose limits apply: free, pro, team or a tier of your configuration
    #[arg(long, default_value = "free")]
    pub(crate) tier: TierName,
    /// What the key is for, in your own words (printed with the key; the gate does not store it)
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A model that the key may use, or a pattern such as gpt-4o*; may be repeated (default: the tier's models)
    #[arg(long = "model", value_name = "PATTERN", value_parser = model_pattern)]
    pub(crate) models: Vec<String>,
    /// Requests per minute, in place of the tier's limit
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) requests_per_minute: Option<NonZeroU32>,
    /// Tokens per minute, in place of the tier's limit
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) tokens_per_minute: Option<NonZeroU32>,
    /// When the key expires (RFC 3339), such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(crate) expires_at: Option<String>,
    /// Print one JSON object: key, id, digest, name, entry
    #[arg(long)]
    pub(crate) json: bool,
}

/// A new key with its id, digest and entry.
pub(crate) struct NewKey {
    /// The secret.
    pub(crate) key: ApiKey,
    /// Its public name.
    pub(crate) id: KeyId,
    /// `{"<digest>": {…}}`, as the filter's configuration has it under `keys`.
    pub(crate) entry: Map<String, Value>,
}

fn model_pattern(text: &str) -> Result<String, String> {
    ModelPattern::new(text)
        .map(|_| text.to_owned())
        .map_err(|e| e.to_string())
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let rate = text.parse::<NonZeroU32>().map_err(|e| e.to_string())?;
    if RATES.contains(&rate.get()) {
        Ok(rate)
    } else {
        Err(format!("must be {} to {}", RATES.start(), RATES.end()))
    }
}

fn timestamp(text: &str) -> Result<String, String> {
    humantime::parse_rfc3339(text)
        .map(|_| text.to_owned())
        .map_err(|e| e.to_string())
}

/// Makes a key from the system's random bytes.
///
/// # Errors
/// If the system gives no random bytes.
pub(crate) fn generate(options: &Generate) -> Result<NewKey> {
    let (mut secret, mut public) = ([0; 32], [0; 12]);
    getrandom::fill(&mut secret).context("the system gave no random bytes")?;
    getrandom::fill(&mut public).context("the system gave no random bytes")?;
    let key = ApiKey::generate(&secret);
    let id = KeyId::generate(&public).context("the key's id is no identifier")?;

    let mut record = Map::new();
    record.insert("id".into(), json!(id.as_str()));
    record.insert("team".into(), json!(options.team.as_str()));
    record.insert("tier".into(), json!(options.tier.as_str()));
    if !options.models.is_empty() {
        record.insert("models".into(), json!(options.models));
    }
    let mut limits = Map::new();
    if let Some(n) = options.requests_per_minute {
        limits.insert("requests_per_minute".into(), json!(n));
    }
    if let Some(n) = options.tokens_per_minute {
        limits.insert("tokens_per_minute".into(), json!(n));
    }
    if !limits.is_empty() {
        record.insert("limits".into(), limits.into());
    }
    if let Some(time) = &options.expires_at {
        record.insert("expires_at".into(), json!(time));
    }
    let mut entry = Map::new();
    entry.insert(key.digest().to_hex(), record.into());
    Ok(NewKey { key, id, entry })
}

/// Runs `gmtech keys …`.
///
/// # Errors
/// When the key cannot be made or printed.
pub(crate) fn run(command: &Command) -> Result<()> {
    let Command::Generate(options) = command;
    let new = generate(options)?;
    out::print_once(&describe(options, &new)?, "the key could not be printed")
}

fn describe(options: &Generate, new: &NewKey) -> Result<String> {
    let digest = new.key.digest().to_hex();
    if options.json {
        let all = json!({
            "key": new.key.reveal(),
            "id": new.id.as_str(),
            "digest": digest,
            "name": options.name,
            "entry": new.entry,
        });
        return Ok(serde_json::to_string(&all)? + "\n");
    }
    let name = options.name.as_ref().map(|n| format!("name:   {n}\n"));
    let entry: Vec<String> = new
        .entry
        .iter()
        .map(|(digest, record)| format!("  \"{digest}\": {record}"))
        .collect();
    Ok(format!(
        "key:    {}\n{}id:     {}\ndigest: {digest}\n\n\
         Give the key to its user: it is not kept and cannot be shown again.\n\
         Put this under \"keys\" in the configuration of the gmtech filter:\n\n{}\n",
        new.key.reveal(),
        name.unwrap_or_default(),
        new.id,
        entry.join(",\n"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: bool) -> Generate {
        Generate {
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new("pro").unwrap(),
            name: Some("batch".into()),
            models: vec!["gpt-4o*".into()],
            requests_per_minute: NonZeroU32::new(5),
            tokens_per_minute: None,
            expires_at: Some("2027-01-01T00:00:00Z".into()),
            json,
        }
    }

    #[test]
    fn the_entry_holds_the_digest_and_the_options_but_never_the_key() {
        let new = generate(&options(false)).unwrap();
        let expected = json!({ new.key.digest().to_hex(): {
            "id": new.id.as_str(), "team": "acme", "tier": "pro", "models": ["gpt-4o*"],
            "limits": {"requests_per_minute": 5}, "expires_at": "2027-01-01T00:00:00Z",
        }});
        let entry = Value::Object(new.entry.clone());
        assert_eq!(entry, expected);
        assert!(!entry.to_string().contains(new.key.reveal()));
    }

    #[test]
    fn only_rates_that_the_filter_accepts_are_accepted() {
        for (text, accepted) in [
            ("1", true),
            ("1000000000", true),
            ("1000000001", false),
            ("0", false),
            ("-1", false),
            ("many", false),
        ] {
            assert_eq!(rate(text).is_ok(), accepted, "{text}");
        }
    }

    #[test]
    fn the_filter_accepts_the_entry() {
        let new = generate(&options(false)).unwrap();
        let config = json!({ "keys": new.entry }).to_string();
        let policy = gmtech_core::config::Policy::from_json(config.as_bytes()).unwrap();
        assert_eq!(policy.key(&new.key.digest()).unwrap().id, new.id);
    }

    #[test]
    fn both_outputs_show_the_key_exactly_once() {
        for json in [false, true] {
            let new = generate(&options(json)).unwrap();
            let text = describe(&options(json), &new).unwrap();
            assert_eq!(text.matches(new.key.reveal()).count(), 1, "{text}");
            assert!(
                text.contains(new.id.as_str()) && text.contains("batch"),
                "{text}"
            );
        }
    }

    #[test]
    fn two_keys_differ() {
        let (a, b) = (
            generate(&options(true)).unwrap(),
            generate(&options(true)).unwrap(),
        );
        assert_ne!(a.key.digest(), b.key.digest());
        assert_ne!(a.id, b.id);
    }
}
