//! The stored form of the key secret: which keys exist, when each was made, and until when it signed. Commands that make and rotate keys
//! work on this document; [`KeyRing`](super::KeyRing) signs and verifies with the keys.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::guessable;
use crate::env::Rng;
use crate::secret::Secret;

/// Shortest key, in bytes: as long as the hash (RFC 7518 §3.2).
pub(crate) const MIN_KEY_BYTES: usize = 32;
/// Fewest different bytes in a key. A random key of [`MIN_KEY_BYTES`] letters has about 25, so a person typed a key with fewer than this.
const MIN_DIFFERENT_BYTES: usize = 10;

/// How long a key is still needed after its last signature:
///
/// * 180 days, the longest life of any token;
/// * 7 days, the longest time for which we still read a ticket after its end;
/// * 1 day for processes that still sign with the key. They stop after 10 minutes, when they read the secret again, or when a person
///   restarts them with the new text in their environment.
pub const NEEDED_AFTERWARDS: time::Duration = time::Duration::days(188);

/// A token may claim to be signed at most this long after its key stopped signing. The time is longer than any process caches the key
/// secret.
const SIGNED_AFTERWARDS: time::Duration = time::Duration::HOUR;

/// Why a key secret is unusable. Never contains a part of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// The secret is not the documented JSON.
    #[error(r#"the key secret is not JSON of the form {{"kid":"…","key":"…","older":[{{"kid":"…","key":"…"}}]}}"#)]
    Malformed,
    /// A `kid` is not 1 to 64 characters of `A-Z a-z 0-9 _ -`.
    #[error("the kid of key {0} is not 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")]
    Kid(usize),
    /// A key is too short; contains its position.
    #[error("key {0} is shorter than {MIN_KEY_BYTES} bytes: make one with `entra-consent keys new`")]
    Short(usize),
    /// A key repeats few characters; contains its position.
    #[error("key {0} looks typed rather than drawn at random: make one with `entra-consent keys new`")]
    Weak(usize),
    /// Two keys have the same `kid`.
    #[error("two keys have the same kid")]
    DuplicateKid,
}

/// One key with its dates, as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptKey {
    /// The key's name, in the header of each token that it signed.
    pub kid: Box<str>,
    /// The key's text. Its UTF-8 bytes are the key.
    #[serde(with = "key_text")]
    pub(crate) key: Secret,
    /// When the key was made. `None` if the document does not record it.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<OffsetDateTime>,
    /// When another key replaced this key. `None` for the key that signs, for a prepared key, and if the document does not record it.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) signed_until: Option<OffsetDateTime>,
    /// The key signs next. Only [`KeyDocument::prepare`] sets this, because a key that a person removed by hand must never sign again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) prepared: bool,
}

impl KeptKey {
    /// Draws a new key of 366 random bits and names it after the day and four random digits.
    pub(crate) fn draw(rng: &Rng, now: OffsetDateTime) -> Self {
        let key = [rng.bytes(), rng.bytes(), rng.bytes()].concat();
        let now = to_the_second(now);
        let [first, second, ..] = rng.bytes();
        let kid = format!("{}-{first:02x}{second:02x}", now.date()).into();
        Self { kid, key: Secret::new(URL_SAFE_NO_PAD.encode(key)), made: Some(now), signed_until: None, prepared: false }
    }

    /// When the key can be removed, because none of its tokens is usable any more. `None` if the end of its signing is unknown.
    pub(crate) fn needed_until(&self) -> Option<OffsetDateTime> {
        self.signed_until?.checked_add(NEEDED_AFTERWARDS)
    }

    /// The last moment at which a token of this key may claim to be signed. `None` for the key that signs, for a prepared key, and for a
    /// key whose end is unknown.
    #[must_use]
    pub(super) fn signs_until(&self) -> Option<OffsetDateTime> {
        self.signed_until?.checked_add(SIGNED_AFTERWARDS)
    }

    /// Whether people know the key or can guess it: it is a public sample, or words and patterns make up nearly all of it.
    pub(crate) fn is_guessable(&self) -> bool {
        guessable::is_guessable(self.key.expose())
    }

    /// Checks name, length and randomness. `at` is the key's position, which the error contains.
    ///
    /// # Errors
    /// [`BadKeys`].
    pub(crate) fn check(&self, at: usize) -> Result<(), BadKeys> {
        let key = self.key.expose().as_bytes();
        if !is_well_named(&self.kid) {
            Err(BadKeys::Kid(at))
        } else if key.len() < MIN_KEY_BYTES {
            Err(BadKeys::Short(at))
        } else if key.iter().collect::<BTreeSet<_>>().len() < MIN_DIFFERENT_BYTES {
            Err(BadKeys::Weak(at))
        } else {
            Ok(())
        }
    }
}

