//! The two configured tokens, and the end of those that they replace.

use std::time::Duration;

use crate::config::Config;
use crate::secret::Token;
use crate::store::{By, Configured, Ended, NewServiceToken, Role, ServiceToken, Store, StoreError};

/// Stores the configured tokens, and logs which tokens that ended.
///
/// # Errors
/// Where the store does not answer, or a token is there already with another role.
pub(super) async fn configure(store: &Store, config: &Config, by: &By) -> Result<(), StoreError> {
    let admin = (&config.admin_token, "configured administrator", Role::Admin);
    let proxies = (&config.sync_token, "configured for proxies", Role::Proxy);
    for ((token, name, role), from) in [
        (admin, &config.admin_token_from),
        (proxies, &config.sync_token_from),
    ] {
        let new = configured_token(token, name, role);
        let done = store
            .configure_token(new, millis(config.token_overlap), by)
            .await?;
        say(&done, from, by);
    }
    Ok(())
}

fn say(done: &Configured, from: &str, by: &By) {
    let ServiceToken { id, role, .. } = &done.token;
    let role = role.name();
    match done.token.ended(by.now) {
        Some(Ended::Revoked(at) | Ended::Expired(at)) => tracing::error!(
            token = id,
            role,
            from,
            ended_at = at.to_rfc3339(),
            "the configured token has ended and opens nothing; other valid tokens go on. \
             Put a new one there (`gmtech tokens generate`), or remove the file so that one is made, \
             then start again or send SIGHUP"
        ),
        None => {
            for ended in &done.ended {
                tracing::warn!(
                    token = ended.id,
                    role,
                    replaced_by = id,
                    "the token that was configured before has ended"
                );
            }
            if let Some(before) = &done.overlapping {
                let until = before.expires_at.map(|at| at.to_rfc3339());
                tracing::warn!(
                    token = before.id,
                    role,
                    replaced_by = id,
                    until,
                    "the proxies' token that was configured before goes on for a while; \
                     `gmtech tokens revoke` ends it sooner"
                );
            }
        }
    }
}

fn configured_token(token: &Token, name: &str, role: Role) -> NewServiceToken {
    let digest = token.digest();
    NewServiceToken {
        // The same token always has the same id; eight bytes of a digest reveal nothing of 256 random bits.
        id: format!("tok_{}", hex::encode(digest.get(..8).unwrap_or_default())),
        name: name.into(),
        digest,
        role,
        team: None,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
