//! Requests client-credentials tokens: sends one request, and interprets the answer.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::cloud::Endpoints;
use super::credential::{Credential, UnfitCertificate};
use super::http::{Http, HttpAnswer, Silence, UpstreamCall, UpstreamKind, read_object};
use crate::consent::aadsts::{self, AadstsCode, Obstacle};
use crate::consent::callback::TraceId;
use crate::consent::{ClientId, ObjectId, ResourceId, TenantId, TokenId};
use crate::secret::Secret;

#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenRequest<'a> {
    /// The hosts of the app's cloud.
    pub(crate) endpoints: &'a Endpoints,
    /// Always a single tenant: `common` and `organizations` are unsuitable here (protocol reference §3.1).
    pub(crate) tenant: TenantId,
    pub(crate) client: ClientId,
    pub(crate) resource: ResourceId,
}

/// The claims of an app-only token. They came over TLS from the token endpoint, and we do not verify them: only the resource may do that
/// (protocol reference §3.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnverifiedClaims {
    /// The granted application permissions of the token's resource, by name. Empty if the token contains none.
    pub(crate) roles: BTreeSet<Box<str>>,
    /// The delegated permissions of a person's token. Empty for an app's own token.
    pub(crate) scopes: BTreeSet<Box<str>>,
    /// The object id of the app's service principal in the tenant.
    pub(crate) object: Option<ObjectId>,
}

/// A token that the endpoint issued.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token text, sent as `Bearer`.
    pub(crate) secret: Secret,
    /// When the token expires. Its lifetime counts from before the request.
    pub(crate) expires_at: OffsetDateTime,
    /// `None` for an unreadable token, which Microsoft allows: such a token works and proves nothing.
    pub(crate) claims: Option<UnverifiedClaims>,
}

/// Why the request gave no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Microsoft gave a reason.
    Meaning(Obstacle),
    /// No usable answer came.
    NoAnswer(NoAnswer),
    /// Our certificate's key does not sign.
    CannotSign,
}

/// Why the result counts as no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// No answer arrived.
    #[error("{0}")]
    Silence(Silence),
    /// An answer that does not follow the protocol: an HTML page, a redirect, a token without a lifetime.
    #[error("the answer cannot be read")]
    Unreadable,
    /// The claim of this name shows that the token is for another tenant, app or resource.
    #[error("the token's {0} is not what was asked for")]
    SomebodyElses(&'static str),
    /// Microsoft only said that the service has a problem.
    #[error("the service is not well")]
    Unwell,
}

/// A refusal, with the ids under which Microsoft can find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRefusal {
    pub(crate) refused: Refused,
    /// The AADSTS code that decided.
    pub(crate) code: Option<AadstsCode>,
    /// Microsoft's id for its support.
    pub(crate) trace_id: Option<TraceId>,
    /// The id of the request in our logs and in Microsoft's.
    pub(crate) correlation_id: Option<TraceId>,
    /// How long to send no request to this tenant.
    pub(crate) retry_after: Option<Duration>,
}

