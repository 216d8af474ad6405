//! Serves a router over HTTP/1.1 and cleartext HTTP/2 on one port, and closes connections when asked to.

use std::io;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::answer::DropConnection;
use crate::play::CutAsAsked;

/// Serves `app` on `listener` until dropped, which closes every connection.
///
/// # Errors
/// If the listener itself fails. A connection that fails affects no other.
pub async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, app.clone()));
                    }
                    // The client disconnected before it was accepted.
                    Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(e) => return Err(e),
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, app: Router) {
    // Each one-byte chunk must be a packet of its own. A socket without the option is slower, not wrong.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| call(app.clone(), request));
    // An error here is a broken connection, whichever side broke it.
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn call(
    app: Router,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, CutAsAsked> {
    let Ok(response) = app.oneshot(Request::map(request, Body::new)).await;
    match response.extensions().get::<DropConnection>() {
        Some(DropConnection) => Err(CutAsAsked),
        None => Ok(response),
    }
}
