//! A service with its two listeners, until it is stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use crate::clock::Reading;
use crate::config::Config;
use crate::service::{Service, deliver};
use crate::store::StoreError;
use crate::{api, sync};

/// How often the clocks are read; housekeeping is due every 30 seconds.
const TICK: Duration = Duration::from_secs(1);

/// How long requests under way may take when the service stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long the store may take to close then.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data cannot be opened; the store's own sentence names it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
}

/// A service that runs.
pub struct Running {
    /// The management listener's address.
    pub admin_addr: SocketAddr,
    /// The proxy-facing listener's address.
    pub sync_addr: SocketAddr,
    service: Arc<Service>,
    tasks: JoinSet<()>,
    since: Instant,
}

/// Opens the store, listens, and answers in the background.
///
/// # Errors
/// [`StartError`]; then nothing runs.
pub async fn serve(config: &Config) -> Result<Running, StartError> {
    let service = Service::open(config).await?;
    let listen = |addr: SocketAddr| async move {
        let listener = TcpListener::bind(addr)
            .await
            .map_err(|e| StartError::Listen(addr, e))?;
        let bound = listener
            .local_addr()
            .map_err(|e| StartError::Listen(addr, e))?;
        Ok::<_, StartError>((listener, bound))
    };
    let (admin_listener, admin_addr) = listen(config.admin_addr).await?;
    let (sync_listener, sync_addr) = listen(config.sync_addr).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(answer(
        admin_listener,
        api::app(service.clone()),
        service.clone(),
    ));
    tasks.spawn(answer(
        sync_listener,
        sync::app(service.clone()),
        service.clone(),
    ));
    tasks.spawn(keep_house(service.clone()));
    tasks.spawn(deliver(service.clone()));
    tracing::info!(%admin_addr, %sync_addr, "the key service is up");
    Ok(Running {
        admin_addr,
        sync_addr,
        service,
        tasks,
        since: Instant::now(),
    })
}

impl Running {
    /// The service behind the listeners.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Takes no more connections, ends held polls, lets requests under way and changes whose client has gone finish
    /// within [`GRACE`], closes the store, and returns. The last line of the log says how that went.
    pub async fn stop(mut self) {
        tracing::info!(grace_seconds = GRACE.as_secs(), "the key service stops");
        let until = Instant::now() + GRACE;
        self.service.stopping.send_replace(true);
        self.service.under_way.close();
        let all = async {
            while self.tasks.join_next().await.is_some() {}
            self.service.under_way.wait().await;
        };
        let drained = timeout_at(until, all).await.is_ok();
        self.service.journal.settle().await;
        let closed = match timeout(CLOSE_WITHIN, self.service.store.close()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store did not close; it is whole when it is opened again");
                false
            }
            Err(_) => false,
        };
        let up_seconds = self.since.elapsed().as_secs();
        if drained && closed {
            tracing::info!(
                up_seconds,
                "the key service has stopped: nothing was under way"
            );
        } else {
            let left = self.service.under_way.len();
            tracing::warn!(
                up_seconds,
                left,
                closed,
                "the key service has stopped with requests under way"
            );
        }
    }
}

async fn answer(listener: TcpListener, app: Router, service: Arc<Service>) {
    let listener = listener.tap_io(|stream| {
        // A frame is one small answer: it must not wait for more to be sent.
        let _ = stream.set_nodelay(true);
    });
    let mut stopping = service.stopping.subscribe();
    let stopped = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stopped)
    .await
    {
        tracing::error!(%error, "a listener failed");
    }
}

async fn keep_house(service: Arc<Service>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = service.stopping.subscribe();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = service.tick(Reading::now()).await {
            tracing::error!(%error, "housekeeping failed; it is tried again");
        }
    }
}