fn is_well_named(kid: &str) -> bool {
    (1..=64).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The name of a key that was removed because it may be in other hands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokedKey {
    /// The key's name.
    pub(crate) kid: Box<str>,
    /// When the key was removed. `None` if the document does not record it.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<OffsetDateTime>,
}

/// The key secret: one key that signs, and any number of keys that only verify.
#[derive(Debug, Clone)]
pub struct KeyDocument {
    /// The key that signs new tokens.
    pub(crate) signing: KeptKey,
    /// Keys that only verify.
    pub(crate) older: Vec<KeptKey>,
    /// The names of keys that may be in other hands. By this name we recognise a token of such a key without the key itself.
    pub(crate) revoked: Vec<RevokedKey>,
}

crate::consent::named! {
    /// What a key does at present.
    pub enum KeyUse {
        /// The key signs, and verifies its own tokens.
        Signs = "signs",
        /// The key no longer signs, but its tokens may still be valid.
        Verifies = "verifies",
        /// None of the key's tokens is usable any more.
        Over = "over",
        /// The key has not signed yet: every process must know it before the first token carries its name.
        Prepared = "prepared",
        /// The key may be in other hands. Only its name is left, and none of its tokens opens.
        Revoked = "revoked",
    }
}

impl KeyDocument {
    /// Reads `{"kid","key","made"?,"older":[{"kid","key","made"?,"signed_until"?,"prepared"?}…]?,"revoked":[{"kid","at"?}…]?}`. Does not
    /// check the keys themselves.
    ///
    /// # Errors
    /// [`BadKeys::Malformed`].
    pub fn parse(secret: &Secret) -> Result<Self, BadKeys> {
        let written = serde_json::from_str(secret.expose()).map_err(|_| BadKeys::Malformed)?;
        let WrittenDocument { kid, key, made, older, revoked } = written;
        Ok(Self { signing: KeptKey { kid, key, made, signed_until: None, prepared: false }, older, revoked })
    }

    /// A document with one key, which signs.
    pub(crate) fn of(signing: KeptKey) -> Self {
        Self { signing, older: Vec::new(), revoked: Vec::new() }
    }

    /// The JSON to store, with a line break at its end.
    pub(crate) fn text(&self) -> Secret {
        let KeptKey { kid, key, made, .. } = self.signing.clone();
        let written = WrittenDocument { kid, key, made, older: self.older.clone(), revoked: self.revoked.clone() };
        // The document has only texts and times, so serialisation cannot fail.
        Secret::new(serde_json::to_string_pretty(&written).map(|text| text + "\n").unwrap_or_default())
    }

    /// All keys with their use: first the one that signs, then the others in the document's order.
    pub fn keys(&self, now: OffsetDateTime) -> impl Iterator<Item = (&KeptKey, KeyUse)> {
        std::iter::once((&self.signing, KeyUse::Signs)).chain(self.older.iter().map(move |key| (key, Self::use_of_older(key, now))))
    }

    fn use_of_older(key: &KeptKey, now: OffsetDateTime) -> KeyUse {
        if is_prepared(key) {
            KeyUse::Prepared
        } else if key.needed_until().is_some_and(|until| until < now) {
            KeyUse::Over
        } else {
            KeyUse::Verifies
        }
    }

    /// Checks every key, and that names are unique.
    ///
    /// # Errors
    /// [`BadKeys`] if a key is short or weak, or two keys have one name.
    pub(crate) fn check(&self) -> Result<(), BadKeys> {
        let mut kids = BTreeSet::new();
        for (at, key) in std::iter::once(&self.signing).chain(&self.older).enumerate() {
            key.check(at)?;
            if !kids.insert(&key.kid) {
                return Err(BadKeys::DuplicateKid);
            }
        }
        for (at, RevokedKey { kid, .. }) in self.revoked.iter().enumerate() {
            if !is_well_named(kid) {
                return Err(BadKeys::Kid(1 + self.older.len() + at));
            }
            if !kids.insert(kid) {
                return Err(BadKeys::DuplicateKid);
            }
        }
        Ok(())
    }

    /// Adds a key that only verifies, so that every process knows it before [`Self::rotate`] makes it sign.
    pub(crate) fn prepare(mut self, new: KeptKey) -> Self {
        self.older.insert(0, KeptKey { prepared: true, ..new });
        self
    }

    /// Makes the prepared key sign, or `new` if no key is prepared. The previous signing key only verifies from now on. Keys whose tokens
    /// have all expired are removed. A key without `signed_until` counts as if it stopped signing now.
    pub(crate) fn rotate(self, new: KeptKey, now: OffsetDateTime) -> Self {
        let now = to_the_second(now);
        let (prepared, older): (Vec<_>, Vec<_>) = self.older.into_iter().partition(is_prepared);
        let mut prepared = prepared.into_iter();
        let signing = KeptKey { prepared: false, ..prepared.next().unwrap_or(new) };
        let signed = std::iter::once(self.signing)
            .chain(older)
            .map(|key| KeptKey { signed_until: key.signed_until.or(Some(now)), prepared: false, ..key })
            .filter(|key| key.needed_until().is_none_or(|until| until >= now));
        let is_needed = |key: &RevokedKey| key.at.is_none_or(|at| now - at <= NEEDED_AFTERWARDS);
        let revoked = self.revoked.into_iter().filter(is_needed).collect();
        Self { signing, older: prepared.chain(signed).collect(), revoked }
    }

    /// Removes the keys that may be in other hands, and keeps their names. If the key that signs is one of them, the prepared key signs, or
    /// `new` if no prepared key is left.
    pub(crate) fn revoke(self, is_stolen: impl Fn(&KeptKey) -> bool, new: KeptKey, now: OffsetDateTime) -> Self {
        let now = to_the_second(now);
        let (stolen, older): (Vec<_>, Vec<_>) = self.older.into_iter().partition(&is_stolen);
        let (mut prepared, mut older): (Vec<_>, Vec<_>) = older.into_iter().partition(is_prepared);
        let (signing, stolen_signing) = if is_stolen(&self.signing) {
            let next = if prepared.is_empty() { new } else { prepared.remove(0) };
            (KeptKey { prepared: false, ..next }, Some(self.signing))
        } else {
            (self.signing, None)
        };
        prepared.append(&mut older);
        let mut revoked = self.revoked;
        revoked.extend(stolen_signing.into_iter().chain(stolen).map(|key| RevokedKey { kid: key.kid, at: Some(now) }));
        Self { signing, older: prepared, revoked }
    }
}

/// A key that has signed is not prepared, even if the document says so.
fn is_prepared(key: &KeptKey) -> bool {
    key.prepared && key.signed_until.is_none()
}

/// Drops fractions of a second, which would only lengthen the text for people.
fn to_the_second(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at).to_offset(time::UtcOffset::UTC)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDocument {
    kid: Box<str>,
    #[serde(with = "key_text")]
    key: Secret,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    made: Option<OffsetDateTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    older: Vec<KeptKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<RevokedKey>,
}

/// The text of a key, which only the document itself may contain.
mod key_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(super) fn serialize<S: Serializer>(key: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(key.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::token::KeyRing;

    const DAY: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn kids(document: &KeyDocument) -> Vec<(String, &'static str)> {
        document.keys(DAY).map(|(key, used)| (key.kid.to_string(), used.name())).collect()
    }

    fn drawn(now: OffsetDateTime) -> KeptKey {
        KeptKey::draw(&Rng::system(), now)
    }

    #[test]
    fn a_drawn_key_is_fit_to_sign_and_named_after_its_day() {
        let document = KeyDocument::of(drawn(DAY));
        assert!(KeyRing::parse(&document.text()).is_ok());
        assert!(document.signing.kid.starts_with("2026-11-20-"), "{}", document.signing.kid);
        let key = document.signing.key.expose();
        assert_eq!((key.len(), URL_SAFE_NO_PAD.decode(key).unwrap().len()), (64, 48));
        assert_ne!(key, drawn(DAY).key.expose());
        assert!(!format!("{document:?}").contains(key));
    }

    #[test]
    fn a_rotated_key_verifies_until_nothing_it_signed_can_be_open() {
        let old =
            r#"{"kid":"k1","key":"5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L","older":[{"kid":"k0","key":"6vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L"}]}"#;
        let document = KeyDocument::parse(&Secret::new(old.into())).unwrap();
        assert_eq!(kids(&document), [("k1".into(), "signs"), ("k0".into(), "verifies")], "nobody wrote dates down");
        let first = document.rotate(drawn(DAY), DAY);
        let read_again = KeyDocument::parse(&first.text()).unwrap();
        let names: Vec<_> = kids(&read_again).into_iter().skip(1).collect();
        assert_eq!(names, [("k1".to_owned(), "verifies"), ("k0".into(), "verifies")]);
        assert_eq!(read_again.older[0].signed_until, Some(DAY));

        let later = DAY + NEEDED_AFTERWARDS;
        let kept = read_again.clone().rotate(drawn(later), later);
        assert_eq!(kept.older.len(), 3, "to the very moment");
        let later = later + time::Duration::seconds(1);
        let dropped = read_again.rotate(drawn(later), later);
        assert_eq!(dropped.older.len(), 1);
        assert_eq!(dropped.older[0].kid, first.signing.kid);
    }

    #[test]
    fn a_key_is_fit_from_its_bounds_on() {
        let fit = "0123456789".repeat(4);
        for (kid, key, fault) in [
            ("k".repeat(64), fit.clone(), None),
            ("k".repeat(65), fit.clone(), Some(BadKeys::Kid(7))),
            ("k_-9".into(), fit[..32].to_owned(), None),
            ("k1".into(), fit[..31].to_owned(), Some(BadKeys::Short(7))),
            ("k1".into(), fit.replace('9', "8"), Some(BadKeys::Weak(7))),
        ] {
            let checked = KeptKey { kid: kid.into(), key: Secret::new(key), ..drawn(DAY) }.check(7);
            assert_eq!(checked.err(), fault);
        }
    }

    #[test]
    fn of_several_prepared_keys_the_first_signs_and_the_others_stay_prepared() {
        let document = KeyDocument::of(drawn(DAY)).prepare(drawn(DAY)).prepare(drawn(DAY));
        let prepared: Vec<_> = document.older.iter().map(|key| key.kid.clone()).collect();
        let rotated = document.rotate(drawn(DAY), DAY);
        assert_eq!(rotated.signing.kid, prepared[0]);
        let uses = kids(&rotated);
        assert_eq!((uses.len(), &uses[1]), (3, &(prepared[1].to_string(), "prepared")));
    }

    #[test]
    fn a_rotation_forgets_a_revoked_key_with_its_last_token() {
        let document = KeyDocument::of(drawn(DAY)).revoke(|_| true, drawn(DAY), DAY);
        let read_again = KeyDocument::parse(&document.text()).unwrap();
        assert_eq!(read_again.revoked.len(), 1);
        let later = DAY + NEEDED_AFTERWARDS;
        assert_eq!(read_again.clone().rotate(drawn(later), later).revoked.len(), 1);
        let later = later + time::Duration::seconds(1);
        assert!(read_again.rotate(drawn(later), later).revoked.is_empty());
    }

    #[test]
    fn a_revoked_signing_key_is_followed_by_the_prepared_one() {
        let document = KeyDocument::of(drawn(DAY)).prepare(drawn(DAY));
        let (stolen, prepared) = (document.signing.kid.clone(), document.older[0].kid.clone());
        let revoked = document.revoke(|key| key.kid == stolen, drawn(DAY), DAY);
        assert_eq!((&revoked.signing.kid, revoked.older.len(), &revoked.revoked[0].kid), (&prepared, 0, &stolen));
    }

    #[test]
    fn a_prepared_key_verifies_first_and_is_the_next_to_sign() {
        let document = KeyDocument::of(drawn(DAY)).prepare(drawn(DAY));
        let (signing, prepared) = (document.signing.kid.clone(), document.older[0].kid.clone());
        assert_eq!(kids(&document)[1].1, "prepared");
        assert!(KeyRing::parse(&document.text()).is_ok());
        let rotated = KeyDocument::parse(&document.text()).unwrap().rotate(drawn(DAY), DAY + time::Duration::HOUR);
        assert_eq!(rotated.signing.kid, prepared);
        assert_eq!(kids(&rotated), [(prepared.into(), "signs"), (signing.into(), "verifies")]);
    }
    #[test]
    fn a_key_that_nobody_prepared_never_signs_again_however_young_it_is() {
        // After a leak, a person removed a key by hand: an older key signs again, and `signed_until` is missing.
        let text = r#"{"kid":"k1","key":"5vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L","made":"2026-11-01T00:00:00Z","older":[
            {"kid":"leaked","key":"6vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L","made":"2026-11-19T00:00:00Z"},
            {"kid":"signed","key":"7vQ2mZ8sW1xK7dR4tY9uB3nC6fG0hJ-L","signed_until":"2026-11-19T00:00:00Z","prepared":true}]}"#;
        let document = KeyDocument::parse(&Secret::new(text.into())).unwrap();
        assert_eq!(kids(&document).into_iter().map(|(_, used)| used).collect::<Vec<_>>(), ["signs", "verifies", "verifies"]);
        let new = drawn(DAY);
        let rotated = document.rotate(new.clone(), DAY);
        assert_eq!(rotated.signing.kid, new.kid);
        assert!(!rotated.text().expose().contains("prepared"));
    }
}