/// Largest body of a token answer, in bytes. Real ones have about 2 KiB.
const CAP: usize = 1024 * 1024;
/// Lifetime in seconds of a token if its answer states none. Short, because the real one is unknown.
const UNTOLD_LIFE: i64 = 300;
/// Longest lifetime that we accept, in seconds. Entra's longest is about a day.
const LONGEST_LIFE: i64 = 24 * 3600;
/// Shortest pause for a tenant after "client request loop" (AADSTS50196): an earlier retry makes the loop worse.
const LOOP_PAUSE: Duration = Duration::from_secs(60);

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl TokenRequest<'_> {
    /// Requests the token, once. The returned call is `None` if nothing was sent. If the connection broke, the token endpoint may still
    /// have read the assertion, and it accepts no assertion twice. So a retry carries a new `jti`.
    pub(crate) async fn send(
        self,
        http: &Http,
        credential: &Credential,
        now: OffsetDateTime,
        mut jti: impl FnMut() -> TokenId,
    ) -> (Result<AccessToken, TokenRefusal>, Option<UpstreamCall>) {
        let request = match self.request(http, credential, now, jti()) {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(app.client_id = %self.client, error = %error, "the certificate of an app cannot be used");
                return (Err(TokenRefusal::of(Refused::CannotSign)), None);
            }
        };
        let again = || self.request(http, credential, now, jti()).ok();
        let exchange = http.exchange_anew(UpstreamKind::Token, request, again, CAP, now).await;
        let result = match exchange.answer {
            Ok(answer) => self.read(answer, now),
            Err(silence) => Err(TokenRefusal::of(Refused::NoAnswer(NoAnswer::Silence(silence)))),
        };
        let result = result.map_err(|refusal| {
            let refusal = TokenRefusal { correlation_id: refusal.correlation_id.or(Some(exchange.correlation_id)), ..refusal };
            self.log(&refusal, exchange.call.status);
            refusal
        });
        (result, Some(exchange.call))
    }

    fn request(self, http: &Http, credential: &Credential, now: OffsetDateTime, jti: TokenId) -> Result<RequestBuilder, UnfitCertificate> {
        let url = self.endpoints.token_url(self.tenant);
        let asserted = |assertion| vec![("client_assertion_type", Secret::new(ASSERTION_TYPE.to_owned())), ("client_assertion", assertion)];
        let proof = match credential {
            Credential::ClientSecret(secret) => vec![("client_secret", secret.clone())],
            Credential::Certificate(key) => {
                let assertion = key.client_assertion(self.client, &url, now, jti)?;
                asserted(assertion)
            }
            Credential::Federated(token) => asserted(token.clone()),
        };
        let (client, scope) = (self.client.to_string(), self.endpoints.graph_scope(self.resource));
        let mut form = vec![("client_id", client.as_str()), ("scope", &scope), ("grant_type", "client_credentials")];
        form.extend(proof.iter().map(|(name, value)| (*name, value.expose())));
        Ok(http.client().post(url).header(ACCEPT, HeaderValue::from_static("application/json")).form(&form))
    }

    /// Interprets an answer.
    fn read(self, answer: HttpAnswer, now: OffsetDateTime) -> Result<AccessToken, TokenRefusal> {
        match answer.status {
            200 => self
                .issued(&answer.body, now)
                .map_err(|reason| TokenRefusal { retry_after: answer.retry_after, ..TokenRefusal::of(Refused::NoAnswer(reason)) }),
            _ => Err(refusal(&answer)),
        }
    }

    fn issued(self, body: &[u8], now: OffsetDateTime) -> Result<AccessToken, NoAnswer> {
        let issued: Issued = read_object(body).map_err(|_| NoAnswer::Unreadable)?;
        let life = match issued.expires_in {
            None => Some(UNTOLD_LIFE),
            Some(Value::Number(seconds)) => seconds.as_i64(),
            Some(Value::String(seconds)) => seconds.parse().ok(),
            Some(_) => None,
        };
        let life = life.filter(|seconds| *seconds > 0).ok_or(NoAnswer::Unreadable)?;
        let fits_a_header = !issued.access_token.is_empty() && issued.access_token.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits_a_header || !issued.token_type.eq_ignore_ascii_case("bearer") {
            return Err(NoAnswer::Unreadable);
        }
        let claims = self.claims(&issued.access_token)?;
        Ok(AccessToken {
            secret: Secret::new(issued.access_token),
            expires_at: now + time::Duration::seconds(life.min(LONGEST_LIFE)),
            claims,
        })
    }

    /// Reads a token's claims without verifying them. `None` for a token without tenant, app or audience: such a token proves nothing.
    fn claims(self, token: &str) -> Result<Option<UnverifiedClaims>, NoAnswer> {
        let Some(claims) = payload::<AccessTokenClaims>(token) else { return Ok(None) };
        if claims.tid.as_deref().is_some_and(|tid| TenantId::parse(tid) != Ok(self.tenant)) {
            return Err(NoAnswer::SomebodyElses("tid"));
        }
        // `appid` in version 1 tokens, `azp` in version 2.
        let client = claims.appid.as_deref().or(claims.azp.as_deref());
        if client.is_some_and(|client| ClientId::parse(client) != Ok(self.client)) {
            return Err(NoAnswer::SomebodyElses("appid"));
        }
        if claims.idtyp.as_deref().is_some_and(|kind| kind != "app") {
            return Err(NoAnswer::SomebodyElses("idtyp"));
        }
        if claims.aud.as_deref().is_some_and(|audience| !self.is_audience(audience)) {
            return Err(NoAnswer::SomebodyElses("aud"));
        }
        if claims.tid.is_none() || client.is_none() || claims.aud.is_none() {
            return Ok(None);
        }
        let object = claims.oid.as_deref().and_then(|object| ObjectId::parse(object).ok());
        let roles = claims.roles.unwrap_or_default().into_iter().collect();
        Ok(Some(UnverifiedClaims { roles, scopes: BTreeSet::new(), object }))
    }

    /// Whether a token's `aud` fits the requested resource. The `aud` of Graph is its host or its application id. The `aud` of another
    /// resource is its application id, or an address that is in none of our tables. A foreign application id never fits, and Graph's
    /// address fits no other resource.
    fn is_audience(self, audience: &str) -> bool {
        if let Ok(resource) = ResourceId::parse(audience) {
            return resource == self.resource;
        }
        names_graph(self.endpoints, audience) == (self.resource == ResourceId::GRAPH)
    }

    fn log(self, refusal: &TokenRefusal, status: Option<u16>) {
        let code = refusal.code.map(tracing::field::display);
        let trace_id = refusal.trace_id.map(tracing::field::display);
        let correlation_id = refusal.correlation_id.map(tracing::field::display);
        let (meaning, reason) = match &refusal.refused {
            Refused::Meaning(meaning) => (meaning.name(), None),
            Refused::NoAnswer(reason) => ("no_answer", Some(tracing::field::display(reason))),
            Refused::CannotSign => ("cannot_sign", None),
        };
        tracing::warn!(
            upstream.kind = UpstreamKind::Token.name(),
            upstream.status = status,
            upstream.meaning = meaning,
            upstream.reason = reason,
            upstream.trace_id = trace_id,
            upstream.correlation_id = correlation_id,
            aadsts.code = code,
            tenant.id = %self.tenant,
            app.client_id = %self.client,
            resource.id = %self.resource,
            "no token"
        );
    }
}

