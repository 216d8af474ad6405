//! Why a database did not do what was asked: a kind for programs and people to act on, and the cause for the log.
//!
//! The kind's sentence may be shown to anyone. The cause may name files, hosts and users, so it goes to the log and to
//! the operator who starts the service, never to a caller; neither holds a password.

use std::fmt;
use std::io;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No room for another page.
    DiskFull,
    /// The disk reads or writes with errors, or a quota is used up.
    DiskFailed,
    /// The server's address does not answer, or the connection broke.
    Unreachable,
    /// No answer within the time that there was for it.
    TimedOut,
    /// Another program holds the lock.
    Locked,
    /// The server or the file's mode refuses this user.
    Refused,
    /// Nothing can be written there.
    ReadOnly,
    /// The file is something else.
    NotADatabase,
    /// The file or table contradicts itself.
    Damaged,
    /// A later version of this program has changed the schema.
    Newer,
    /// Anything else.
    Other,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the disk is full",
            Self::DiskFailed => "the disk fails, or a quota is used up",
            Self::Unreachable => "the database server cannot be reached",
            Self::TimedOut => "the database did not answer in time",
            Self::Locked => "another program keeps the database locked",
            Self::Refused => "the database refuses this user, password or name",
            Self::ReadOnly => "the database is read-only",
            Self::NotADatabase => "the file is not a SQLite database",
            Self::Damaged => "the database is damaged",
            Self::Newer => "the database was written by a newer version of this program",
            Self::Other => "the database failed",
        })
    }
}

impl FailureKind {
    /// Whether more room on the disk may be what it lacks.
    #[must_use]
    pub fn is_of_disk(self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskFailed)
    }
}

/// A failure of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it was.
    pub kind: FailureKind,
    text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure that this program found by itself.
    #[must_use]
    pub fn new(kind: FailureKind, cause: &str) -> Self {
        Self {
            kind,
            text: format!("{kind} ({cause})"),
        }
    }

    /// The failure to open the database at `place`, in one sentence for the person who started the program.
    #[must_use]
    pub(crate) fn opening(place: &str, error: &sqlx::Error) -> Self {
        let kind = kind_of(error);
        let cause = cause_of(error);
        let text = match kind {
            FailureKind::DiskFull => format!("cannot open {place}: the disk is full"),
            FailureKind::DiskFailed | FailureKind::Damaged | FailureKind::Other => {
                format!("cannot open {place}: {cause}")
            }
            FailureKind::Unreachable => format!("cannot reach {place}: {cause}"),
            FailureKind::TimedOut => format!("{place} does not answer"),
            FailureKind::Locked => format!("{place} is locked by another program"),
            FailureKind::Refused => format!("{place} refuses: {cause}"),
            FailureKind::ReadOnly => format!("{place} is read-only"),
            FailureKind::NotADatabase => format!("{place} is not a SQLite database"),
            FailureKind::Newer => {
                format!("{place} was written by a newer version of this program: {cause}")
            }
        };
        Self { kind, text }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::new(kind_of(&error), &cause_of(&error))
    }
}

/// Whether the connection is of no more use after this error: all but a refusal of the server's, and that one too where
/// the server says that it goes.
pub(crate) fn ends_connection(error: &sqlx::Error) -> bool {
    error.as_database_error().is_none() || kind_of(error) == FailureKind::Unreachable
}

/// Whether an error of `COMMIT` leaves open what became of the transaction. A refusal of the server's is an answer;
/// a connection that broke, a server that shuts down and a disk that fails in the middle are none.
pub(crate) fn leaves_commit_open(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        None => true,
        Some(refusal) => match place_of(refusal) {
            Place::Sqlite(code) => code == SQLITE_IOERR,
            Place::Postgres(state) => {
                state.starts_with("08") || state.starts_with("57P") || state == "40003"
            }
        },
    }
}

const SQLITE_IOERR: u32 = 10;

enum Place<'a> {
    /// The primary result code.
    Sqlite(u32),
    /// The SQLSTATE.
    Postgres(std::borrow::Cow<'a, str>),
}

