//! Requests one object or one page from Graph, and interprets each answer.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use url::Url;

use crate::entra::http::{Http, HttpAnswer, Silence, UpstreamKind, read_object};
use crate::secret::Secret;

/// Why Graph did not show the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// 403: our rights do not show it.
    #[error("Microsoft Graph does not let us read it (403)")]
    NotVisible,
    /// 404.
    #[error("Microsoft Graph has nothing of this name (404)")]
    NotFound,
    /// 401.
    #[error("Microsoft Graph does not take the token (401)")]
    Unauthorized,
    /// No answer: a later retry may succeed.
    #[error("no answer from Microsoft Graph: {0}")]
    NoFlag(Silence),
    /// 408, 429 and 5xx: a later retry may succeed.
    #[error("Microsoft Graph is not well (HTTP {status})")]
    Unwell {
        /// The status: 408, 429 or 5xx.
        status: u16,
        /// The wait from `Retry-After`; `None` if Graph sent no such header.
        retry_after: Option<Duration>,
    },
    /// Another status, such as 400 for a wrong request.
    #[error("Microsoft Graph refuses the question (HTTP {0})")]
    Refused(u16),
    /// An answer that does not follow the protocol.
    #[error("the answer of Microsoft Graph cannot be read")]
    Unreadable,
}

impl Unread {
    /// The wait that Graph asked for, if it sent a `Retry-After`.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Unwell { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// Requests an object with a token, and reads at most `cap` bytes of the answer.
///
/// # Errors
/// [`Unread`], which is logged.
pub(in crate::entra) async fn get<T: DeserializeOwned>(
    http: &Http,
    kind: UpstreamKind,
    cap: usize,
    token: &Secret,
    url: Url,
    now: OffsetDateTime,
) -> Result<T, Unread> {
    let request = http.client().get(url).bearer_auth(token.expose()).header(ACCEPT, HeaderValue::from_static("application/json"));
    let exchange = http.exchange(kind, request, cap, now).await;
    let read = read(exchange.answer);
    if let Err(unread) = &read {
        tracing::warn!(
            upstream.kind = kind.name(),
            upstream.status = exchange.call.status,
            upstream.reason = %unread,
            upstream.correlation_id = %exchange.correlation_id,
            "Graph did not show what was asked for"
        );
    }
    read
}

fn read<T: DeserializeOwned>(answer: Result<HttpAnswer, Silence>) -> Result<T, Unread> {
    let HttpAnswer { status, retry_after, body } = answer.map_err(|silence| match silence {
        Silence::TooLarge => Unread::Unreadable,
        silence => Unread::NoFlag(silence),
    })?;
    match status {
        200 => read_object(&body).map_err(|_| Unread::Unreadable),
        401 => Err(Unread::Unauthorized),
        403 => Err(Unread::NotVisible),
        404 => Err(Unread::NotFound),
        408 | 429 | 500..=599 => Err(Unread::Unwell { status, retry_after }),
        status => Err(Unread::Refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct GraphObject {
        id: u8,
    }

    #[test]
    fn every_answer_has_one_meaning() {
        let wait = Some(Duration::from_secs(7));
        let said = |status, body: &str| read::<GraphObject>(Ok(HttpAnswer { status, retry_after: wait, body: body.into() }));
        assert_eq!(said(200, r#"{"id":1}"#), Ok(GraphObject { id: 1 }));
        for (status, meant) in [
            (200, Unread::Unreadable),
            (302, Unread::Refused(302)),
            (400, Unread::Refused(400)),
            (401, Unread::Unauthorized),
            (403, Unread::NotVisible),
            (404, Unread::NotFound),
            (408, Unread::Unwell { status: 408, retry_after: wait }),
            (429, Unread::Unwell { status: 429, retry_after: wait }),
            (503, Unread::Unwell { status: 503, retry_after: wait }),
        ] {
            assert_eq!(said(status, "[1]"), Err(meant), "{status}");
        }
        assert_eq!(read::<GraphObject>(Err(Silence::TooLarge)), Err(Unread::Unreadable));
        assert_eq!(read::<GraphObject>(Err(Silence::TimedOut)), Err(Unread::NoFlag(Silence::TimedOut)));
    }
}
