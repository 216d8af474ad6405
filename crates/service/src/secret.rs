//! Bearer tokens of the service itself: of administrators and of the proxies.
//!
//! Like keys they are 256 random bits, so a plain SHA-256 is stored and compared. The text leaves this type
//! only through [`Token::reveal`].

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use gmtech_core::key::ApiKey;
use sha2::{Digest, Sha256};

/// What every generated token starts with: not `gmtech_`, so that nobody takes one for a key.
const PREFIX: &str = "gmadmin_";

/// The shortest token that an operator may choose, in bytes.
pub const MIN_TOKEN_LEN: usize = 16;

/// A bearer token's text.
#[derive(Clone)]
pub struct Token(Box<str>);

/// The SHA-256 of a token.
pub type TokenDigest = [u8; 32];

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is {MIN_TOKEN_LEN} to 256 visible ASCII characters")]
pub struct InvalidToken;

impl Token {
    /// Makes a token.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn generate() -> io::Result<Self> {
        Ok(Self(
            format!("{PREFIX}{}", hex::encode(random::<32>()?)).into(),
        ))
    }

    /// Checks a token that an operator chose.
    ///
    /// # Errors
    /// [`InvalidToken`] where it is too short to be secret, too long, or no header value.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let fits = (MIN_TOKEN_LEN..=256).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidToken)
        }
    }

    /// What is stored and compared.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        digest(&self.0)
    }

    /// The secret, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads the token in the file at `path`, or makes one there that only its owner can read.
    ///
    /// # Errors
    /// Where the file cannot be read or written, or holds no token.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(text.trim()).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Self::generate()?;
                let mut file = private_file(path)?;
                writeln!(file, "{}", token.0)?;
                file.sync_all()?;
                Ok(token)
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The digest of a token as a client sent it.
#[must_use]
pub fn digest(text: &str) -> TokenDigest {
    Sha256::digest(text.as_bytes()).into()
}

/// A new API key from the system's randomness.
///
/// # Errors
/// Where the system gives none.
pub fn new_key() -> io::Result<ApiKey> {
    Ok(ApiKey::generate(&random()?))
}

/// `N` bytes of the system's randomness.
///
/// # Errors
/// Where the system gives none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(bytes)
}

/// Creates a file that only its owner can read; fails if it exists.
///
/// # Errors
/// As [`std::fs::OpenOptions::open`].
pub fn private_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let first = Token::from_file(&path).unwrap();
        let again = Token::from_file(&path).unwrap();
        assert_eq!(first.digest(), again.digest());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(format!("{first:?}"), "Token(…)");
    }

    #[test]
    fn what_is_too_short_to_be_secret_is_no_token() {
        for text in ["", "short", "with spaces in the middle", "fifteen-letters"] {
            assert!(Token::parse(text).is_err(), "{text:?}");
        }
    }
}
