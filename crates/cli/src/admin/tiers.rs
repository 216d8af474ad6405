//! `gmtech tiers`: the tiers that a key may have.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{Connection, show};
use crate::out;

/// The options of `gmtech tiers`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  gmtech tiers")]
pub(crate) struct Tiers {
    #[command(flatten)]
    at: Connection,
}

/// Lists the tiers.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(asked: &Tiers) -> Result<()> {
    let tiers = asked.at.client()?.list("tiers")?;
    if asked.at.json() {
        return show::json(&json!({"object": "list", "data": tiers}));
    }
    let names: Vec<_> = tiers.iter().filter_map(Value::as_str).collect();
    out::print(&format!("{}\n", names.join("\n")))
}
