//! The one writing connection of this process, and transactions on it that can be dropped at any moment.
//!
//! Writers take turns. A turn is a lock that a [`Tx`] holds until its connection is in a known state again: committed, or
//! rolled back, or thrown away. So whatever becomes of the future that writes (it returns early, fails, panics, or is
//! dropped between any two statements or in the middle of one) the next writer finds a clean connection.
//!
//! # Order
//! Turns are given in the order in which they were asked for. Revocations do not stand in that line: they wait for the
//! transaction that is under way, and for no other.
//!
//! # Failure policy
//! - A transaction in which a statement failed is never committed.
//! - Each has [`WRITE_WITHIN`] from the moment it asks for its turn. A server that hangs costs its writers that long and
//!   no more.
//! - A connection that broke while it was idle is replaced; nothing has happened on it.
//! - A `COMMIT` without an answer is [`StoreError::Unconfirmed`]: it may have happened.

use std::mem::take;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::{Instant, timeout_at};

use super::connect::{Connector, Dialect};
use super::reserve::Reserve;
use super::session::Session;
use crate::store::failure::{Failure, FailureKind, leaves_commit_open};
use crate::store::{Result, StoreError};

/// The longest that a write takes, waiting for its turn included.
const WRITE_WITHIN: Duration = Duration::from_secs(20);

/// The longest that a rollback takes; then the connection is thrown away, and the database rolls back by itself.
const ROLLBACK_WITHIN: Duration = Duration::from_secs(5);

/// Who goes first, and who may use the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Everything but revocations.
    Usual,
    /// What must not wait or fail for lack of room: it takes access away.
    Urgent,
}

/// The writing connection.
pub(super) struct Writer {
    connector: Connector,
    /// Kept between transactions; none at first and after it failed.
    turn: Arc<Mutex<Session>>,
    /// Who has this may ask for the turn: so at most one usual writer stands before an urgent one.
    line: Arc<Mutex<()>>,
    reserve: Option<Arc<Reserve>>,
    /// How many usual transactions were committed.
    committed: watch::Sender<u64>,
}

/// The turn, and the place at the head of the line; given back in this order.
struct Turn {
    session: OwnedMutexGuard<Session>,
    _line: Option<OwnedMutexGuard<()>>,
}

impl Writer {
    /// Whether the disk has room, where it is this program's to look after.
    pub(super) fn has_room(&self) -> bool {
        self.reserve
            .as_ref()
            .is_none_or(|reserve| reserve.has_room())
    }

