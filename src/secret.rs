//! Secrets that cannot be printed or serialised.

use secrecy::{ExposeSecret, SecretString};

/// A secret text: a client secret, an access token, a private key in PEM. `Debug` prints `[REDACTED]`, there is no `Display` and no
/// `Serialize`, and dropping it overwrites the memory.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes ownership, so that no second copy stays in memory.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The plain text. Only for the call that sends or uses the secret, never for a message.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = Secret::new("canary-8f1".into());
        assert_eq!(format!("{secret:?}"), "[REDACTED]");
        assert_eq!(secret.expose(), "canary-8f1");
    }
}
