//! Posts to the operator's webhook, signed by the rules of Standard Webhooks 1.0.0 (<https://www.standardwebhooks.com>).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use time::OffsetDateTime;

use crate::config::WebhookConfig;
use crate::entra::cloud::is_loopback;
use crate::entra::http::parse_retry_after;
use crate::secret::Secret;

/// The prefix that a secret must have (section "Signature scheme", on the serialisation of secrets).
const PREFIX: &str = "whsec_";
/// The length of a secret in bytes. The same section allows 192 to 512 bits.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The maximum number of secrets. Two are enough to exchange a secret, and each further secret makes a header longer.
const MOST_SECRETS: usize = 4;

/// Time limit of one attempt. The section "Request timeouts" suggests 15 to 30 s.
const ATTEMPT: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(10);
/// The pause after a receiver has reported overload without saying for how long.
const THROTTLE: Duration = Duration::from_secs(30);

/// The signing secrets, the current one first. During an exchange of secrets, the old and the new secret sign each message, so that a
/// receiver with either secret accepts the message.
pub(crate) struct SigningSecrets(Vec<hmac::Key>);

impl std::fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecrets([REDACTED])")
    }
}

/// Why a text is not a signing secret. Contains no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSigningSecret {
    /// The text has another prefix, or none.
    #[error("it does not begin with whsec_")]
    Prefix,
    /// The rest of the text is not valid base64.
    #[error("what follows whsec_ is not base64 with its padding")]
    Encoding,
    /// The secret is too short to be safe, or longer than receivers accept.
    #[error("what follows whsec_ is not 24 to 64 bytes long")]
    Length,
    /// The text contains no secret, or more than four secrets.
    #[error("it holds no secret, or more than four")]
    Count,
}

impl SigningSecrets {
    /// Reads one secret, or several with white space between them.
    ///
    /// # Errors
    /// [`BadSigningSecret`].
    pub(crate) fn parse(secret: &Secret) -> Result<Self, BadSigningSecret> {
        let keys = secret.expose().split_ascii_whitespace().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > MOST_SECRETS { Err(BadSigningSecret::Count) } else { Ok(Self(keys)) }
    }

    /// The header `webhook-signature` of a message, with one signature for each secret. `timestamp` is in seconds since 1970.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, payload: &str) -> String {
        let signed = format!("{id}.{timestamp}.{payload}");
        let signature = |key| format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes())));
        self.0.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

fn key(text: &str) -> Result<hmac::Key, BadSigningSecret> {
    let encoded = text.strip_prefix(PREFIX).ok_or(BadSigningSecret::Prefix)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| BadSigningSecret::Encoding)?;
    if SECRET_BYTES.contains(&bytes.len()) { Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)) } else { Err(BadSigningSecret::Length) }
}

/// The operator's webhook, with its own HTTP client.
#[derive(Debug)]
pub struct Webhook {
    config: WebhookConfig,
    client: Client,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeliveryAttempt {
    /// The receiver answered with a 2xx status.
    Delivered,
    /// The receiver answered with 410, and so wants no more events.
    Gone,
    /// Any other result. We retry later.
    Failed {
        /// A short reason, without any part of the message or the answer.
        why: Box<str>,
        /// How long we must send nothing to this receiver, if the receiver asks for a pause.
        pause: Option<Duration>,
    },
}

impl Webhook {
    /// Builds the client and makes no call.
    ///
    /// # Errors
    /// A text, if the platform's certificate authorities are unreadable.
    pub fn new(config: WebhookConfig) -> Result<Self, String> {
        let url = config.address.url();
        let mut builder = Client::builder()
            .user_agent(concat!("entra-consent/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .https_only(url.scheme() == "https")
            .connect_timeout(CONNECT)
            .timeout(ATTEMPT)
            // Each post has its own connection. Events are rare, and a kept connection that fell silent would delay the next ones by 20 s.
            .pool_max_idle_per_host(0);
        // We use no proxy for an address on this machine.
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|_| "the certificate authorities of this machine cannot be used".to_owned())?;
        Ok(Self { config, client })
    }

    /// The webhook's address and the source of its secret.
    pub(crate) fn config(&self) -> &WebhookConfig {
        &self.config
    }

    /// Posts one message. We don't read the body of the answer, because the status is enough.
    pub(crate) async fn post(&self, secrets: &SigningSecrets, id: &str, payload: &str, now: OffsetDateTime) -> DeliveryAttempt {
        let timestamp = now.unix_timestamp();
        let request = self
            .client
            .post(self.config.address.url().clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", secrets.sign(id, timestamp, payload))
            .header(CONTENT_TYPE, "application/json")
            .body(payload.to_owned());
        let response = match request.send().await {
            Ok(response) => response,
            // We don't use the text of the error, because it contains the whole address, which may be secret.
            Err(error) if error.is_timeout() => return failed("no answer within 20 seconds", None),
            Err(error) if error.is_connect() => return failed("no connection", None),
            Err(_) => return failed("the connection broke", None),
        };
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|text| parse_retry_after(text.to_str().ok()?, now));
        match response.status() {
            status if status.is_success() => DeliveryAttempt::Delivered,
            StatusCode::GONE => DeliveryAttempt::Gone,
            status if status.is_redirection() => failed(&format!("HTTP {}: redirects are not followed", status.as_u16()), retry_after),
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => {
                failed(&format!("HTTP {}", status.as_u16()), Some(retry_after.unwrap_or(THROTTLE)))
            }
            status => failed(&format!("HTTP {}", status.as_u16()), retry_after),
        }
    }
}

fn failed(why: &str, pause: Option<Duration>) -> DeliveryAttempt {
    DeliveryAttempt::Failed { why: why.into(), pause }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message is the example of the specification. The secret is that of the reference implementations.
    #[test]
    fn the_reference_implementations_example_is_signed_the_same() {
        let secrets = SigningSecrets::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())).unwrap();
        let signature = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn several_secrets_give_several_signatures() {
        let one = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let secrets = SigningSecrets::parse(&Secret::new(format!("{other}\r\n {one}\n"))).unwrap();
        let signatures = secrets.sign("a", 1, "{}");
        let alone = |secret: &str| SigningSecrets::parse(&Secret::new(secret.into())).unwrap().sign("a", 1, "{}");
        assert_eq!(signatures, format!("{} {}", alone(&other), alone(one)));
        assert_eq!(format!("{secrets:?}"), "SigningSecrets([REDACTED])");
    }

    #[test]
    fn what_is_no_signing_secret_is_told_by_its_fault() {
        let encoded = |length| format!("whsec_{}", STANDARD.encode(vec![1; length]));
        let five = vec![encoded(24); 5].join(" ");
        for (text, fault) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BadSigningSecret::Prefix),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BadSigningSecret::Prefix),
            ("whsec_not base64", BadSigningSecret::Encoding),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", BadSigningSecret::Encoding),
            (&encoded(23), BadSigningSecret::Length),
            (&encoded(65), BadSigningSecret::Length),
            ("whsec_", BadSigningSecret::Length),
            (" \n", BadSigningSecret::Count),
            (&five, BadSigningSecret::Count),
        ] {
            assert_eq!(SigningSecrets::parse(&Secret::new(text.into())).err(), Some(fault), "{text:?}");
        }
        for length in [24, 64] {
            assert!(SigningSecrets::parse(&Secret::new(encoded(length))).is_ok());
        }
    }
}
