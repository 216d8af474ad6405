//! `gmtech requests …`: the record of a single request.

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use super::client::escape;
use super::{Connection, show};

/// The subcommands of `gmtech requests`.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the record of a request, by the x-request-id of its answer
    #[command(after_help = "Examples:
  gmtech requests show a4cc1531-ce2c-40cc-b933-e30abed9918b
  gmtech requests show a4cc1531-ce2c-40cc-b933-e30abed9918b --json

A request is recorded once it has ended and its Envoy has reported it, and as long as single events are kept
(gmtech serve --keep-events). Refusals travel as sums and have no record.")]
    Show {
        /// The x-request-id
        id: String,
        #[command(flatten)]
        at: Connection,
    },
}

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    let Command::Show { id, at } = command;
    let found = at.client()?.get(&format!("requests/{}", escape(id)))?;
    if at.json() {
        return show::json(&found);
    }
    match found.get("data").and_then(Value::as_array) {
        Some(records) => records.iter().try_for_each(show::all_fields),
        None => show::all_fields(&found),
    }
}
