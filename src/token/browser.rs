//! The secret in a browser's cookie. A signature marks it as ours, so that a button does not adopt a value that another site put there.

use jsonwebtoken::{Algorithm, crypto};

use super::Signer;

/// Length of the random part, in characters.
const RANDOM: usize = 43;

impl Signer<'_> {
    /// Makes a secret from 244 random bits.
    pub(crate) fn browser_secret(&self, random: &str) -> String {
        let (_, key) = self.keys.signing();
        // HMAC cannot fail. If it did, the next press would replace the secret.
        let signature = crypto::sign(&self.signed_part(random), key, Algorithm::HS256).unwrap_or_default();
        format!("{random}.{signature}")
    }

    /// Whether this installation made the secret.
    pub(crate) fn is_browser_secret(&self, secret: &str) -> bool {
        let Some((random, signature)) = secret.split_once('.') else { return false };
        let signed = self.signed_part(random);
        let verifies = |key| crypto::verify(signature, &signed, key, Algorithm::HS256).unwrap_or(false);
        random.len() == RANDOM && self.keys.accepted(self.now).any(|accepted| verifies(&accepted.key))
    }

    /// The bytes to sign. No token begins in this way, so a signature of a token never passes for a signature of a secret, or the other way
    /// round.
    fn signed_part(&self, random: &str) -> Vec<u8> {
        format!("browser\n{}\n{random}", self.issuer).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyRing;
    use super::*;
    use crate::secret::Secret;

    const OLD: &str = r#"{"kid":"k1","key":"5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L"}"#;
    const NEW: &str =
        r#"{"kid":"k2","key":"9aQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-M","older":[{"kid":"k1","key":"5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L"}]}"#;

    #[test]
    fn only_a_secret_of_this_installation_is_adopted() {
        let ring = |text: &str| KeyRing::parse(&Secret::new(text.into())).unwrap();
        let (old, new) = (ring(OLD), ring(NEW));
        let signer = |keys, issuer| Signer { keys, issuer, now: 0 };
        let random = "x".repeat(RANDOM);
        let secret = signer(&old, "https://consent.example").browser_secret(&random);
        assert!(signer(&old, "https://consent.example").is_browser_secret(&secret));
        assert!(signer(&new, "https://consent.example").is_browser_secret(&secret), "after a rotation");
        assert!(!signer(&old, "https://other.example").is_browser_secret(&secret));
        let rotated = signer(&new, "https://consent.example").browser_secret(&random);
        assert!(!signer(&old, "https://consent.example").is_browser_secret(&rotated), "an unknown key");
        let signature = secret.split_once('.').unwrap().1;
        for foreign in ["".to_owned(), random.clone(), format!("{random}."), format!("{}.{signature}", "y".repeat(RANDOM)), "a.b.c".into()]
        {
            assert!(!signer(&old, "https://consent.example").is_browser_secret(&foreign), "{foreign}");
        }
    }
}
