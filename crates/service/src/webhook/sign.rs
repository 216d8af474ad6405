//! Signatures of posts, as Standard Webhooks has them: HMAC-SHA256 of id, time and body.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret;

/// What every secret starts with.
const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits.
///
/// # Errors
/// Where the system gives no randomness.
pub(crate) fn new_secret() -> io::Result<String> {
    Ok(format!(
        "{PREFIX}{}",
        STANDARD.encode(secret::random::<32>()?)
    ))
}

/// The header `webhook-signature`: a signature by each of these secrets, the first one first. `timestamp` is in seconds.
pub(crate) fn sign(secrets: &[String], id: &str, timestamp: u64, body: &str) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| {
            let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
            mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
            Some(format!(
                "v1,{}",
                STANDARD.encode(mac.finalize().into_bytes())
            ))
        })
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Standard Webhooks' own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = r#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        assert_eq!(sign(&[SECRET.into()], ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn two_secrets_make_two_signatures() {
        let other = new_secret().unwrap();
        let both = sign(&[other.clone(), SECRET.into()], ID, 1_614_265_330, BODY);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, SIGNATURE);
        assert_eq!(first, sign(&[other], ID, 1_614_265_330, BODY));
        assert_ne!(first, second);
    }

    #[test]
    fn a_new_secret_has_the_length_that_the_specification_asks_for() {
        let secret = new_secret().unwrap();
        let bytes = STANDARD
            .decode(secret.strip_prefix(PREFIX).unwrap())
            .unwrap();
        assert!((24..=64).contains(&bytes.len()));
        assert_ne!(secret, new_secret().unwrap());
    }
}
