//! Where alerts may be posted to, and how often they are tried.

use std::time::Duration;

use gmtech_core::address::AddressSet;

/// The waits between attempts: about a day in all, before a post is given up.
const PAUSES: [u64; 10] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 36_000];

/// Where alerts may be posted to, and how often they are tried.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Networks that may be reached besides the public Internet; `None` is none.
    pub networks: Option<AddressSet>,
    /// Whether they may be posted without TLS. On the loopback, if that may be reached, they always may.
    pub http: bool,
    /// The longest that one attempt takes.
    pub timeout: Duration,
    /// How long it is waited after each attempt that fails; after the last one it is given up. Each is lengthened or shortened
    /// by up to a fifth, by chance.
    pub pauses: Vec<Duration>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            networks: None,
            http: false,
            timeout: Duration::from_secs(10),
            pauses: PAUSES.map(Duration::from_secs).to_vec(),
        }
    }
}
