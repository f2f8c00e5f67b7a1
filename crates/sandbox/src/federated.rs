//! Client assertions of an issuer outside Entra. Each must match a federated identity credential of the registration, and the issuer's key
//! must verify it (protocol reference §3.4).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::ids::ClientId;

use super::aadsts::Aadsts;
use super::assertion::{json_part, lenient, outside_of_time, seconds};
use super::scenario::FederatedSetup;
use super::state::World;
use super::sts;

#[derive(Deserialize)]
struct IssuedHeader {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct IssuedClaims {
    #[serde(default)]
    iss: Value,
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    nbf: Value,
    #[serde(default)]
    exp: Value,
}

/// Whether an issuer other than the app itself signed the assertion.
pub(super) fn is_federated(assertion: &str) -> bool {
    let claims = assertion.split('.').nth(1).and_then(json_part::<IssuedClaims>);
    claims.is_some_and(|claims| claims.iss.as_str().is_some_and(|iss| iss.parse::<ClientId>().is_err()))
}

/// Checks form, issuer, subject, audience, signature and time. A token can be reused until it expires.
pub(super) fn verify(world: &World, assertion: &str, trusted: &[FederatedSetup], now: OffsetDateTime) -> Result<(), Aadsts> {
    let malformed = |what: &str| Aadsts::new(50_027, format!("JWT token is invalid or malformed: {what}."));
    let mut parts = assertion.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("it does not have three parts"));
    };
    let signed = assertion.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    let header: IssuedHeader = json_part(header).ok_or_else(|| malformed("the header"))?;
    let claims: IssuedClaims = json_part(payload).ok_or_else(|| malformed("the claims"))?;
    let text = |claim: &Value| claim.as_str().unwrap_or_default().to_owned();
    let (issuer, subject, audience) = (text(&claims.iss), text(&claims.sub), text(&claims.aud));
    if trusted.is_empty() {
        return Err(Aadsts::new(70_025, "The client has no configured federated identity credentials."));
    }
    // Entra reports one difference at a time.
    let no_match = |code, what: &str, value: &str| {
        let said = "No matching federated identity record found for presented assertion";
        Aadsts::new(code, format!("{said} {what} '{value}'. Check the federated identity credential's Subject, Audience and Issuer."))
    };
    let of_issuer: Vec<_> = trusted.iter().filter(|trusted| trusted.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(no_match(700_211, "issuer", &issuer));
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|trusted| trusted.subject == subject).collect();
    if of_subject.is_empty() {
        return Err(no_match(700_213, "subject", &subject));
    }
    if !of_subject.iter().any(|trusted| trusted.audience == audience) {
        return Err(no_match(700_212, "audience", &audience));
    }
    let failed = || Aadsts::new(50_013, "Assertion failed signature validation. [Reason - The key was not found.]");
    if header.alg != "RS256" {
        return Err(malformed("the algorithm is not supported"));
    }
    // The sandbox can fetch no keys of another issuer than its own.
    let kid = header.kid.filter(|_| issuer == sts::issuer(world)).ok_or_else(failed)?;
    let key = sts::verifying_key(&kid).ok_or_else(failed)?;
    let signature = lenient(signature).ok_or_else(|| malformed("the signature"))?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature).map_err(|_| failed())?;
    let exp = seconds(&claims.exp).ok_or_else(|| malformed("the claim 'exp' is missing"))?;
    outside_of_time(now, seconds(&claims.nbf).unwrap_or(i64::MIN), exp).map_or(Ok(()), Err)
}
