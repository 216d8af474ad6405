//! A connection that can be dropped at any moment: it knows whether its last statement has ended and has ended well.
//!
//! Every statement of the store runs through here, so each has a deadline, and a future that is dropped in the middle
//! of one leaves a mark. What that means is decided by who owns the session: a reader is thrown away, a writer is
//! rolled back first.

use std::io;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Any, AnyConnection, Connection, Describe, Either, Execute, Executor};
use tokio::time::{Instant, timeout_at};

use crate::store::failure::ends_connection;

/// What a statement gives, in its order.
type Step = Either<AnyQueryResult, AnyRow>;

/// A connection and how it stands. The default has none, and refuses every statement.
#[derive(Debug, Default)]
pub(in crate::store) struct Session {
    connection: Option<AnyConnection>,
    until: Option<Instant>,
    /// A statement was begun and did not end, or the connection failed under it.
    interrupted: bool,
    /// A statement was refused.
    refused: bool,
}

impl Session {
    pub(super) fn new(connection: AnyConnection) -> Self {
        Self {
            connection: Some(connection),
            ..Self::default()
        }
    }

    /// Whether another statement can be run on it.
    pub(super) fn is_sound(&self) -> bool {
        self.connection.is_some() && !self.interrupted
    }

    /// Whether every statement since the last [`Session::renew`] has ended well.
    pub(super) fn is_unharmed(&self) -> bool {
        self.is_sound() && !self.refused
    }

    /// Gives it a new deadline, and forgets how statements ended: only for a connection whose state is known.
    pub(super) fn renew(&mut self, until: Instant) {
        self.until = Some(until);
        self.interrupted = false;
        self.refused = false;
    }

    /// Asks whether the other side is there.
    pub(super) async fn ping(&mut self, until: Instant) -> sqlx::Result<()> {
        self.until = Some(until);
        let (connection, until) = self.start()?;
        let answered = by(until, connection.ping()).await;
        self.end(answered)
    }

    /// Ends the connection in order, which lets SQLite fold its log into the database.
    pub(super) async fn close(&mut self) -> sqlx::Result<()> {
        match self.connection.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }

    fn start(&mut self) -> sqlx::Result<(&mut AnyConnection, Option<Instant>)> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        self.interrupted = true;
        Ok((connection, self.until))
    }

    fn end<T>(&mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        match &result {
            Ok(_) => self.interrupted = false,
            Err(error) => {
                self.interrupted = ends_connection(error);
                self.refused = true;
            }
        }
        result
    }
}

/// What the work gives, unless the deadline comes first.
pub(super) async fn by<T>(
    until: Option<Instant>,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    match until {
        None => work.await,
        Some(until) => timeout_at(until, work).await.unwrap_or_else(|_| {
            let late = "no answer before the deadline";
            Err(sqlx::Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                late,
            )))
        }),
    }
}

/// The steps of a statement that has ended, one by one.
pub(super) fn steps<'e>(
    all: impl Future<Output = sqlx::Result<Vec<Step>>> + Send + 'e,
) -> BoxStream<'e, sqlx::Result<Step>> {
    stream::once(all)
        .map_ok(|all| stream::iter(all.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

impl<'c> Executor<'c> for &'c mut Session {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        steps(async move {
            let (connection, until) = self.start()?;
            let all = by(until, connection.fetch_many(query).try_collect()).await;
            self.end(all)
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<AnyRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move {
            let (connection, until) = self.start()?;
            let row = by(until, connection.fetch_optional(query)).await;
            self.end(row)
        })
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<AnyStatement<'q>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let (connection, until) = self.start()?;
            let statement = by(until, connection.prepare_with(sql, parameters)).await;
            self.end(statement)
        })
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, sqlx::Result<Describe<Any>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let (connection, until) = self.start()?;
            let described = by(until, connection.describe(sql)).await;
            self.end(described)
        })
    }
}
