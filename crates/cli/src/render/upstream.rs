//! The provider's URL, taken apart for Envoy.

use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// A provider's base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// Whether to speak TLS to it.
    pub(crate) tls: bool,
    /// A name or an IP address, IPv6 without brackets.
    pub(crate) host: String,
    /// The port; 80 or 443 if the URL has none.
    pub(crate) port: u16,
    /// The value of the Host header.
    pub(crate) authority: String,
    /// The prefix that replaces `/api/v1/` and `/v1/`; starts and ends with a slash.
    pub(crate) prefix: String,
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|e| format!("is not a URL: {e}"))?;
        let tls = match uri.scheme() {
            Some(s) if *s == Scheme::HTTPS => true,
            Some(s) if *s == Scheme::HTTP => false,
            _ => return Err("must start with http:// or https://".into()),
        };
        let authority = uri.authority().ok_or("has no host")?;
        if authority.as_str().contains('@') {
            return Err("must not hold a user name or password: use the upstream key file".into());
        }
        if uri.query().is_some() {
            return Err("must not hold a query".into());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err("has no host".into());
        }
        let after_host = authority.as_str().strip_prefix(authority.host());
        let port = match after_host.and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => port.parse().map_err(|_| "has no valid port")?,
            None if tls => 443,
            None => 80,
        };
        let path = uri.path().trim_end_matches('/');
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            prefix: if path.is_empty() {
                "/v1/".into()
            } else {
                format!("{path}/")
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_says_where_how_and_below_which_path() {
        for (url, tls, host, port, authority, prefix) in [
            (
                "http://127.0.0.1:8090",
                false,
                "127.0.0.1",
                8090,
                "127.0.0.1:8090",
                "/v1/",
            ),
            (
                "http://localhost/",
                false,
                "localhost",
                80,
                "localhost",
                "/v1/",
            ),
            (
                "https://api.openai.com/v1",
                true,
                "api.openai.com",
                443,
                "api.openai.com",
                "/v1/",
            ),
            ("https://h:8443/a/b/", true, "h", 8443, "h:8443", "/a/b/"),
            ("http://[::1]:9", false, "::1", 9, "[::1]:9", "/v1/"),
        ] {
            let expected = Upstream {
                tls,
                host: host.into(),
                port,
                authority: authority.into(),
                prefix: prefix.into(),
            };
            assert_eq!(url.parse(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn an_invalid_upstream_is_refused() {
        for url in [
            "",
            "api.openai.com",
            "ftp://h/",
            "http://",
            "https://u:p@h/",
            "http://h/?key=1",
            "http://h:99999/",
        ] {
            assert!(url.parse::<Upstream>().is_err(), "{url}");
        }
    }
}
