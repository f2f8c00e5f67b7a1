//! What a browser brought back from Microsoft: bytes in, one type out.
//!
//! Nothing in a callback is signed (protocol reference §1.5), so this type is what somebody *said*. The parser takes every shape
//! of protocol reference §1.3 to §1.6 and never panics. The query is split and percent-decoded exactly once, and leniently: an
//! escape that is none stays as it is and bytes that are not UTF-8 become U+FFFD, so that the same address means the same
//! through every front door, also those that decode before us. What must be exact (tenant, ticket, codes) is checked by type.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::aadsts::AadstsCode;
use super::ids::TenantId;

/// Longest query or form body that is looked at, in bytes. A callback with `code` and `id_token` stays well below.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most `name=value` pairs that are looked at.
pub const MAX_PAIRS: usize = 32;

/// The parameters Microsoft is known to send, and one that it is not: protocol reference §1.3, §1.4, §1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// `admin_consent`: names the flow, not the decision. Failures carry `True` as well.
    AdminConsent,
    /// `tenant`
    Tenant,
    /// `state`: our ticket.
    State,
    /// `scope`
    Scope,
    /// `error`
    Error,
    /// `error_description`
    ErrorDescription,
    /// `error_uri`
    ErrorUri,
    /// `error_subcode`
    ErrorSubcode,
    /// `error_codes`
    ErrorCodes,
    /// `timestamp`
    Timestamp,
    /// `trace_id`
    TraceId,
    /// `correlation_id`
    CorrelationId,
    /// `session_state`
    SessionState,
    /// `client_info`
    ClientInfo,
    /// `code`: a secret of the old authorize flow. Seen, never kept.
    Code,
    /// `id_token`: a secret of the old authorize flow. Seen, never kept.
    IdToken,
    /// `access_token`: never expected in a query. Seen, never kept.
    AccessToken,
}

impl Parameter {
    const ALL: [Self; 17] = [
        Self::AdminConsent,
        Self::Tenant,
        Self::State,
        Self::Scope,
        Self::Error,
        Self::ErrorDescription,
        Self::ErrorUri,
        Self::ErrorSubcode,
        Self::ErrorCodes,
        Self::Timestamp,
        Self::TraceId,
        Self::CorrelationId,
        Self::SessionState,
        Self::ClientInfo,
        Self::Code,
        Self::IdToken,
        Self::AccessToken,
    ];

    /// The name on the wire. Names are case-sensitive.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminConsent => "admin_consent",
            Self::Tenant => "tenant",
            Self::State => "state",
            Self::Scope => "scope",
            Self::Error => "error",
            Self::ErrorDescription => "error_description",
            Self::ErrorUri => "error_uri",
            Self::ErrorSubcode => "error_subcode",
            Self::ErrorCodes => "error_codes",
            Self::Timestamp => "timestamp",
            Self::TraceId => "trace_id",
            Self::CorrelationId => "correlation_id",
            Self::SessionState => "session_state",
            Self::ClientInfo => "client_info",
            Self::Code => "code",
            Self::IdToken => "id_token",
            Self::AccessToken => "access_token",
        }
    }

    /// Longest decoded value in bytes (numbers of a production parser, protocol reference §1.4; secrets only by [`MAX_BYTES`]).
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            Self::Error => 128,
            Self::State | Self::Scope | Self::ErrorDescription => 4096,
            Self::ClientInfo => 2048,
            Self::Code | Self::IdToken | Self::AccessToken => MAX_BYTES,
            _ => 512,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }
}

/// Why a callback is not read further. Carries names of ours and numbers, never a stranger's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than [`MAX_BYTES`].
    #[error("longer than {MAX_BYTES} bytes")]
    TooLarge,
    /// More than [`MAX_PAIRS`].
    #[error("more than {MAX_PAIRS} parameters")]
    TooManyPairs,
    /// A known parameter stands twice; which one counts would be a guess (RFC 6749 §3.1: must not be included more than once).
    #[error("parameter {} stands more than once", .0.name())]
    Duplicate(Parameter),
    /// A value above [`Parameter::limit`].
    #[error("parameter {} is longer than {} bytes", .0.name(), .0.limit())]
    TooLong(Parameter),
    /// `tenant` is there and not a GUID: Microsoft sends nothing else.
    #[error("parameter tenant is not a GUID")]
    TenantNotGuid,
}

