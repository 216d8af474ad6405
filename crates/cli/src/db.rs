//! `gmtech db …`: operations on a whole database. They open the database itself, except `lost`, which uses the service.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use gmtech_service::config::Database;
use gmtech_service::db::{self, DbError};
use serde::Serialize;

use crate::admin::{self, Connection};
use crate::exit::{Exit, Failure};
use crate::out;

/// The subcommands of `gmtech db`.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write a backup, a SQLite file that only you can read; services can keep running
    #[command(after_help = "Examples:
  gmtech db backup /backup/gmtech-$(date +%F).db
  gmtech db backup --database postgres://gmtech@db/gmtech /backup/gmtech.db")]
    Backup {
        /// The file to make; it must not exist
        file: PathBuf,
        #[command(flatten)]
        of: Place,
    },
    /// Replace the database by a backup, and list the keys and credits that may be stale; stop the services first
    #[command(
        after_help = "What was there is kept beside it, as gmtech.db.replaced0. Every proxy reads everything again.

Examples:
  gmtech db restore /backup/gmtech.db
  gmtech db restore --database postgres://gmtech@db/an_empty_database /backup/gmtech.db"
    )]
    Restore {
        /// The backup
        file: PathBuf,
        /// The journal of changes beside the database, which lists the changes since the backup
        #[arg(long, value_name = "FILE")]
        journal: Option<PathBuf>,
        #[command(flatten)]
        of: Place,
    },
    /// Show the changes that a restore has lost and that are not acknowledged, and the commands that redo them
    #[command(after_help = "Examples:
  gmtech db lost
  gmtech db lost --seen-to")]
    Lost {
        /// Acknowledge all of them
        #[arg(long)]
        seen_to: bool,
        #[command(flatten)]
        at: Connection,
    },
    /// Check the database: the file, the schema, and its sums
    #[command(after_help = "Examples:
  gmtech db check
  gmtech db check --database /backup/gmtech.db --json")]
    Check {
        #[command(flatten)]
        of: Place,
    },
    /// Copy a database into an empty SQLite or PostgreSQL database; stop the services first
    #[command(
        after_help = "Afterwards start the services on the copy: the history goes on there.

Examples:
  gmtech db copy .local/gmtech.db postgres://gmtech@db/gmtech
  gmtech db copy postgres://gmtech@db/gmtech new.db"
    )]
    Copy {
        /// A SQLite file or a PostgreSQL URL
        from: String,
        /// A SQLite file, which is made, or the URL of an empty PostgreSQL database
        to: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

/// The options that name a database.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// A SQLite file, or a PostgreSQL URL (postgres://user@host/database)
    #[arg(
        long,
        env = "GMTECH_DATABASE",
        default_value = ".local/gmtech.db",
        hide_env_values = true
    )]
    database: String,
    /// Where the service keeps its files; by default beside the SQLite file
    #[arg(long, env = "GMTECH_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Place {
    /// The journal of the service that serves this database.
    fn journal(&self) -> PathBuf {
        match db::named(&self.database) {
            Database::Sqlite(path) => {
                let mut journal = path.into_os_string();
                journal.push(".served");
                journal.into()
            }
            Database::Postgres(_) => {
                let state = self.state_dir.as_deref().unwrap_or(Path::new(".local"));
                state.join("postgres.served")
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If it failed, or `check` found a problem.
pub(crate) fn run(command: &Command) -> Result<()> {
    if let Command::Lost { seen_to, at } = command {
        return admin::restored::lost(at, *seen_to);
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(run_in(command))
}

async fn run_in(command: &Command) -> Result<()> {
    match command {
        Command::Lost { .. } => Ok(()),
        Command::Backup { file, of } => {
            let done = db::backup(&db::named(&of.database), file)
                .await
                .map_err(told)?;
            say(of.json, &done, || {
                format!(
                    "{} has {} keys, {} teams and {} events, up to version {}: {} bytes\n",
                    file.display(),
                    done.keys,
                    done.teams,
                    done.events,
                    done.version,
                    done.bytes
                )
            })
        }
        Command::Restore { file, journal, of } => {
            let journal = journal.clone().unwrap_or_else(|| of.journal());
            let done = db::restore(&db::named(&of.database), file, Some(&journal))
                .await
                .map_err(told)?;
            say(of.json, &done, || restored(file, &done))
        }
        Command::Check { of } => {
            let found = db::check(&db::named(&of.database)).await.map_err(told)?;
            say(of.json, &found, || {
                let mut text = format!(
                    "version {}: {} keys, {} teams, {} events\n",
                    found.version, found.keys, found.teams, found.events
                );
                for problem in &found.problems {
                    text += &format!("{problem}\n");
                }
                text
            })?;
            match found.problems.len() {
                0 => Ok(()),
                1 => bail!("the database has a problem"),
                many => bail!("the database has {many} problems"),
            }
        }
        Command::Copy { from, to, json } => {
            let done = db::copy(&db::named(from), &db::named(to))
                .await
                .map_err(told)?;
            say(*json, &done, || {
                let mut text = String::new();
                for (table, rows) in &done.rows {
                    text += &format!("{table:<16}{rows}\n");
                }
                text
            })
        }
    }
}

fn restored(file: &Path, done: &db::Restore) -> String {
    let mut text = format!(
        "{} is in place, from version {} on\n",
        file.display(),
        done.version
    );
    if let Some(replaced) = &done.replaced {
        text += &format!("what was there is now {}\n", replaced.display());
    }
    for lost in &done.lost {
        text += &format!("{lost}\n");
    }
    text += match (done.all, done.lost.is_empty()) {
        (true, true) => "no key, team or token has changed since the backup\n",
        (true, false) => "these are all changes since the backup\n",
        (false, _) => {
            "the journal does not reach back to this backup: check by hand which keys were revoked since\n"
        }
    };
    text + "usage since the backup: gmtech usage import FILE, for each access log\n"
}

/// Prints the result.
fn say(json: bool, done: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
    let text = match json {
        true => serde_json::to_string_pretty(done)? + "\n",
        false => text(),
    };
    out::print(&text)
}

/// An error with the exit status of its kind.
fn told(error: DbError) -> anyhow::Error {
    match error {
        DbError::Refused(why) => Failure::new(Exit::Refused, "refused", why).into(),
        DbError::Damaged(why) => Failure::new(Exit::Failed, "damaged", why).into(),
        other => other.into(),
    }
}
