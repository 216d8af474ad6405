//! Probes of ports: free, accepting, ready.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

const PATIENCE: Duration = Duration::from_secs(1);

/// The time limit of answers that come from the provider.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes read of an answer, more than any head has.
const MAX_ANSWER: u64 = 128 << 10;

/// Checks that a program can listen on `port`.
///
/// # Errors
/// Names `variable`, which chooses the port.
pub(super) fn port_is_free(host: IpAddr, port: u16, variable: &str) -> Result<()> {
    if port == 0 {
        bail!("{variable} must be a port from 1 to 65535");
    }
    match TcpListener::bind((host, port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!("port {port} is not free ({error}): set {variable} to another one"),
    }
}

/// Whether something accepts connections at `port`.
pub(super) fn accepts(host: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(host, port), PATIENCE).is_ok()
}

/// Whether `path` is answered with 200: the health checks of Envoy and of the key service.
pub(super) fn is_ready(host: IpAddr, port: u16, path: &str) -> bool {
    ask(host, port, path, "", PATIENCE).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Whether the gate at `port` lets `key` pass. Only answers to requests that passed have limit headers; the provider's
/// status does not matter.
pub(super) fn admits(host: IpAddr, port: u16, key: &str) -> bool {
    let authorization = format!("authorization: Bearer {key}\r\n");
    ask(
        host,
        port,
        "/api/v1/models",
        &authorization,
        UPSTREAM_PATIENCE,
    )
    .is_ok_and(|answer| {
        answer
            .lines()
            .take_while(|line| !line.is_empty())
            .any(|line| line.starts_with("x-ratelimit-limit-requests:"))
    })
}

/// Whether the Envoy with its admin page at `port` has the key service's data.
pub(super) fn has_synced(host: IpAddr, port: u16) -> bool {
    let stat = "gmtech_sync.decision.applied";
    ask(host, port, &format!("/stats?filter={stat}"), "", PATIENCE)
        .is_ok_and(|answer| answer.contains(&format!("{stat}: ")))
}

/// The answer, or the start of it if it is long.
fn ask(
    host: IpAddr,
    port: u16,
    path: &str,
    headers: &str,
    patience: Duration,
) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(host, port), PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_reported_with_the_variable_to_change() {
        let host = IpAddr::from([127, 0, 0, 1]);
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(accepts(host, port));
        let error = port_is_free(host, port, "API_PORT")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("API_PORT") && error.contains(&port.to_string()),
            "{error}"
        );
        drop(listener);
        assert!(port_is_free(host, port, "API_PORT").is_ok());
        assert!(!accepts(host, port) && !is_ready(host, port, "/ready"));
    }
}
