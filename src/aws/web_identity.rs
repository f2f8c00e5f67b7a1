//! A token in which AWS vouches for this process. An app with a federated credential shows this token to Entra instead of a secret
//! (protocol reference §3.5). The token lives for five minutes and is never stored.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::get_web_identity_token::GetWebIdentityTokenError;
use time::OffsetDateTime;

use super::AwsClients;
use super::secrets::{innermost, readable};
use crate::env::Clock;
use crate::secret::Secret;
use crate::sync::locked;

/// The lifetime that we request, in seconds (AWS allows 60 to 3600): just long enough for clocks that differ.
const LIFE: i32 = 300;
/// How long we reuse a token. This is well below the token's lifetime, so that it reaches Entra with minutes to spare.
const AGE: Duration = Duration::from_secs(120);
/// Shortest time between two tokens if Entra refuses them.
const REFRESH_PAUSE: Duration = Duration::from_secs(60);
/// Shortest time between a request that failed and the next request, so that not every caller sends one.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);

/// Gets tokens and caches each for two minutes. A process has one `WebIdentity`.
pub struct WebIdentity {
    clock: Clock,
    aws: Arc<AwsClients>,
    kept: Mutex<HashMap<Box<str>, CachedWebIdentity>>,
    /// The task that asks STS holds this lock, so that a hundred requests cause one call.
    asking: tokio::sync::Mutex<()>,
}

/// The last answer for an audience, and when we asked for it.
#[derive(Clone)]
struct CachedWebIdentity {
    answer: Result<Arc<Secret>, NoWebIdentity>,
    since: OffsetDateTime,
}

/// Why there is no token, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoWebIdentity {
    /// The AWS account has not enabled outbound web identity.
    #[error("this AWS account does not vouch for its roles yet; switch it on once: aws iam enable-outbound-web-identity-federation")]
    Disabled,
    /// The role lacks the permission. Contains AWS's error code.
    #[error(
        "the role may not ask for a token ({0}); allow it sts:GetWebIdentityToken on \"*\", with the condition \
         sts:IdentityTokenAudience (docs/credentials.md has the statement)"
    )]
    Denied(Box<str>),
    /// No region is configured, and the global endpoint does not issue such tokens.
    #[error("no AWS region is set, and only regional endpoints issue such tokens; set AWS_REGION")]
    NoRegion,
    /// No answer, or an answer that says nothing about the token. Contains AWS's error code or the connection's error.
    #[error("AWS STS cannot be reached ({0})")]
    Unreachable(Box<str>),
    /// STS answered without a token.
    #[error("AWS STS answered without a token")]
    Empty,
}

impl WebIdentity {
    /// Starts with an empty cache.
    #[must_use]
    pub fn new(clock: Clock, aws: Arc<AwsClients>) -> Self {
        Self { clock, aws, kept: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// A token for an audience, at most two minutes old.
    ///
    /// # Errors
    /// [`NoWebIdentity`]
    pub async fn token(&self, audience: &str) -> Result<Arc<Secret>, NoWebIdentity> {
        self.obtain(audience, AGE).await
    }

    /// Replaces a token that Entra refused, at most once a minute. In between, returns the cached token.
    ///
    /// # Errors
    /// [`NoWebIdentity`]
    pub async fn refresh(&self, audience: &str) -> Result<Arc<Secret>, NoWebIdentity> {
        self.obtain(audience, REFRESH_PAUSE).await
    }

    async fn obtain(&self, audience: &str, age: Duration) -> Result<Arc<Secret>, NoWebIdentity> {
        if let Some(answer) = self.kept(audience, age) {
            return answer;
        }
        let _asking = self.asking.lock().await;
        // Another task may have asked STS while this one waited for the lock.
        if let Some(answer) = self.kept(audience, age) {
            return answer;
        }
        let since = self.clock.now();
        let answer = self.ask(audience).await.map(Arc::new);
        locked(&self.kept).insert(audience.into(), CachedWebIdentity { answer: answer.clone(), since });
        answer
    }

    fn kept(&self, audience: &str, age: Duration) -> Option<Result<Arc<Secret>, NoWebIdentity>> {
        let kept = locked(&self.kept).get(audience).cloned()?;
        let age = if kept.answer.is_ok() { age } else { FAILURE_PAUSE };
        let now = self.clock.now();
        // A token must expire even if the clock was set back.
        (kept.since <= now && now - kept.since < age).then_some(kept.answer)
    }

    async fn ask(&self, audience: &str) -> Result<Secret, NoWebIdentity> {
        if self.aws.region().await.is_none_or(|region| region == "aws-global") {
            return Err(NoWebIdentity::NoRegion);
        }
        let request = self.aws.sts().await.get_web_identity_token();
        // As far as we know, Entra accepts only RS256 (protocol reference §3.4).
        let answer = request.audience(audience).signing_algorithm("RS256").duration_seconds(LIFE).send().await;
        match answer {
            Ok(answer) => answer.web_identity_token.filter(|token| !token.is_empty()).map(Secret::new).ok_or(NoWebIdentity::Empty),
            Err(error) => Err(NoWebIdentity::of(&error)),
        }
    }
}

impl NoWebIdentity {
    fn of(error: &SdkError<GetWebIdentityTokenError>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        match (error, code, status) {
            (_, Some("OutboundWebIdentityFederationDisabledException" | "OutboundWebIdentityFederationDisabled"), _) => Self::Disabled,
            (_, Some(code), Some(401 | 403)) => Self::Denied(readable(code)),
            (_, Some(code), _) => Self::Unreachable(readable(code)),
            (_, None, Some(status)) => Self::Unreachable(format!("an answer that cannot be read, HTTP {status}").into()),
            (SdkError::TimeoutError(_), None, None) => Self::Unreachable("no answer in time".into()),
            (error, None, None) => Self::Unreachable(readable(&innermost(error))),
        }
    }
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentity")
    }
}
