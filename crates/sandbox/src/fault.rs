//! Scripted faults: effect, place, affected tenant and app, and number of occurrences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{ClientId, TenantId};

/// One scripted fault. Several faults may be active at once: delays add up, the first fault that replaces the answer wins, and edits apply
/// one after the other.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The place.
    pub at: FaultAt,
    /// Only for this tenant.
    pub tenant: Option<TenantId>,
    /// Only for this app, if it requests a token or consent. Graph and discovery ignore this field.
    pub app: Option<ClientId>,
    /// Only if the path (of the request, or of the batch part) contains this text.
    pub path: Option<String>,
    /// How many matching requests the fault skips before its first occurrence.
    #[serde(default)]
    pub skip: u32,
    /// How many times the fault occurs. By default, it occurs until it is cleared.
    pub times: Option<u32>,
    /// How many seconds after it was added the fault ends, in the sandbox's time.
    pub for_seconds: Option<u32>,
    /// The effect.
    #[serde(rename = "do")]
    pub effect: Effect,
}

impl Fault {
    /// A fault for all requests at this place until it is cleared.
    #[must_use]
    pub fn new(at: FaultAt, effect: Effect) -> Self {
        Self { at, tenant: None, app: None, path: None, skip: 0, times: None, for_seconds: None, effect }
    }

    /// Limits the fault to this tenant.
    #[must_use]
    pub fn in_tenant(self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self }
    }

    /// Limits the fault to the app with this client id.
    #[must_use]
    pub fn for_app(self, app: ClientId) -> Self {
        Self { app: Some(app), ..self }
    }

    /// Limits the fault to paths that contain this text.
    #[must_use]
    pub fn on_path(self, path: &str) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Lets the fault skip this number of matching requests before its first occurrence.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Limits the number of times that the fault occurs.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Ends the fault this number of seconds after it was added, in the sandbox's time.
    #[must_use]
    pub fn for_seconds(self, seconds: u32) -> Self {
        Self { for_seconds: Some(seconds), ..self }
    }

    /// Checks that the effect is possible at this place.
    ///
    /// # Errors
    /// The problem, and a valid alternative.
    pub(super) fn check(&self) -> Result<(), String> {
        use Effect as E;
        use FaultAt as A;
        let at = self.at;
        let fits = match &self.effect {
            E::Slow { .. } => true,
            E::Aadsts { granted, .. } => matches!(at, A::Consent) || (matches!(at, A::Token | A::Discovery) && !granted),
            E::OpaqueToken | E::Claim { .. } => at == A::Token,
            E::NextLink { .. } => matches!(at, A::Graph | A::Page | A::Part),
            E::Omit | E::Twice => at == A::Part,
            E::UnknownPart => at == A::Batch,
            E::Status { .. } | E::Verbatim { .. } | E::Html { .. } | E::Null | E::Empty => at != A::Consent,
            E::Reset | E::Cut { .. } => at != A::Part,
            E::Redirect { .. }
            | E::Malformed
            | E::Huge { .. }
            | E::ContentType { .. }
            | E::ByteOrderMark
            | E::DuplicateMembers
            | E::Member { .. } => !matches!(at, A::Part | A::Consent),
        };
        if !fits {
            return Err(format!("fault {:?} cannot happen at {at:?}", self.effect.name()));
        }
        if self.app.is_some() && !matches!(at, A::Token | A::Consent) {
            return Err(format!("a fault at {at:?} cannot be limited to an app"));
        }
        let statuses = match &self.effect {
            E::Status { status, .. } | E::Verbatim { status, .. } | E::Html { status } | E::Redirect { status, .. } => Some(*status),
            E::Aadsts { status, .. } => *status,
            _ => None,
        };
        if statuses.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("a status is a number from 200 to 599".into());
        }
        if let E::Member { json: Some(json), .. } | E::Claim { json: Some(json), .. } = &self.effect {
            serde_json::from_str::<&serde_json::value::RawValue>(json)
                .map_err(|error| format!("\"json\" of a member must be JSON text, such as \"3599\" or \"\\\"x\\\"\": {error}"))?;
        }
        let headers: Vec<(&str, &str)> = match &self.effect {
            E::Verbatim { headers, .. } => headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            E::Redirect { to, .. } => vec![("location", to)],
            E::ContentType { value } => vec![("content-type", value)],
            E::Status { retry_after: Some(RetryAfter::Text(text)), .. } => vec![("retry-after", text)],
            _ => Vec::new(),
        };
        for (name, value) in headers {
            if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err() {
                return Err(format!("{name:?}: {value:?} is not an HTTP header"));
            }
        }
        Ok(())
    }
}

/// The place of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAt {
    /// The discovery document.
    Discovery,
    /// The redirect after a decision on the consent page.
    Consent,
    /// The token endpoint.
    Token,
    /// The answer of a `$batch` as a whole.
    Batch,
    /// One part of a `$batch`.
    Part,
    /// A Graph call outside a batch.
    Graph,
    /// A second or later page of a Graph list (a call with `$skiptoken`).
    Page,
}

