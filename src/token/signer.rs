//! Signs and opens tokens, in the same way for every kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::keys::KeyRing;
use crate::consent::TokenId;

/// Longest token in characters. With such a token, an address stays below the 2,048 characters at which some clients cut.
pub(crate) const MAX_CHARACTERS: usize = 1_228;
/// Longest life of any token, in seconds: 180 days for an invitation, and an hour for clocks that differ.
const MAX_LIFE: u64 = 180 * 86_400 + 3_600;
/// How far `iat` may be ahead of our clock, in seconds.
const MAX_AHEAD: u64 = 120;

/// Why a token is not ours. The sender gets the same answer for all reasons; only the record contains the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Not three parts of base64url, or too long.
    NotAToken,
    /// The header has a member other than `alg`, `kid` and `typ`, or an unexpected value.
    Header,
    /// No key has this `kid`. This is the only flaw that a new read of the key secret can remove.
    UnknownKey,
    /// The key of this `kid` was revoked. Without the key we cannot know who signed the token.
    RevokedKey,
    /// The signature matches, but another key had replaced this key more than an hour before `iat`: the key may be in other hands.
    EndedKey,
    /// The signature does not match.
    Signature,
    /// A token of another installation, or of another kind.
    Foreign,
    /// A claim is missing, has the wrong type, or is out of bounds.
    Claims,
}

impl Flaw {
    /// A short stable word for records.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotAToken => "ticket_unreadable",
            Self::Header => "ticket_header",
            Self::UnknownKey => "ticket_unknown_key",
            Self::RevokedKey => "ticket_revoked_key",
            Self::EndedKey => "ticket_ended_key",
            Self::Signature => "ticket_signature",
            Self::Foreign => "ticket_foreign",
            Self::Claims => "ticket_claims",
        }
    }

    /// Whether the token names a key of this installation that may be in other hands.
    pub(crate) fn is_of_known_key(self) -> bool {
        matches!(self, Self::RevokedKey | Self::EndedKey)
    }
}

/// A token would be longer than [`MAX_CHARACTERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link would be longer than {MAX_CHARACTERS} characters: shorten the label, the reference or the public address")]
pub struct TooLong;

/// The claims of one kind of token in addition to the registered ones. `typ` and `aud` keep one kind from passing for another.
pub(super) trait TokenBody: Serialize + DeserializeOwned {
    /// The header's `typ`: the kind of token (RFC 8725 §3.11, explicit typing).
    const TYP: &'static str;
    /// The required value of the claim `aud`.
    const AUDIENCE: &'static str;
}

/// A token's id and lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `jti`.
    pub(crate) id: TokenId,
    /// `iat`, seconds since 1970.
    pub(crate) issued_at: u64,
    /// `exp`, seconds since 1970.
    pub(crate) expires_at: u64,
}

/// Signs and opens tokens for one installation at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The installation's keys.
    pub keys: &'a KeyRing,
    /// The installation's public base address, which is the claim `iss`. Because of it, other installations refuse the token.
    pub issuer: &'a str,
    /// The current time, in seconds since 1970.
    pub now: u64,
}

#[derive(Serialize)]
struct SignedClaims<'a, B> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: TokenId,
    #[serde(flatten)]
    body: &'a B,
}

#[derive(Deserialize)]
struct Registered {
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: TokenId,
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrictHeader {
    alg: String,
    pub(super) kid: String,
    pub(super) typ: String,
}

/// Reads only the header of a token and does not verify the signature.
pub(super) fn header_unchecked(token: &str) -> Option<StrictHeader> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&header).ok()
}

/// The name of the key that supposedly signed a token.
pub(crate) fn kid_unchecked(token: &str) -> Option<Box<str>> {
    header_unchecked(token).map(|header| header.kid.into())
}

/// Reads the claims of a token without verifying its signature: anyone can have written them.
pub(super) fn claims_unchecked<B: TokenBody>(token: &str) -> Option<(String, Stamp, B)> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let registered: Registered = serde_json::from_slice(&payload).ok()?;
    let body = serde_json::from_slice(&payload).ok()?;
    let Registered { iss, iat, exp, jti, .. } = registered;
    Some((iss, Stamp { id: jti, issued_at: iat, expires_at: exp }, body))
}

impl Signer<'_> {
    pub(super) fn sign<B: TokenBody>(&self, stamp: Stamp, body: &B) -> Result<String, TooLong> {
        let (kid, key) = self.keys.signing();
        let header = Header { typ: Some(B::TYP.into()), kid: Some(kid.into()), ..Header::new(Algorithm::HS256) };
        let claims = SignedClaims { iss: self.issuer, aud: B::AUDIENCE, iat: stamp.issued_at, exp: stamp.expires_at, jti: stamp.id, body };
        // Serialising these types cannot fail, and neither can HMAC, so length is the only reason for a refusal.
        let token = jsonwebtoken::encode(&header, &claims, key).map_err(|_| TooLong)?;
        if token.len() > MAX_CHARACTERS { Err(TooLong) } else { Ok(token) }
    }

    /// Makes every check of a token except whether it has expired, which the caller must check. A token that passes was signed with a key
    /// of this installation, as this kind of token, for this audience, and has a plausible lifetime.
    pub(super) fn open<B: TokenBody>(&self, token: &str) -> Result<(Stamp, B), Flaw> {
        if token.len() > MAX_CHARACTERS || token.split('.').count() != 3 {
            return Err(Flaw::NotAToken);
        }
        let raw_header = token.split('.').next().unwrap_or_default();
        let raw_header = URL_SAFE_NO_PAD.decode(raw_header).map_err(|_| Flaw::NotAToken)?;
        let header: StrictHeader = serde_json::from_slice(&raw_header).map_err(|_| Flaw::Header)?;
        if header.alg != "HS256" || header.typ != B::TYP {
            return Err(Flaw::Header);
        }
        let key = self.keys.verifying(&header.kid, self.now);
        let key = key.ok_or(if self.keys.is_revoked(&header.kid) { Flaw::RevokedKey } else { Flaw::UnknownKey })?;

        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[self.issuer]);
        validation.set_audience(&[B::AUDIENCE]);
        // The code below judges time by the clock that the caller passed in.
        validation.validate_exp = false;
        let payload = jsonwebtoken::decode::<Box<RawValue>>(token, &key.key, &validation).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Flaw::Signature,
            jsonwebtoken::errors::ErrorKind::InvalidIssuer | jsonwebtoken::errors::ErrorKind::InvalidAudience => Flaw::Foreign,
            jsonwebtoken::errors::ErrorKind::Base64(_) => Flaw::NotAToken,
            _ => Flaw::Claims,
        })?;
        let payload = payload.claims.get();
        let registered: Registered = serde_json::from_str(payload).map_err(|_| Flaw::Claims)?;
        let body: B = serde_json::from_str(payload).map_err(|_| Flaw::Claims)?;
        if registered.iss != self.issuer || registered.aud != B::AUDIENCE {
            return Err(Flaw::Foreign);
        }
        let sane = registered.exp > registered.iat
            && registered.exp - registered.iat <= MAX_LIFE
            && registered.iat <= self.now.saturating_add(MAX_AHEAD)
            && registered.nbf.is_none();
        if !sane {
            return Err(Flaw::Claims);
        }
        if key.signs_until.is_some_and(|until| registered.iat > until) {
            return Err(Flaw::EndedKey);
        }
        Ok((Stamp { id: registered.jti, issued_at: registered.iat, expires_at: registered.exp }, body))
    }
}

/// Deserializes a claim that is required and may be `null`. Serde alone would treat an absent claim like `null`.
pub(super) fn required_option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}