/// Which database an error is of: SQLSTATEs have five characters, SQLite's codes are shorter numbers.
fn place_of(error: &dyn DatabaseError) -> Place<'_> {
    let code = error.code().unwrap_or_default();
    match code.parse::<u32>() {
        // An extended code has the primary one in its lowest byte.
        Ok(number) if code.len() < 5 => Place::Sqlite(number & 0xff),
        _ => Place::Postgres(code),
    }
}

fn kind_of(error: &sqlx::Error) -> FailureKind {
    match error {
        sqlx::Error::Database(error) => match place_of(error.as_ref()) {
            Place::Sqlite(code) => match code {
                5 | 6 => FailureKind::Locked,
                8 => FailureKind::ReadOnly,
                SQLITE_IOERR => FailureKind::DiskFailed,
                11 => FailureKind::Damaged,
                13 => FailureKind::DiskFull,
                14 | 23 | 3 => FailureKind::Refused,
                26 => FailureKind::NotADatabase,
                _ => FailureKind::Other,
            },
            Place::Postgres(state) => match state.as_ref() {
                "53100" => FailureKind::DiskFull,
                "58030" => FailureKind::DiskFailed,
                "25006" => FailureKind::ReadOnly,
                "55P03" => FailureKind::Locked,
                "57014" | "25P03" | "25P04" => FailureKind::TimedOut,
                "53300" | "57P01" | "57P02" | "57P03" => FailureKind::Unreachable,
                "3D000" | "42501" => FailureKind::Refused,
                state if state.starts_with("28") => FailureKind::Refused,
                state if state.starts_with("08") => FailureKind::Unreachable,
                state if state.starts_with("XX") => FailureKind::Damaged,
                _ => FailureKind::Other,
            },
        },
        sqlx::Error::Io(error) => match error.kind() {
            io::ErrorKind::TimedOut => FailureKind::TimedOut,
            io::ErrorKind::StorageFull => FailureKind::DiskFull,
            io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => FailureKind::DiskFailed,
            io::ErrorKind::ReadOnlyFilesystem => FailureKind::ReadOnly,
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => FailureKind::Refused,
            _ => FailureKind::Unreachable,
        },
        sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            FailureKind::Unreachable
        }
        sqlx::Error::PoolTimedOut => FailureKind::TimedOut,
        sqlx::Error::Migrate(error) => match error.as_ref() {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => FailureKind::Newer,
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                kind_of(error)
            }
            MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => FailureKind::Damaged,
            _ => FailureKind::Other,
        },
        _ => FailureKind::Other,
    }
}

/// The cause without the library's words around it.
fn cause_of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Migrate(error) => match error.as_ref() {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                cause_of(error)
            }
            MigrateError::VersionMissing(version) => {
                format!("this one does not know the schema's version {version}")
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: io::ErrorKind) -> sqlx::Error {
        sqlx::Error::Io(kind.into())
    }

    #[test]
    fn an_error_has_the_kind_of_what_can_be_done_about_it() {
        for (error, kind) in [
            (
                io(io::ErrorKind::ConnectionRefused),
                FailureKind::Unreachable,
            ),
            (io(io::ErrorKind::UnexpectedEof), FailureKind::Unreachable),
            (io(io::ErrorKind::TimedOut), FailureKind::TimedOut),
            (io(io::ErrorKind::StorageFull), FailureKind::DiskFull),
            (io(io::ErrorKind::PermissionDenied), FailureKind::Refused),
            (
                sqlx::Error::Migrate(Box::new(MigrateError::VersionMissing(99))),
                FailureKind::Newer,
            ),
            (sqlx::Error::RowNotFound, FailureKind::Other),
        ] {
            assert_eq!(Failure::from(error).kind, kind);
        }
    }

    #[test]
    fn a_commit_without_an_answer_stays_open() {
        assert!(leaves_commit_open(&io(io::ErrorKind::ConnectionReset)));
        assert!(leaves_commit_open(&io(io::ErrorKind::TimedOut)));
    }
}
