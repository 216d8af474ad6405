//! `gmtech people …`: who may sign in to the pages.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use ureq::http::Method;

use super::Connection;
use super::client::escape;
use crate::out;

/// The subcommands of `gmtech people`.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List people
    #[command(after_help = "Example:\n  gmtech people list")]
    List {
        #[command(flatten)]
        at: Connection,
    },
    /// Make a one-time link that signs a person in, also one who has lost the password; the account is made if it is missing
    #[command(
        after_help = "Examples:\n  gmtech people link ada@example.com\n  gmtech people link ada@example.com --admin"
    )]
    Link {
        /// The person's email address
        email: String,
        /// Make the person an administrator of the service
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        at: Connection,
    },
    /// Make a person an administrator of the service, or no longer one
    #[command(after_help = "Examples:
  gmtech people admin ada@example.com
  gmtech people admin ada@example.com --no")]
    Admin {
        /// The person's email address
        email: String,
        /// Take it away
        #[arg(long)]
        no: bool,
        #[command(flatten)]
        at: Connection,
    },
    /// End every session of a person
    #[command(after_help = "Example:\n  gmtech people sign-out ada@example.com")]
    SignOut {
        /// The person's email address
        email: String,
        #[command(flatten)]
        at: Connection,
    },
    /// Remove a person's account; memberships of teams stay, and keys work on
    #[command(after_help = "Example:\n  gmtech people remove ada@example.com")]
    Remove {
        /// The person's email address
        email: String,
        #[command(flatten)]
        at: Connection,
    },
}

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::List { at } => {
            let columns = [
                ("EMAIL", "email"),
                ("NAME", "name"),
                ("ADMIN", "admin"),
                ("LAST SIGN-IN", "last_sign_in_at"),
            ];
            at.print_list(at.client()?.list("people")?, &columns)
        }
        Command::Link { email, admin, at } => {
            let asked = json!({"email": email, "admin": admin});
            let made = at.client()?.post("people/links", &asked)?;
            if !at.json() {
                out::say("Whoever opens this address first is signed in. It is shown only now.\n");
            }
            at.print(&made, &["email", "url", "expires_at"])
        }
        Command::Admin { email, no, at } => {
            let path = format!("people/{}", escape(email));
            let body = json!({"admin": !no});
            let changed = at.client()?.send(Method::PATCH, &path, &body)?;
            at.print(&changed, &["email", "name", "admin"])
        }
        Command::SignOut { email, at } => {
            let path = format!("people/{}/sessions", escape(email));
            at.client()?.send(Method::DELETE, &path, &json!({}))?;
            at.print(
                &json!({"email": email, "signed_out": true}),
                &["email", "signed_out"],
            )
        }
        Command::Remove { email, at } => {
            let path = format!("people/{}", escape(email));
            at.client()?.send(Method::DELETE, &path, &json!({}))?;
            at.print(
                &json!({"email": email, "removed": true}),
                &["email", "removed"],
            )
        }
    }
}
