//! `gmtech db lost`: the changes that a restore has lost.

use anyhow::Result;
use serde_json::json;
use ureq::http::Method;

use super::Connection;
use crate::out;

/// Lists the changes that a restore has lost, or acknowledges all of them.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn lost(at: &Connection, seen_to: bool) -> Result<()> {
    let client = at.client()?;
    if seen_to {
        client.send(Method::DELETE, "restored", &json!({}))?;
        return at.print(&json!({"seen_to": true}), &["seen_to"]);
    }
    let lost = client.list("restored")?;
    if lost.is_empty() && !at.json() {
        out::say("No lost change is waiting to be acknowledged.\n");
    }
    at.print_list(lost, &[("AT", "at"), ("BY", "actor"), ("LOST", "advice")])
}
