//! Connections that only read. A read never waits for a writer.
//!
//! # Failure policy
//! A connection whose statement was interrupted is thrown away. One that was idle is asked whether it still works, and
//! when one has broken, so have the others: all idle ones go. A database that cannot be reached says so at once, with
//! the cause.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::stream::TryStreamExt;
use sqlx::any::{Any, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Describe, Either, Execute, Executor};
use tokio::time::{Instant, sleep, timeout};

use super::connect::Connector;
use super::session::{Session, steps};
use crate::store::failure::ends_connection;

/// How many reads run at once.
const READERS: usize = 8;

/// The longest that a read waits for a connection, and the longest that it takes then.
const WAIT: Duration = Duration::from_secs(3);
const READ_WITHIN: Duration = Duration::from_secs(20);

/// A connection that was used this short a time ago is taken as it is.
const FRESH: Duration = Duration::from_secs(1);

/// The longest that an idle connection may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long reads under way may take when the store closes, and how often it looks whether they have ended.
const END_WITHIN: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct Opening(Connector);

impl Manager for Opening {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<Session> {
        self.0.connect().await
    }

    async fn recycle(
        &self,
        session: &mut Session,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if !session.is_sound() {
            return Err(RecycleError::message("its statement was interrupted"));
        }
        if metrics.last_used() > FRESH {
            session.ping(Instant::now() + ANSWER_WITHIN).await?;
        }
        Ok(())
    }
}

/// The reading connections of one database.
#[derive(Debug)]
pub(super) struct Readers(Pool<Opening>);

impl Readers {
    /// # Errors
    /// None that a configuration can cause: the timeouts have their runtime.
    pub(super) fn new(connector: Connector) -> sqlx::Result<Self> {
        Pool::builder(Opening(connector))
            .max_size(READERS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .build()
            .map(Self)
            .map_err(|error| sqlx::Error::Configuration(error.into()))
    }

    /// Ends all of them in order; reads fail from now on. A connection that is still read from would end later than this,
    /// and SQLite folds its log into the database only with its last connection: so reads under way come first.
    pub(super) async fn close(&self) {
        let ended = async {
            loop {
                for mut idle in self.0.retain(|_, _| false).removed {
                    // What fails to end in order ends with the process.
                    let _ = idle.close().await;
                }
                if self.0.status().size == 0 {
                    return;
                }
                sleep(LOOK).await;
            }
        };
        // What takes longer ends with the process.
        let _ = timeout(END_WITHIN, ended).await;
        self.0.close();
    }

    async fn take(&self) -> sqlx::Result<Object<Opening>> {
        let mut session = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(cause) => cause,
            PoolError::Timeout(_) => sqlx::Error::PoolTimedOut,
            PoolError::Closed | PoolError::NoRuntimeSpecified => sqlx::Error::PoolClosed,
            PoolError::PostCreateHook(_) => sqlx::Error::WorkerCrashed,
        })?;
        session.renew(Instant::now() + READ_WITHIN);
        Ok(session)
    }

    /// What a read gave; one whose connection broke ends the idle ones too.
    fn noted<T>(&self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        if result.as_ref().is_err_and(ends_connection) {
            self.0.retain(|_, _| false);
        }
        result
    }
}

impl<'c> Executor<'c> for &'c Readers {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<AnyQueryResult, AnyRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        steps(async move {
            let mut session = self.take().await?;
            self.noted(session.fetch_many(query).try_collect().await)
        })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<AnyRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(async move {
            let mut session = self.take().await?;
            self.noted(session.fetch_optional(query).await)
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
            let mut session = self.take().await?;
            self.noted(session.prepare_with(sql, parameters).await)
        })
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, sqlx::Result<Describe<Any>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let mut session = self.take().await?;
            self.noted(session.describe(sql).await)
        })
    }
}