/// The effect of a fault.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// An AADSTS error: JSON at the token endpoint and at discovery, a redirect with `error` after a consent.
    Aadsts {
        /// The number, such as 53003.
        code: u32,
        /// The HTTP status; by default, the usual one for this number.
        status: Option<u16>,
        /// The `error` member; by default, the usual one for this number.
        error: Option<String>,
        /// Whether the consent is stored although the answer is an error.
        #[serde(default)]
        granted: bool,
    },
    /// An HTTP status with its usual error body.
    Status {
        /// The status, such as 429.
        status: u16,
        /// Graph's `error.code`; by default, the usual one for the status.
        code: Option<String>,
        /// The header `Retry-After`.
        retry_after: Option<RetryAfter>,
    },
    /// Exact status, headers and body.
    Verbatim {
        /// The status.
        status: u16,
        /// The headers, `content-type` included.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body. In a batch part, text that is not JSON becomes a JSON string.
        #[serde(default)]
        body: String,
    },
    /// A late answer.
    Slow {
        /// Milliseconds of real time.
        millis: u64,
    },
    /// The connection is reset before the first byte of the answer.
    Reset,
    /// The connection ends in the middle of the answer.
    Cut {
        /// The number of bytes of the body that still arrive.
        after_bytes: usize,
    },
    /// The JSON ends in the middle, in an answer that is complete as HTTP.
    Malformed,
    /// A page of a proxy instead of JSON.
    Html {
        /// The status.
        status: u16,
    },
    /// The body is `null`.
    Null,
    /// There is no body.
    Empty,
    /// A well-formed JSON body of a given size, sent in pieces and without a length.
    Huge {
        /// The size.
        megabytes: u32,
    },
    /// Another content type.
    ContentType {
        /// The header's value.
        value: String,
    },
    /// A byte order mark before the JSON.
    ByteOrderMark,
    /// Every member of the top-level object occurs twice, with different values.
    DuplicateMembers,
    /// Changes or removes a top-level member.
    Member {
        /// The member's name, such as `expires_in` or `token_type`.
        name: String,
        /// The member's value as JSON text, out-of-range numbers included. Without a value, the fault removes the member.
        json: Option<String>,
    },
    /// The access token is not a JWT. Graph accepts it.
    OpaqueToken,
    /// Changes or removes a claim of the access token. Graph ignores this change.
    Claim {
        /// The claim's name, such as `tid`, `appid`, `aud`, `idtyp`.
        name: String,
        /// The claim's value as JSON text. Without a value, the fault removes the claim.
        json: Option<String>,
    },
    /// Adds an `@odata.nextLink` that leads elsewhere.
    NextLink {
        /// The exact link. The sandbox's own address replaces `{graph}` in it.
        url: String,
    },
    /// A redirect instead of the answer.
    Redirect {
        /// The target.
        to: String,
        /// The status; 302 by default.
        #[serde(default = "found")]
        status: u16,
    },
    /// The batch's answer lacks the part.
    Omit,
    /// The part is answered twice, the second time with 404.
    Twice,
    /// The batch's answer has a part that the request does not have.
    UnknownPart,
}

impl Effect {
    fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(serde_json::Value::Object(members)) => members.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// The header `Retry-After`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An exact text, such as an overflow, garbage or a date in the past.
    Text(String),
    /// An HTTP date.
    Date {
        /// Seconds from now, in the sandbox's time.
        date_in: i64,
    },
}

impl RetryAfter {
    pub(super) fn header(&self, now: OffsetDateTime) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Text(text) => text.clone(),
            Self::Date { date_in } => http_date(now.saturating_add(time::Duration::seconds(*date_in))),
        }
    }
}

/// RFC 9110's preferred form of a date.
pub(super) fn http_date(at: OffsetDateTime) -> String {
    let form = time::macros::format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    at.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default()
}

fn found() -> u16 {
    302
}

/// The properties of a request that a fault matches.
#[derive(Debug, Clone, Copy)]
pub(super) struct FaultTarget<'a> {
    pub(super) at: FaultAt,
    pub(super) tenant: Option<TenantId>,
    pub(super) app: Option<ClientId>,
    pub(super) path: &'a str,
}

/// The active faults.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Active>);

#[derive(Debug)]
struct Active {
    fault: Fault,
    until: Option<OffsetDateTime>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault, now: OffsetDateTime) -> Result<(), String> {
        fault.check()?;
        let until = fault.for_seconds.map(|seconds| now.saturating_add(time::Duration::seconds(i64::from(seconds))));
        self.0.push(Active { fault, until });
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn in_force(&self) -> Vec<Fault> {
        self.0.iter().map(|active| active.fault.clone()).collect()
    }

    /// Returns the effects for this request and counts an occurrence of each.
    pub(super) fn strike(&mut self, target: FaultTarget<'_>, now: OffsetDateTime) -> Vec<Effect> {
        self.0.retain(|active| active.until.is_none_or(|until| now < until) && active.fault.times != Some(0));
        let mut effects = Vec::new();
        for Active { fault, .. } in &mut self.0 {
            let matches = fault.at == target.at
                && fault.tenant.is_none_or(|tenant| target.tenant == Some(tenant))
                && fault.app.is_none_or(|app| target.app == Some(app))
                && fault.path.as_deref().is_none_or(|path| target.path.contains(path));
            if !matches {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|times| times.saturating_sub(1));
            effects.push(fault.effect.clone());
        }
        // The fault is removed right after its last occurrence, because a test may wait for the removal.
        self.0.retain(|active| active.fault.times != Some(0));
        effects
    }
}
