//! Questions to ports: free, accepting, ready.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

const PATIENCE: Duration = Duration::from_secs(1);

/// Checks that `port` can be listened on.
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

/// Whether the Envoy with its admin page at `port` serves.
pub(super) fn is_ready(host: IpAddr, port: u16) -> bool {
    ask(host, port).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn ask(host: IpAddr, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(host, port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(String::from_utf8_lossy(&status).into_owned())
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
        assert!(!accepts(host, port) && !is_ready(host, port));
    }
}