impl Malformed {
    /// A short stable word for records.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooManyPairs => "too_many_parameters",
            Self::Duplicate(_) => "duplicate_parameter",
            Self::TooLong(_) => "parameter_too_long",
            Self::TenantNotGuid => "tenant_not_a_guid",
        }
    }
}

/// The text that came as `state`. Perhaps a ticket of ours, perhaps anything. It is never printed: a genuine one lets its
/// holder ask us to look again.
#[derive(Clone, PartialEq, Eq)]
pub struct RawState(Box<str>);

impl RawState {
    /// The text, for opening it as a ticket.
    #[must_use]
    pub fn unverified(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RawState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawState({} bytes)", self.0.len())
    }
}

/// The flag `admin_consent`. Whatever it says, it proves nothing; `False` has never been seen from Microsoft (protocol
/// reference §10.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentFlag {
    /// Not there, or empty.
    Absent,
    /// `True`, in any case.
    True,
    /// Anything else.
    Other,
}

/// The error part of a callback, reduced to what can be trusted to have a shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedError {
    /// `error`, if it is made of the characters RFC 6749 §4.1.2.1 allows.
    pub error: Option<Box<str>>,
    /// `error_subcode`, under the same rule.
    pub subcode: Option<Box<str>>,
    /// The AADSTS number: of the description, else of `error_uri`, else of `error_codes`.
    pub code: Option<AadstsCode>,
    /// Microsoft's trace id.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id.
    pub correlation_id: Option<TraceId>,
}

/// An id Microsoft's support asks for: a GUID, lower case.
pub type TraceId = super::ids::ObjectId;

/// A callback as it was read. Unknown parameters are counted and otherwise ignored: Microsoft adds some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The ticket, unopened. An empty one counts as absent (RFC 6749 §3.1).
    pub state: Option<RawState>,
    /// The tenant somebody says this is about.
    pub tenant: Option<TenantId>,
    /// The flag.
    pub admin_consent: ConsentFlag,
    /// Present when any parameter speaks of an error, whatever the flag says.
    pub error: Option<ReportedError>,
    /// A `code`, `id_token` or `access_token` came along. It was not kept.
    pub carried_secret: bool,
    /// How many parameters have names we do not know.
    pub unknown: usize,
}

impl Callback {
    /// Reads a query string (without `?`) or the body of a form post.
    ///
    /// # Errors
    /// [`Malformed`] when it cannot be said what the callback means; then nothing of it is used.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed::TooLarge);
        }
        let mut values = Values::default();
        let mut unknown = 0;
        let mut pairs = 0;
        for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            pairs += 1;
            if pairs > MAX_PAIRS {
                return Err(Malformed::TooManyPairs);
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
                None => (pair, [].as_slice()),
            };
            let Some(parameter) = Parameter::named(&decode(name)) else {
                unknown += 1;
                continue;
            };
            let value = decode(value);
            if value.len() > parameter.limit() {
                return Err(Malformed::TooLong(parameter));
            }
            values.put(parameter, value)?;
        }
        values.read(unknown)
    }
}

/// Percent-decodes once; `+` is a space in forms and in Microsoft's queries alike.
fn decode(raw: &[u8]) -> Cow<'_, str> {
    if raw.contains(&b'+') {
        let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        Cow::Owned(percent_decode(&spaced).decode_utf8_lossy().into_owned())
    } else {
        percent_decode(raw).decode_utf8_lossy()
    }
}

#[derive(Default)]
struct Values<'a>(Vec<(Parameter, Cow<'a, str>)>);