    pub(super) fn new(connector: Connector, reserve: Option<Reserve>) -> Self {
        Self {
            connector,
            turn: Arc::default(),
            line: Arc::default(),
            reserve: reserve.map(Arc::new),
            committed: watch::Sender::new(0),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.connector.dialect
    }

    /// Begins a transaction, alone among all writers of all processes.
    pub(super) async fn begin(&self, urgency: Urgency) -> Result<Tx> {
        let until = Instant::now() + WRITE_WITHIN;
        let late = |_| StoreError::from(Failure::new(FailureKind::TimedOut, "other writes go on"));
        let turn = timeout_at(until, self.turn(urgency)).await.map_err(late)?;
        let turn = match urgency {
            Urgency::Usual => self.with_room(turn).await?,
            Urgency::Urgent => turn,
        };
        let counted = match urgency {
            Urgency::Usual => Some(self.committed.clone()),
            Urgency::Urgent => None,
        };
        let mut tx = Tx {
            dialect: self.connector.dialect,
            session: Session::default(),
            turn: Some(turn),
            begun: false,
            counted,
        };
        let kept = tx.turn.as_mut().map(|turn| take(&mut *turn.session));
        if let Some(kept) = kept.filter(Session::is_sound) {
            tx.session = kept;
            match tx.start(until).await.map_err(Failure::from) {
                Ok(()) => return Ok(tx),
                Err(failure) if failure.kind != FailureKind::Unreachable => {
                    return Err(failure.into());
                }
                Err(_) => {}
            }
            tx.forget();
        }
        tx.session = self.connector.connect().await?;
        tx.start(until).await?;
        Ok(tx)
    }

    async fn turn(&self, urgency: Urgency) -> Turn {
        let line = match urgency {
            Urgency::Usual => Some(self.line.clone().lock_owned().await),
            Urgency::Urgent => None,
        };
        Turn {
            session: self.turn.clone().lock_owned().await,
            _line: line,
        }
    }

    /// The turn, if the reserve is whole or can be made so.
    async fn with_room(&self, turn: Turn) -> Result<Turn> {
        let Some(reserve) = self.reserve.clone().filter(|r| !r.is_whole()) else {
            return Ok(turn);
        };
        // The turn goes with it: should this future be dropped, the file is finished before another writer begins.
        let work = move || {
            let whole = reserve.restore(Instant::now());
            (turn, whole)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok((turn, true)) => Ok(turn),
            _ => {
                let why = "what is left is kept for revocations";
                Err(Failure::new(FailureKind::DiskFull, why).into())
            }
        }
    }

    /// Gives a part of the reserve back to the disk; false if there is none.
    pub(super) async fn make_room(&self) -> bool {
        let Some(reserve) = self.reserve.clone() else {
            return false;
        };
        tokio::task::spawn_blocking(move || reserve.give_up_part(Instant::now()))
            .await
            .unwrap_or(false)
    }

    /// Changes whenever a usual transaction was committed.
    pub(super) fn committed(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Waits for the transaction that is under way and ends the connection. The next write opens another one.
    pub(super) async fn close(&self) -> sqlx::Result<()> {
        let mut session = self.turn.lock().await;
        take(&mut *session).close().await
    }
}

/// A transaction that writes. Dropped, it is rolled back.
pub(in crate::store) struct Tx {
    /// Which database it is on.
    pub(super) dialect: Dialect,
    session: Session,
    turn: Option<Turn>,
    /// Whether the database may know of it.
    begun: bool,
    counted: Option<watch::Sender<u64>>,
}

impl Tx {
    async fn start(&mut self, until: Instant) -> sqlx::Result<()> {
        self.session.renew(until);
        self.begun = true;
        match self.dialect {
            Dialect::Sqlite => self.run("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.run("BEGIN; LOCK TABLE meta IN EXCLUSIVE MODE").await,
        }
    }

    async fn run(&mut self, sql: &'static str) -> sqlx::Result<()> {
        self.session.execute(sql).await?;
        Ok(())
    }

    /// Gives the connection up. The database ends what was begun on it.
    fn forget(&mut self) {
        self.session = Session::default();
        self.begun = false;
    }

    /// Makes the transaction durable and seen by all.
    ///
    /// # Errors
    /// [`StoreError::Unconfirmed`] where it may have happened; otherwise it has not.
    pub(super) async fn commit(mut self) -> Result<()> {
        if !self.session.is_unharmed() {
            return Err(Failure::new(FailureKind::Other, "a statement of it failed").into());
        }
        match self.run("COMMIT").await {
            Ok(()) => {
                self.begun = false;
                if let Some(counted) = &self.counted {
                    counted.send_modify(|count| *count = count.wrapping_add(1));
                }
                Ok(())
            }
            Err(error) if leaves_commit_open(&error) => {
                self.forget();
                Err(StoreError::Unconfirmed(error.into()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Deref for Tx {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let (mut session, Some(mut turn)) = (take(&mut self.session), self.turn.take()) else {
            return;
        };
        if !self.begun {
            *turn.session = session;
            return;
        }
        // Without a runtime the program ends, and the connection with it.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            session.renew(Instant::now() + ROLLBACK_WITHIN);
            // Statements are answered in their order: when this one is, nothing is left of those before it.
            if session.execute("ROLLBACK").await.is_ok() {
                *turn.session = session;
            }
        });
    }
}