/// The claims of a JWT as data, without verifying the signature. `None` if the text is not a JWT.
pub(super) fn payload<T: DeserializeOwned>(token: &str) -> Option<T> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return None };
    read_object(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Whether an audience is the address of this cloud's Graph.
pub(super) fn names_graph(endpoints: &Endpoints, audience: &str) -> bool {
    Url::parse(audience)
        .is_ok_and(|url| url.origin() == endpoints.graph.origin() && matches!(url.path(), "" | "/") && url.query().is_none())
}

impl TokenRefusal {
    /// A refusal without further details.
    pub(crate) fn of(refused: Refused) -> Self {
        Self { refused, code: None, trace_id: None, correlation_id: None, retry_after: None }
    }

    /// Whether a retry with another version of our credential may succeed.
    pub(crate) fn wants_another_credential(&self) -> bool {
        self.refused == Refused::Meaning(Obstacle::StaleCredential)
    }
}

fn refusal(answer: &HttpAnswer) -> TokenRefusal {
    let retry_after = answer.retry_after;
    let no_answer = |reason| TokenRefusal { retry_after, ..TokenRefusal::of(Refused::NoAnswer(reason)) };
    let unwell = matches!(answer.status, 408 | 429 | 500..=599);
    if !unwell && !matches!(answer.status, 400..=499) {
        return no_answer(NoAnswer::Unreadable);
    }
    let Ok(body) = read_object::<TokenErrorBody>(&answer.body) else {
        return no_answer(if unwell { NoAnswer::Unwell } else { NoAnswer::Unreadable });
    };
    let codes: Vec<u64> = match &body.error_codes {
        Some(Value::Array(codes)) => codes.iter().filter_map(Value::as_u64).collect(),
        _ => Vec::new(),
    };
    let text = body.error_description.as_ref().and_then(Value::as_str).unwrap_or_default();
    let (meaning, code) = aadsts::meaning_at_token_endpoint(&codes, text, &body.error);
    let refused = match meaning {
        // If the service has a problem, an unknown word in its answer means only that it has one.
        Obstacle::UnknownRefusal if unwell => Refused::NoAnswer(NoAnswer::Unwell),
        meaning => Refused::Meaning(meaning),
    };
    let retry_after = match meaning {
        Obstacle::LoopDetected => Some(retry_after.unwrap_or(LOOP_PAUSE).max(LOOP_PAUSE)),
        _ => retry_after,
    };
    let guid = |text: &Option<Value>| text.as_ref().and_then(Value::as_str).and_then(|text| TraceId::parse(text).ok());
    TokenRefusal { refused, code, trace_id: guid(&body.trace_id), correlation_id: guid(&body.correlation_id), retry_after }
}

#[derive(Deserialize)]
struct Issued {
    token_type: String,
    #[serde(default)]
    expires_in: Option<Value>,
    access_token: String,
}

#[derive(Deserialize)]
struct TokenErrorBody {
    error: String,
    #[serde(default)]
    error_description: Option<Value>,
    #[serde(default)]
    error_codes: Option<Value>,
    #[serde(default)]
    trace_id: Option<Value>,
    #[serde(default)]
    correlation_id: Option<Value>,
}

#[derive(Deserialize)]
struct AccessTokenClaims {
    tid: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    idtyp: Option<String>,
    aud: Option<String>,
    oid: Option<String>,
    roles: Option<Vec<Box<str>>>,
}

#[cfg(test)]
mod tests;
