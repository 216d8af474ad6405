//! Opening connections, with the cause at once where that fails, and names of places that hold no password.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Once as RunOnce;
use std::time::Duration;

use sqlx::any::install_default_drivers;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, Connection, Executor};
use tokio::time::Instant;

use super::session::{Session, by};
use crate::secret;

/// The longest that opening a connection may take.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Each connection gets these. A lock that another program holds is waited for, but not as long as a write may take.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON";

/// The server ends what a service that hangs, or is cut off, has begun: it must not lock the others out for ever. A
/// little longer than this side waits, so that this side's deadline is the one that is seen.
const POSTGRES_SETTINGS: &str = "SET statement_timeout = '25s'; SET lock_timeout = '22s'; \
     SET idle_in_transaction_session_timeout = '25s'";

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// One file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Opens connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) dialect: Dialect,
    url: String,
    /// The database's name for messages.
    pub(super) place: String,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place)
    }
}

impl Connector {
    /// To the SQLite file at `path`, which is made if it is missing, readable by its owner only.
    pub(super) fn sqlite(path: &Path) -> sqlx::Result<Self> {
        match secret::private_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(sqlx::Error::Io(error));
            }
            _ => {}
        }
        let escaped = path
            .to_string_lossy()
            .replace('%', "%25")
            .replace('?', "%3f")
            .replace('#', "%23");
        Ok(Self {
            dialect: Dialect::Sqlite,
            url: format!("sqlite://{escaped}?mode=rw"),
            place: file_name(path),
        })
    }

    /// To a PostgreSQL database.
    pub(super) fn postgres(url: &str) -> Self {
        Self {
            dialect: Dialect::Postgres,
            url: url.into(),
            place: server_name(url),
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> sqlx::Result<Session> {
        static DRIVERS: RunOnce = RunOnce::new();
        DRIVERS.call_once(install_default_drivers);
        let open = async {
            let mut connection = AnyConnection::connect(&self.url).await?;
            let settings = match self.dialect {
                Dialect::Sqlite => SQLITE_SETTINGS,
                Dialect::Postgres => POSTGRES_SETTINGS,
            };
            connection.execute(settings).await?;
            Ok(Session::new(connection))
        };
        by(Some(Instant::now() + CONNECT_WITHIN), open).await
    }

    /// Brings the schema up to date.
    pub(super) async fn migrate(&self) -> sqlx::Result<()> {
        let migrator = match self.dialect {
            Dialect::Sqlite => sqlx::migrate!("migrations/sqlite"),
            Dialect::Postgres => sqlx::migrate!("migrations/postgres"),
        };
        let mut connection = AnyConnection::connect(&self.url).await?;
        if self.dialect == Dialect::Sqlite {
            connection.execute(SQLITE_SETTINGS).await?;
        }
        migrator.run(&mut connection).await?;
        connection.close().await
    }
}

/// The file's whole path, so that the message says which one it is wherever it is read.
pub(super) fn file_name(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    whole.display().to_string()
}

/// `PostgreSQL at host:port (database name)`, without user and password.
fn server_name(url: &str) -> String {
    match PgConnectOptions::from_str(url) {
        Ok(options) => {
            let at = match options.get_socket() {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            };
            match options.get_database() {
                Some(name) => format!("PostgreSQL at {at} (database {name})"),
                None => format!("PostgreSQL at {at}"),
            }
        }
        Err(_) => "PostgreSQL".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_the_server_and_no_password() {
        for (url, place) in [
            (
                "postgres://gmtech:hunter2@db.example:5433/keys",
                "PostgreSQL at db.example:5433 (database keys)",
            ),
            (
                "postgres://gmtech@db/keys?password=hunter2",
                "PostgreSQL at db:5432 (database keys)",
            ),
            ("postgres://gmtech:hunter2@db:nonsense/", "PostgreSQL"),
        ] {
            assert_eq!(server_name(url), place);
            assert_eq!(format!("{:?}", Connector::postgres(url)), place);
        }
    }
}
