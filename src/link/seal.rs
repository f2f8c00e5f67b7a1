//! Signing and opening, the same for every kind of token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::keys::KeyRing;
use crate::consent::TokenId;

/// Longest token in characters. With it an address stays below the 2,048 characters at which some clients cut.
pub const MAX_CHARACTERS: usize = 1_228;
/// Longest life of anything signed: an invitation's, 180 days, and an hour for clocks.
const MAX_LIFE: u64 = 180 * 86_400 + 3_600;
/// How far ahead of our clock `iat` may lie, in seconds.
const MAX_AHEAD: u64 = 120;

/// Why a token is none of ours. Whoever presented it gets one answer for all of them; only the record tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Not three parts of base64url, or too long.
    NotAToken,
    /// The header has another member than `alg`, `kid`, `typ`, or another value than ours.
    Header,
    /// No key of that `kid`. The only flaw that a fresh look at the key secret can mend.
    UnknownKey,
    /// The signature does not match.
    Signature,
    /// Made by or for somebody else.
    Foreign,
    /// A claim is missing, has another type, or lies outside its bounds.
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
            Self::Signature => "ticket_signature",
            Self::Foreign => "ticket_foreign",
            Self::Claims => "ticket_claims",
        }
    }
}

/// A token would be longer than [`MAX_CHARACTERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link would be longer than {MAX_CHARACTERS} characters: shorten the label, the reference or the public address")]
pub struct TooLong;

/// What a kind of token carries beside the registered claims. Its `typ` and `aud` keep one kind from passing for another.
pub(super) trait Body: Serialize + DeserializeOwned {
    /// The header's `typ` (RFC 8725 §3.11: explicit typing).
    const TYP: &'static str;
    /// The claim `aud`.
    const AUDIENCE: &'static str;
}

/// What a token says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `jti`.
    pub id: TokenId,
    /// `iat`, seconds since 1970.
    pub issued_at: u64,
    /// `exp`, seconds since 1970.
    pub expires_at: u64,
}

/// Signs and opens for one site at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    /// The site's keys.
    pub keys: &'a KeyRing,
    /// The site's public base address: the claim `iss`. A token of one site is nothing to another.
    pub issuer: &'a str,
    /// Now, seconds since 1970.
    pub now: u64,
}

#[derive(Serialize)]
struct Claims<'a, B> {
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
    #[serde(default)]
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrictHeader {
    alg: String,
    pub(super) kid: String,
    pub(super) typ: String,
}

/// Reads the header of a token and checks nothing else.
pub(super) fn header_unchecked(token: &str) -> Option<StrictHeader> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&header).ok()
}

/// Reads the claims of a token without looking at its signature: anybody can have written them.
pub(super) fn claims_unchecked<B: Body>(token: &str) -> Option<(String, Stamp, B)> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let registered: Registered = serde_json::from_slice(&payload).ok()?;
    let body = serde_json::from_slice(&payload).ok()?;
    let Registered { iss, iat, exp, jti, .. } = registered;
    Some((iss, Stamp { id: jti, issued_at: iat, expires_at: exp }, body))
}

impl Seal<'_> {
    pub(super) fn seal<B: Body>(&self, stamp: Stamp, body: &B) -> Result<String, TooLong> {
        let (kid, key) = self.keys.signing();
        let header = Header { typ: Some(B::TYP.into()), kid: Some(kid.into()), ..Header::new(Algorithm::HS256) };
        let claims = Claims { iss: self.issuer, aud: B::AUDIENCE, iat: stamp.issued_at, exp: stamp.expires_at, jti: stamp.id, body };
        // Neither serialising these types nor HMAC can fail; length is the one thing left to refuse.
        let token = jsonwebtoken::encode(&header, &claims, key).map_err(|_| TooLong)?;
        if token.len() > MAX_CHARACTERS { Err(TooLong) } else { Ok(token) }
    }

    /// Every check of a token stands here. Holds: what comes out was signed with a key of this site, as this kind of token, for
    /// this audience, and has a sane life; whether that life is over is the caller's question.
    pub(super) fn open<B: Body>(&self, token: &str) -> Result<(Stamp, B), Flaw> {
        if token.len() > MAX_CHARACTERS || token.split('.').count() != 3 {
            return Err(Flaw::NotAToken);
        }
        let raw_header = token.split('.').next().unwrap_or_default();
        let raw_header = URL_SAFE_NO_PAD.decode(raw_header).map_err(|_| Flaw::NotAToken)?;
        let header: StrictHeader = serde_json::from_slice(&raw_header).map_err(|_| Flaw::Header)?;
        if header.alg != "HS256" || header.typ != B::TYP {
            return Err(Flaw::Header);
        }
        let key = self.keys.verifying(&header.kid).ok_or(Flaw::UnknownKey)?;

        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[self.issuer]);
        validation.set_audience(&[B::AUDIENCE]);
        // Time is judged below, by the clock that was passed in.
        validation.validate_exp = false;
        let payload = jsonwebtoken::decode::<Box<RawValue>>(token, key, &validation).map_err(|error| match error.kind() {
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
        Ok((Stamp { id: registered.jti, issued_at: registered.iat, expires_at: registered.exp }, body))
    }
}

/// A claim that must be there and may be `null`: serde alone would take an absent one for `null`.
pub(super) fn required_option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}
