//! Client assertions, verified as Entra verifies them (protocol reference §3.3 and §9).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ids::ClientId;

use super::aadsts::Aadsts;
use super::certificate::{RegisteredCertificate, hex};

/// How far clocks may differ, in seconds. Entra allows five minutes.
const LEEWAY: i64 = 300;

/// An assertion with a valid signature and valid claims. The caller checks for reuse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VerifiedAssertion {
    pub(super) jti: String,
    /// The Unix time in seconds until which the sandbox remembers the `jti`.
    pub(super) until: i64,
}

#[derive(Deserialize)]
struct AssertionHeader {
    alg: String,
    x5t: Option<String>,
    #[serde(default, rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

/// Members of any type. Each missing or wrongly typed member can then get its own error.
#[derive(Deserialize)]
struct AssertionClaims {
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    iss: Value,
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    jti: Value,
    #[serde(default)]
    nbf: Value,
    #[serde(default)]
    exp: Value,
}

/// Checks form, key, signature, audience, subject and time, in this order.
pub(super) fn verify(
    assertion: &str,
    client: ClientId,
    certificates: &[RegisteredCertificate],
    audiences: &[String],
    now: OffsetDateTime,
) -> Result<VerifiedAssertion, Aadsts> {
    let malformed = |what: &str| Aadsts::new(50_027, format!("JWT token is invalid or malformed: {what}."));
    let mut parts = assertion.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("it does not have three parts"));
    };
    let signed = assertion.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    let parsed: AssertionHeader = json_part(header).ok_or_else(|| malformed("the header"))?;
    let algorithm: &dyn VerificationAlgorithm = match parsed.alg.as_str() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(malformed("the algorithm is not supported")),
    };
    let certificate = find(&parsed, certificates)?;
    if certificate.expires.is_some_and(|expires| expires <= now) {
        return Err(bad_key("The key used is expired.", &certificate.sha256));
    }
    let signature = lenient(signature).ok_or_else(|| malformed("the signature"))?;
    if UnparsedPublicKey::new(algorithm, &certificate.spki).verify(signed.as_bytes(), &signature).is_err() {
        return Err(bad_key("The key was found, but the signature is not valid.", &certificate.sha256));
    }
    let claims: AssertionClaims = json_part(payload).ok_or_else(|| malformed("the claims"))?;
    let audience = claims.aud.as_str().unwrap_or_default();
    if !audiences.iter().any(|accepted| accepted == audience) {
        return Err(Aadsts::new(700_023, "Client assertion audience claim does not match Realm issuer."));
    }
    for name in [&claims.iss, &claims.sub] {
        if name.as_str().and_then(|text| text.parse().ok()) != Some(client) {
            return Err(Aadsts::new(700_021, "Client assertion application identifier doesn't match 'client_id' parameter."));
        }
    }
    let Some(exp) = seconds(&claims.exp) else { return Err(malformed("the claim 'exp' is missing")) };
    let nbf = seconds(&claims.nbf).unwrap_or(i64::MIN);
    if let Some(error) = outside_of_time(now, nbf, exp) {
        return Err(error);
    }
    let jti = claims.jti.as_str().filter(|jti| !jti.is_empty());
    let jti = jti.ok_or_else(|| malformed("the claim 'jti' is missing"))?.to_owned();
    Ok(VerifiedAssertion { jti, until: exp.saturating_add(LEEWAY) })
}

/// 700024 outside an assertion's validity period, leeway included.
pub(super) fn outside_of_time(now: OffsetDateTime, nbf: i64, exp: i64) -> Option<Aadsts> {
    let clock = now.unix_timestamp();
    if clock < exp.saturating_add(LEEWAY) && clock >= nbf.saturating_sub(LEEWAY) {
        return None;
    }
    let shown = |at: i64| {
        let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        at.format(&Rfc3339).unwrap_or_default()
    };
    Some(Aadsts::new(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of assertion {}.",
            shown(clock),
            shown(nbf),
            shown(exp)
        ),
    ))
}

fn find<'a>(header: &AssertionHeader, certificates: &'a [RegisteredCertificate]) -> Result<&'a RegisteredCertificate, Aadsts> {
    let decoded = |thumbprint: &Option<String>| thumbprint.as_deref().and_then(lenient);
    let sha256 = decoded(&header.x5t_s256);
    let sha1 = decoded(&header.x5t);
    let found = certificates.iter().find(|certificate| match (&sha256, &sha1) {
        (Some(sha256), _) => certificate.sha256 == *sha256,
        (None, Some(sha1)) => certificate.sha1.as_ref() == Some(sha1),
        (None, None) => false,
    });
    found.ok_or_else(|| bad_key("The key was not found.", sha256.or(sha1).unwrap_or_default().as_slice()))
}

fn bad_key(reason: &str, thumbprint: &[u8]) -> Aadsts {
    Aadsts::new(
        700_027,
        format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{}']",
            hex(thumbprint)
        ),
    )
}

pub(super) fn json_part<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&lenient(part)?).ok()
}

/// SDKs send thumbprints with and without padding, in both alphabets, and Entra accepts them all.
pub(super) fn lenient(text: &str) -> Option<Vec<u8>> {
    const ANY: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['+', '/']) { &STANDARD } else { &URL_SAFE };
    GeneralPurpose::new(alphabet, ANY).decode(text).ok()
}

/// SDKs send times as integers, as floats and as strings.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    let from_text = |text: &str| text.parse::<f64>().ok();
    let number = value.as_f64().or_else(|| value.as_str().and_then(from_text))?;
    // The conversion saturates at the ends, and a time beyond the ends is invalid anyway.
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is meant to go")]
    number.is_finite().then_some(number as i64)
}
