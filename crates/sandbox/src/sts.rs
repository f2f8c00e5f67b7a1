//! The only simulated part of AWS: `sts:GetWebIdentityToken` of a region's endpoint, and the issuer of its tokens (protocol reference
//! §3.5). The sandbox does not check signatures of requests.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::certificate::Element;
use super::graph::graph_time;
use super::request::Params;
use super::state::World;

/// The issuer's path below the sandbox's address.
pub(super) const ISSUER: &str = "aws-issuer";
const KEY_ID: &str = "sandbox-1";
const ACCOUNT: &str = "111122223333";

/// The simulated AWS account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSetup {
    /// The caller's role: the `sub` of its tokens.
    pub role: String,
    /// Whether outbound web identity federation is enabled.
    pub vouches: bool,
    /// Whether the role may call `sts:GetWebIdentityToken`.
    pub allowed: bool,
}

impl Default for AwsSetup {
    fn default() -> Self {
        Self { role: format!("arn:aws:iam::{ACCOUNT}:role/entra-consent-callback"), vouches: true, allowed: true }
    }
}

/// Answers a call of the query protocol.
pub(super) fn answer(world: &mut World, params: &Params) -> Answer {
    let request = world.rng.uuid();
    let refused = |status, code: &str, message: &str| {
        let body = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{request}</RequestId></ErrorResponse>"
        );
        Answer::new(status, "text/xml", body)
    };
    if params.get("Action") != Some("GetWebIdentityToken") {
        return refused(400, "InvalidAction", "Only GetWebIdentityToken is simulated.");
    }
    if !world.aws.allowed {
        return refused(403, "AccessDenied", "The role is not authorized to perform: sts:GetWebIdentityToken");
    }
    if !world.aws.vouches {
        return refused(400, "OutboundWebIdentityFederationDisabledException", "Outbound web identity federation is not enabled.");
    }
    let life = params.get("DurationSeconds").map_or(Some(300), |seconds| seconds.parse().ok()).filter(|life| (60..=3600).contains(life));
    let (Some(audience), Some("RS256"), Some(life)) = (params.get("Audience.member.1"), params.get("SigningAlgorithm"), life) else {
        return refused(400, "ValidationError", "Audience, SigningAlgorithm RS256 and 60 to 3600 DurationSeconds are needed.");
    };
    let now = world.now();
    let (issued, expires) = (now.unix_timestamp(), now.unix_timestamp() + life);
    let claims = json!({
        "iss": issuer(world),
        "aud": audience,
        "sub": world.aws.role,
        "iat": issued,
        "exp": expires,
        "jti": world.rng.uuid(),
        "https://sts.amazonaws.com/": {
            "aws_account": ACCOUNT,
            "source_region": "eu-central-1",
            "principal_id": world.aws.role,
        },
    });
    let Some(token) = sign(&claims) else { return refused(500, "InternalFailure", "The token could not be signed.") };
    let expiration = graph_time(now.saturating_add(time::Duration::seconds(life)));
    let body = format!(
        "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult>\
         <WebIdentityToken>{token}</WebIdentityToken><Expiration>{expiration}</Expiration></GetWebIdentityTokenResult>\
         <ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata></GetWebIdentityTokenResponse>"
    );
    Answer::new(200, "text/xml", body)
}

/// The `iss` of the tokens. Its spelling does not depend on the host name in a request.
pub(super) fn issuer(world: &World) -> String {
    format!("{}/{ISSUER}", world.base)
}

/// The issuer's own addresses.
pub(super) fn issuer_answer(world: &World, path: &str) -> Answer {
    let issuer = issuer(world);
    match path {
        ".well-known/openid-configuration" => Answer::json(
            200,
            &json!({
                "issuer": issuer,
                "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }),
        ),
        ".well-known/jwks.json" => Answer::json(200, &json!({ "keys": [public_jwk()] })),
        _ => Answer::new(404, "text/plain", "The issuer has no such address."),
    }
}

/// The public key with this `kid` that verifies the tokens, in DER (`RSAPublicKey`).
pub(super) fn verifying_key(kid: &str) -> Option<&'static [u8]> {
    Some(key()?.public_key().as_ref()).filter(|_| kid == KEY_ID)
}

/// The key, which all sandboxes of the process share because generating one takes a while. Each sandbox has its own issuer.
fn key() -> Option<&'static KeyPair> {
    static KEY: OnceLock<Option<KeyPair>> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).ok()).as_ref()
}

fn sign(claims: &Value) -> Option<String> {
    let key = key()?;
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "RS256", "kid": KEY_ID, "typ": "JWT" })), encode(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The public key as a JWK (RFC 7518 §6.3.1): modulus and exponent, without the zero that keeps DER's integers positive.
fn public_jwk() -> Option<Value> {
    let sequence = Element::read(key()?.public_key().as_ref())?;
    let modulus = Element::read(sequence.content)?;
    let exponent = Element::read(modulus.rest)?;
    let number = |element: &Element<'_>| {
        let zeros = element.content.iter().take_while(|byte| **byte == 0).count();
        URL_SAFE_NO_PAD.encode(element.content.get(zeros..).unwrap_or_default())
    };
    Some(json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": number(&modulus), "e": number(&exponent) }))
}
