//! Secrets that cannot be printed or serialised.

use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// A secret text: a client secret, an access token, a private key in PEM. `Debug` prints `[REDACTED]`, there is no `Display`
/// and no `Serialize`, and the memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself: only for the call that sends or uses it, never for a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Secret bytes: a signing key. As [`Secret`].
#[derive(Clone)]
pub struct SecretBytes(SecretSlice<u8>);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretSlice::from(bytes))
    }

    /// The bytes themselves: only for the call that uses them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = Secret::new("canary-8f1".into());
        assert_eq!(format!("{secret:?} {:?}", SecretBytes::new(b"canary-8f1".to_vec())), "[REDACTED] [REDACTED]");
        assert_eq!(secret.expose(), "canary-8f1");
    }
}
