//! Passwords: argon2id, with OWASP's parameters (19 MiB, two passes, one lane).
//!
//! A password is hashed off the runtime's threads, and only a few at a time, so that a flood of attempts takes neither all
//! memory nor the threads that answer others.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// How many passwords are hashed at once.
const AT_ONCE: usize = 4;

/// The fewest and the most characters. NIST 800-63B: length counts, rules of composition do not.
const MIN_CHARS: usize = 12;
const MAX_CHARS: usize = 256;

/// Passwords that fulfil the length and are tried first.
const COMMON: [&str; 12] = [
    "123456789012",
    "1234567890123",
    "12345678901234",
    "password1234",
    "passwordpassword",
    "qwertyuiop12",
    "qwertyuiop123",
    "administrator",
    "iloveyou1234",
    "letmein12345",
    "correcthorsebatterystaple",
    "correct horse battery staple",
];

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Compared where there is no account, so that the answer takes as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody's password").ok());

/// Refuses what is too easy to guess.
///
/// # Errors
/// 400 that says what is wrong with it, of the field `param`.
pub(crate) fn check(param: &str, password: &str, email: &str) -> Result<(), ApiError> {
    let chars = password.chars().count();
    let lower = password.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let why = if chars < MIN_CHARS {
        format!("Use at least {MIN_CHARS} characters. A few words in a row are good.")
    } else if chars > MAX_CHARS {
        format!("Use at most {MAX_CHARS} characters.")
    } else if lower == email.to_lowercase()
        || lower.trim_matches(|c: char| !c.is_alphanumeric()) == local.to_lowercase()
    {
        "The password must not be your address.".to_owned()
    } else if COMMON.contains(&&*lower) || one_character(password) {
        "This password is one of those that are tried first. Choose another one.".to_owned()
    } else {
        return Ok(());
    };
    Err(ApiError::invalid(param, why))
}

fn one_character(password: &str) -> bool {
    let mut chars = password.chars();
    let first = chars.next();
    chars.all(|c| Some(c) == first)
}

/// The PHC string of a password.
///
/// # Errors
/// 500 where the system gives no randomness.
pub(crate) async fn hash(password: &str) -> Result<String, ApiError> {
    let password = password.to_owned();
    let hashed = in_turn(move || hash_now(&password)).await;
    hashed
        .and_then(|hashed| hashed.ok())
        .ok_or_else(|| ApiError::internal(&std::io::Error::other("a password was not hashed")))
}

/// Whether the password is the one of `phc`. Without one it takes as long, and is false.
pub(crate) async fn verify(password: &str, phc: Option<&str>) -> bool {
    let (password, phc) = (password.to_owned(), phc.map(str::to_owned));
    let compare = move || {
        let known = phc.is_some();
        let Some(phc) = phc.or_else(|| NOBODY.clone()) else {
            return false;
        };
        // A very long text must not cost more than a password.
        let cut = password.chars().count() <= MAX_CHARS;
        let fits = argon2().is_some_and(|argon2| {
            argon2
                .verify_password(if cut { password.as_bytes() } else { b"" }, &*phc)
                .is_ok()
        });
        known && cut && fits
    };
    in_turn(compare).await.unwrap_or(false)
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _turn = TURNS.acquire().await.ok()?;
    tokio::task::spawn_blocking(work).await.ok()
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<String, ()> {
    let argon2 = argon2().ok_or(())?;
    let hashed = argon2.hash_password(password.as_bytes()).map_err(|_| ())?;
    Ok(hashed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_the_address_does_not_do() {
        for (password, good) in [
            ("elevenchars", false),
            ("twelve chars", true),
            ("ada@example.com", false),
            ("ADA@EXAMPLE.COM", false),
            ("aaaaaaaaaaaaaaa", false),
            ("passwordpassword", false),
            ("ünïcödé wörds", true),
            ("no digit, no capital, fine", true),
        ] {
            let checked = check("password", password, "ada@example.com");
            assert_eq!(checked.is_ok(), good, "{password}");
        }
        assert!(check("password", &"xy".repeat(129), "a@b.example").is_err());
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let phc = hash("a few words in a row").await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify("a few words in a row", Some(&phc)).await);
        assert!(!verify("a few words in a roW", Some(&phc)).await);
        assert!(!verify("nobody's password", None).await);
        assert!(!verify("", Some("no PHC string")).await);
    }
}