impl<'a> Values<'a> {
    fn put(&mut self, parameter: Parameter, value: Cow<'a, str>) -> Result<(), Malformed> {
        if self.0.iter().any(|(known, _)| *known == parameter) {
            return Err(Malformed::Duplicate(parameter));
        }
        // Only the fact counts: the value of a secret goes no further than this line.
        let secret = matches!(parameter, Parameter::Code | Parameter::IdToken | Parameter::AccessToken);
        self.0.push((parameter, if secret && !value.is_empty() { Cow::Borrowed("…") } else { value }));
        Ok(())
    }

    /// The value, where there is one: a parameter without a value counts as omitted (RFC 6749 §3.1).
    fn get(&self, parameter: Parameter) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == parameter)?;
        Some(value.as_ref()).filter(|value| !value.is_empty())
    }

    fn read(&self, unknown: usize) -> Result<Callback, Malformed> {
        // A bare `#` ends addresses that were copied or logged (captures in protocol reference §1.3). No ticket and no tenant holds
        // one, so nothing is guessed by dropping it.
        let without_hash = |value: &'_ str| Some(value.trim_end_matches('#').to_owned()).filter(|value| !value.is_empty());
        let tenant = match self.get(Parameter::Tenant).and_then(without_hash) {
            Some(tenant) => Some(TenantId::parse(&tenant).map_err(|_| Malformed::TenantNotGuid)?),
            None => None,
        };
        Ok(Callback {
            state: self.get(Parameter::State).and_then(without_hash).map(|state| RawState(state.into())),
            tenant,
            admin_consent: match self.get(Parameter::AdminConsent).map(|flag| flag.trim_end_matches('#')) {
                None => ConsentFlag::Absent,
                Some(flag) if flag.eq_ignore_ascii_case("true") => ConsentFlag::True,
                Some(_) => ConsentFlag::Other,
            },
            error: self.reported_error(),
            carried_secret: [Parameter::Code, Parameter::IdToken, Parameter::AccessToken].into_iter().any(|p| self.get(p).is_some()),
            unknown,
        })
    }

    fn reported_error(&self) -> Option<ReportedError> {
        let error = self.get(Parameter::Error);
        let subcode = self.get(Parameter::ErrorSubcode);
        let description = self.get(Parameter::ErrorDescription);
        let uri = self.get(Parameter::ErrorUri);
        let codes = self.get(Parameter::ErrorCodes);
        if [error, subcode, description, uri, codes].iter().all(Option::is_none) {
            return None;
        }
        let labelled = |label| description.and_then(|text| guid_after(text, label));
        let parameter = |parameter| self.get(parameter).and_then(|text| TraceId::parse(text).ok());
        Some(ReportedError {
            error: error.and_then(error_name),
            subcode: subcode.and_then(error_name),
            code: (description.and_then(|text| number_after(text, "AADSTS")))
                .or_else(|| uri.and_then(|text| number_after(text, "code=")))
                .or_else(|| codes.and_then(|text| number_after(text.trim_start(), "["))),
            trace_id: labelled("Trace ID:").or_else(|| parameter(Parameter::TraceId)),
            correlation_id: labelled("Correlation ID:").or_else(|| parameter(Parameter::CorrelationId)),
        })
    }
}

/// RFC 6749 §4.1.2.1: `%x20-21 / %x23-5B / %x5D-7E`. A trailing `#` is the bare one of copied addresses.
fn error_name(text: &str) -> Option<Box<str>> {
    let text = text.trim_end_matches('#');
    let fits = !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    fits.then(|| text.into())
}

/// The number right behind the first `label` that has one.
fn number_after(text: &str, label: &str) -> Option<AadstsCode> {
    text.match_indices(label).find_map(|(at, _)| {
        let rest = text.get(at + label.len()..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        AadstsCode::from_digits(rest.get(..digits)?)
    })
}

/// The GUID behind a label, spaces between. Labels and not line breaks split a description: some captures have spaces where
/// others have CRLF (protocol reference §1.4).
fn guid_after(text: &str, label: &str) -> Option<TraceId> {
    text.match_indices(label).find_map(|(at, _)| TraceId::parse(text.get(at + label.len()..)?.trim_start().get(..36)?).ok())
}
