//! A service with its two listeners, until it is stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::Millis;
use crate::config::Config;
use crate::service::Service;
use crate::store::StoreError;
use crate::{admin, sync};

/// How often budgets of a new day are opened and old days closed.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// How long requests under way may take when the service stops.
const GRACE: Duration = Duration::from_secs(10);

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data cannot be opened.
    #[error("cannot open the store: {0}")]
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
        admin::app(service.clone()),
        service.clone(),
    ));
    tasks.spawn(answer(
        sync_listener,
        sync::app(service.clone()),
        service.clone(),
    ));
    tasks.spawn(keep_house(service.clone()));
    tracing::info!(%admin_addr, %sync_addr, "the key service is up");
    Ok(Running {
        admin_addr,
        sync_addr,
        service,
        tasks,
    })
}

impl Running {
    /// Lets requests under way finish, ends held polls, and returns when all is closed.
    pub async fn stop(mut self) {
        self.service.stopping.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            tracing::warn!("requests were still under way when the service stopped");
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
    if let Err(error) = axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!(%error, "a listener failed");
    }
}

async fn keep_house(service: Arc<Service>) {
    let mut ticks = interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = service.stopping.subscribe();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = service.housekeeping(Millis::now()).await {
            tracing::error!(%error, "housekeeping failed; it is tried again");
        }
    }
}
