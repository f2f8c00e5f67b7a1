//! The keys that sign and verify tokens.

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::key_document::{BadKeys, KeptKey, KeyDocument, RevokedKey};
use crate::secret::Secret;

/// The keys of one installation. The first one signs; all of them verify.
pub struct KeyRing {
    kid: Box<str>,
    signing: EncodingKey,
    verifying: Vec<VerifyingKey>,
    revoked: Vec<RevokedKey>,
}

/// A key that verifies, with the times at which its use ends. Times are in seconds since 1970.
pub(super) struct VerifyingKey {
    kid: Box<str>,
    pub(super) key: DecodingKey,
    /// The latest `iat` of the key's tokens, if the key no longer signs.
    pub(super) signs_until: Option<u64>,
    needed_until: Option<u64>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("kid", &self.kid).field("keys", &self.verifying.len()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Reads the key secret ([`KeyDocument`]). The bytes of a key's text are the key.
    ///
    /// # Errors
    /// [`BadKeys`] if the secret has another form, a key is short or weak, or two keys have one name.
    pub fn parse(secret: &Secret) -> Result<Self, BadKeys> {
        let KeyDocument { signing, older, revoked } = {
            let document = KeyDocument::parse(secret)?;
            document.check()?;
            document
        };
        // jsonwebtoken refuses an empty key, but the check above has already refused such a document.
        let verifies = |(at, kept): (usize, &KeptKey)| {
            let key = DecodingKey::from_secret(kept.key.expose().as_bytes()).map_err(|_| BadKeys::Short(at))?;
            let [signs_until, needed_until] =
                [kept.signs_until(), kept.needed_until()].map(|at| at.map(|at| u64::try_from(at.unix_timestamp()).unwrap_or_default()));
            Ok(VerifyingKey { kid: kept.kid.clone(), key, signs_until, needed_until })
        };
        Ok(Self {
            signing: EncodingKey::from_secret(signing.key.expose().as_bytes()).map_err(|_| BadKeys::Short(0))?,
            verifying: std::iter::once(&signing).chain(&older).enumerate().map(verifies).collect::<Result<_, _>>()?,
            kid: signing.kid,
            revoked,
        })
    }

    /// The name of the key that signs.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn signing(&self) -> (&str, &EncodingKey) {
        (&self.kid, &self.signing)
    }

    /// The key of this name, unless its tokens have all expired at `now`.
    pub(super) fn verifying(&self, kid: &str, now: u64) -> Option<&VerifyingKey> {
        self.accepted(now).find(|key| *key.kid == *kid)
    }

    pub(super) fn is_revoked(&self, kid: &str) -> bool {
        self.revoked.iter().any(|revoked| *revoked.kid == *kid)
    }

    /// The keys whose tokens have not all expired at `now`.
    pub(super) fn accepted(&self, now: u64) -> impl Iterator<Item = &VerifyingKey> {
        self.verifying.iter().filter(move |key| key.needed_until.is_none_or(|until| now <= until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L";

    fn parse(text: &str) -> Result<KeyRing, BadKeys> {
        KeyRing::parse(&Secret::new(text.into()))
    }

    #[test]
    fn a_key_secret_is_refused_unless_every_key_is_strong_and_named_once() {
        assert!(parse(&format!(r#"{{"kid":"k1","key":"{KEY}"}}"#)).is_ok());
        assert!(parse(&format!(r#"{{"kid":"k2","key":"{KEY}x","older":[{{"kid":"k1","key":"{KEY}"}}]}}"#)).is_ok());
        let cases = [
            ("".to_owned(), BadKeys::Malformed),
            ("\"just a text\"".to_owned(), BadKeys::Malformed),
            (format!(r#"{{"kid":"k1"}}{KEY}"#), BadKeys::Malformed),
            (format!(r#"{{"kid":"k1","key":"{KEY}","newer":[]}}"#), BadKeys::Malformed),
            (format!(r#"{{"kid":"","key":"{KEY}"}}"#), BadKeys::Kid(0)),
            (format!(r#"{{"kid":"../etc","key":"{KEY}"}}"#), BadKeys::Kid(0)),
            (r#"{"kid":"k1","key":""}"#.to_owned(), BadKeys::Short(0)),
            (format!(r#"{{"kid":"k1","key":"{}"}}"#, KEY.get(..31).unwrap()), BadKeys::Short(0)),
            (format!(r#"{{"kid":"k1","key":"{}"}}"#, "ab".repeat(40)), BadKeys::Weak(0)),
            (format!(r#"{{"kid":"k2","key":"{KEY}","older":[{{"kid":"k1","key":"short"}}]}}"#), BadKeys::Short(1)),
            (format!(r#"{{"kid":"k1","key":"{KEY}","older":[{{"kid":"k1","key":"{KEY}x"}}]}}"#), BadKeys::DuplicateKid),
        ];
        for (text, refusal) in cases {
            let error = parse(&text).unwrap_err();
            assert_eq!(error, refusal, "{text}");
            assert!(!error.to_string().contains(KEY.get(..8).unwrap()));
        }
    }
}
