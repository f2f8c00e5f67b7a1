//! Parses what a browser brought back from Microsoft: decoded pairs in, one type out.
//!
//! Nothing in a callback is signed (protocol reference §1.5), so this type contains unproven claims. The parser takes every shape of
//! protocol reference §1.3 to §1.6 and never panics. Types check the values that must be exact (tenant, ticket, codes).

use super::aadsts::{self, AadstsCode};
pub use super::claim::TraceId;
use super::claim::{Claim, ClaimedError};
use super::ids::{ResourceId, TenantId};
use super::query::{AMPERSAND, MAX_BYTES, Query, decode};

/// The part of a text that we search for codes and ids, in bytes.
const MAX_READ: usize = 8 * 1024;

/// The parameters that a rule reads: protocol reference §1.3, §1.4, §1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// `admin_consent`: marks the flow, not the decision. Failures carry `True` as well.
    AdminConsent,
    /// `tenant`
    Tenant,
    /// `state`: our ticket.
    State,
    /// `error`
    Error,
    /// `error_subcode`
    ErrorSubcode,
    /// `error_description`
    ErrorDescription,
    /// `error_uri`
    ErrorUri,
    /// `error_codes`
    ErrorCodes,
    /// `trace_id`
    TraceId,
    /// `correlation_id`
    CorrelationId,
    /// `code`: a secret of the old authorize flow. Noticed, never kept.
    Code,
    /// `id_token`: a secret of the old authorize flow. Noticed, never kept.
    IdToken,
    /// `access_token`: never expected in a query. Noticed, never kept.
    AccessToken,
}

/// Known parameters that no rule reads.
const UNREAD: [&str; 4] = ["scope", "session_state", "client_info", "timestamp"];

impl Parameter {
    const ALL: [Self; 13] = [
        Self::AdminConsent,
        Self::Tenant,
        Self::State,
        Self::Error,
        Self::ErrorSubcode,
        Self::ErrorDescription,
        Self::ErrorUri,
        Self::ErrorCodes,
        Self::TraceId,
        Self::CorrelationId,
        Self::Code,
        Self::IdToken,
        Self::AccessToken,
    ];

    /// The name in the query. Names are case-sensitive.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AdminConsent => "admin_consent",
            Self::Tenant => "tenant",
            Self::State => "state",
            Self::Error => "error",
            Self::ErrorSubcode => "error_subcode",
            Self::ErrorDescription => "error_description",
            Self::ErrorUri => "error_uri",
            Self::ErrorCodes => "error_codes",
            Self::TraceId => "trace_id",
            Self::CorrelationId => "correlation_id",
            Self::Code => "code",
            Self::IdToken => "id_token",
            Self::AccessToken => "access_token",
        }
    }

    /// The longest decoded value of a parameter that decides, in bytes (figures of a production parser, protocol reference §1.4). A
    /// parameter decides if its value can change the outcome. `None` for every other parameter: such a parameter is never a reason to
    /// refuse a callback.
    pub(crate) fn limit(self) -> Option<usize> {
        match self {
            Self::Error => Some(128),
            Self::State => Some(4096),
            Self::AdminConsent | Self::Tenant | Self::ErrorSubcode => Some(512),
            _ => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name)
    }
}

/// Whether a parameter with this name, as received, can change the outcome.
pub(crate) fn decides(name: &str) -> bool {
    Parameter::named(name.strip_prefix(AMPERSAND).unwrap_or(name)).and_then(Parameter::limit).is_some()
}

/// Why parsing stops. Contains only our own names and numbers, never a stranger's text.
///
/// If a callback has several faults, the first in this list is reported, independent of their order in the query: some front doors pass
/// parameters in maps, which have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    /// More than [`MAX_BYTES`].
    #[error("longer than {MAX_BYTES} bytes")]
    TooLarge,
    /// A parameter that decides occurs twice. Choosing one would be a guess (RFC 6749 §3.1: must not be included more than once).
    #[error("parameter {} occurs more than once", .0.name())]
    Duplicate(Parameter),
    /// A value above [`Parameter::limit`].
    #[error("parameter {} is longer than {} bytes", .0.name(), .0.limit().unwrap_or(MAX_BYTES))]
    TooLong(Parameter),
    /// `tenant` occurs without an error and is not a GUID: Microsoft never sends such a callback.
    #[error("parameter tenant is not a GUID")]
    TenantNotGuid,
}

impl Malformed {
    /// A short stable word for records.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Duplicate(_) => "duplicate_parameter",
            Self::TooLong(_) => "parameter_too_long",
            Self::TenantNotGuid => "tenant_not_a_guid",
        }
    }
}

/// The text of `state`, which may be a genuine ticket or any other text. The text is never printed, because the holder of a genuine ticket
/// can make us check again.
#[derive(Clone, PartialEq, Eq)]
pub struct RawState(Box<str>);

impl RawState {
    /// The raw text, to be opened as a ticket.
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

/// A parsed callback. Unknown parameters are counted and otherwise ignored: Microsoft adds new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The ticket, not yet opened. An empty one counts as absent (RFC 6749 §3.1).
    pub state: Option<RawState>,
    /// The tenant that the query claims.
    pub tenant: Option<TenantId>,
    /// What the query says about the approval.
    pub claim: Claim,
    /// The query contained a `code`, `id_token` or `access_token`. The value was not kept.
    pub(crate) carried_secret: bool,
    /// How many parameters have unknown names, or repeat a parameter that decides nothing.
    pub(crate) unknown: usize,
    /// How often `&amp;` was read as `&`.
    pub(crate) ampersands: usize,
}

impl Callback {
    /// Reads the pairs of a query or of a form post.
    ///
    /// # Errors
    /// [`Malformed`] if the callback is ambiguous or too large; then no part of it is used.
    pub fn parse(query: &Query) -> Result<Self, Malformed> {
        if query.is_too_large() {
            return Err(Malformed::TooLarge);
        }
        let mut values = Values::default();
        let mut unknown = 0;
        let mut faults = Vec::new();
        for (name, value) in query.pairs() {
            let Some(parameter) = Parameter::named(name) else {
                unknown += usize::from(!UNREAD.contains(&name));
                continue;
            };
            let is_repeated = values.0.iter().any(|(known, _)| *known == parameter);
            match parameter.limit() {
                Some(_) if is_repeated => faults.push(Malformed::Duplicate(parameter)),
                Some(limit) if value.len() > limit => faults.push(Malformed::TooLong(parameter)),
                Some(_) => {}
                None => unknown += usize::from(is_repeated),
            }
            values.0.push((parameter, value));
        }
        match faults.into_iter().min() {
            Some(fault) => Err(fault),
            None => values.read(query, unknown),
        }
    }
}

#[derive(Default)]
struct Values<'a>(Vec<(Parameter, &'a str)>);

impl<'a> Values<'a> {
    /// A parameter without a value counts as omitted (RFC 6749 §3.1).
    fn get(&self, parameter: Parameter) -> Option<&'a str> {
        self.0.iter().find(|(known, value)| *known == parameter && !value.is_empty()).map(|(_, value)| *value)
    }

    fn read(&self, query: &Query, unknown: usize) -> Result<Callback, Malformed> {
        // Addresses that were copied or logged may end with a bare `#` (captures in protocol reference §1.3). No ticket and no tenant
        // contains one, so it is safe to drop.
        let without_hash = |value: &'_ str| Some(value.trim_end_matches('#').to_owned()).filter(|value| !value.is_empty());
        // The flag `admin_consent` proves nothing. `False` has never been seen from Microsoft (protocol reference §10.4).
        let flag = self.get(Parameter::AdminConsent).map(|flag| flag.trim_end_matches('#'));
        let claim = match self.claimed_error() {
            Some(error) => Claim::Error(error),
            None if flag.is_some_and(|flag| flag.eq_ignore_ascii_case("true")) => Claim::Success,
            None => Claim::NoFlag,
        };
        let tenant = match self.get(Parameter::Tenant).and_then(without_hash).map(|tenant| TenantId::parse(&tenant)) {
            Some(Ok(tenant)) => Some(tenant),
            // Microsoft's failures name no tenant. A failure with an invalid tenant is still a failure, and concerns the ticket's tenant.
            Some(Err(_)) if claim.error().is_some() => None,
            Some(Err(_)) => return Err(Malformed::TenantNotGuid),
            None => None,
        };
        Ok(Callback {
            state: self.get(Parameter::State).and_then(without_hash).map(|state| RawState(state.into())),
            tenant,
            claim,
            carried_secret: [Parameter::Code, Parameter::IdToken, Parameter::AccessToken].into_iter().any(|p| self.get(p).is_some()),
            unknown,
            ampersands: query.ampersands(),
        })
    }

    /// The error, if any parameter reports one.
    fn claimed_error(&self) -> Option<ClaimedError> {
        let error = self.get(Parameter::Error);
        let subcode = self.get(Parameter::ErrorSubcode);
        let description = self.get(Parameter::ErrorDescription).map(beginning);
        let uri = self.get(Parameter::ErrorUri).map(beginning);
        let codes = self.get(Parameter::ErrorCodes).map(beginning);
        if [error, subcode, description, uri, codes].iter().all(Option::is_none) {
            return None;
        }
        let description = description.map(respelled).unwrap_or_default();
        let uri = uri.map(respelled).unwrap_or_default();
        let in_list = codes.unwrap_or_default().split(|c: char| !c.is_ascii_digit()).filter_map(AadstsCode::from_digits);
        let labelled = |label| guid_after(&description, label);
        let parameter = |parameter| self.get(parameter).and_then(|text| TraceId::parse(text).ok());
        let code = AadstsCode::first_known(AadstsCode::all_in(&description).chain(AadstsCode::behind("code=", &uri)).chain(in_list));
        Some(ClaimedError {
            class: aadsts::class_of_error(
                error.and_then(error_name).unwrap_or_default(),
                subcode.and_then(error_name),
                code,
                aadsts::says_too_many_permissions(&description),
            ),
            code,
            resource: code.filter(|code| aadsts::lookup(*code).is_about_resource()).and_then(|_| resource_in(&description)),
            trace_id: labelled("Trace ID:").or_else(|| parameter(Parameter::TraceId)),
            correlation_id: labelled("Correlation ID:").or_else(|| parameter(Parameter::CorrelationId)),
            other_tenant: false,
        })
    }
}

/// The first [`MAX_READ`] bytes. A number at the cut is dropped, because more digits may follow.
fn beginning(text: &str) -> &str {
    match text.get(..text.floor_char_boundary(MAX_READ)) {
        Some(cut) if cut.len() < text.len() => cut.trim_end_matches(|c: char| c.is_ascii_digit()),
        _ => text,
    }
}

/// Decodes a text once more, because some programs on the way encode it twice, or leave `+` for a space. We read only codes and ids from
/// it.
fn respelled(text: &str) -> String {
    decode(text.as_bytes()).replace('+', " ")
}

/// The first GUID, as in AADSTS650052: "a service 'GUID'(name) that your organization 'GUID' lacks a service principal for" (captured
/// publicly). A GUID after the word for the organisation, or after the label of an id for support, is not a resource.
fn resource_in(text: &str) -> Option<ResourceId> {
    let end = ["organization", "tenant", "Trace ID"].iter().filter_map(|word| text.find(word)).min().unwrap_or(text.len());
    text.get(..end)?.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).find_map(|word| ResourceId::parse(word).ok())
}

/// The value of `error` if it has only the characters of RFC 6749 §4.1.2.1: `%x20-21 / %x23-5B / %x5D-7E`. Copied addresses may add a `#`
/// at the end.
fn error_name(text: &str) -> Option<&str> {
    let text = text.trim_end_matches('#');
    let fits = !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    fits.then_some(text)
}

/// The GUID after a label and optional spaces. Labels, not line breaks, split a description: some captures have spaces where others have
/// CRLF (protocol reference §1.4).
fn guid_after(text: &str, label: &str) -> Option<TraceId> {
    text.match_indices(label).find_map(|(at, _)| TraceId::parse(text.get(at + label.len()..)?.trim_start().get(..36)?).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::claim::Agreement;
    use crate::consent::{ErrorClass, ExpectedTenant};

    const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

    fn parse(query: &str) -> Result<Callback, Malformed> {
        Callback::parse(&Query::parse(query.as_bytes()))
    }

    fn claim(query: &str) -> (Claim, Agreement) {
        let callback = parse(query).unwrap();
        let agreement = Agreement::of(ExpectedTenant::Tenant(TenantId::parse(TENANT).unwrap()), callback.tenant, &callback.claim);
        (callback.claim, agreement)
    }

    fn error(query: &str) -> ClaimedError {
        claim(query).0.error().unwrap_or_else(|| panic!("no error in {query}")).clone()
    }

    fn class(query: &str) -> ErrorClass {
        error(query).class
    }

    #[test]
    fn a_success_is_read_in_every_documented_shape() {
        for query in [
            format!("admin_consent=True&tenant={TENANT}&state=T&scope=https%3a%2f%2fgraph.microsoft.com%2fMail.Send+openid"),
            format!("admin_consent=True&tenant={TENANT}&scope=https%3A%2F%2Fgraph.microsoft.com%2FCalendars.Read%20x&state=T"),
            format!("admin_consent=True&tenant={}&state=T#", TENANT.to_uppercase()),
            format!("state=T&session_state=x&admin_consent=true&tenant={TENANT}#&client_info=y&brand_new=1&bf_id=2"),
            format!("&&admin_consent=True&&tenant={TENANT}&state=T&"),
            format!("%61dmin_consent=Tru%65&tenant={TENANT}&state=%54"),
        ] {
            let callback = parse(&query).unwrap();
            assert_eq!(callback.tenant, TenantId::parse(TENANT).ok(), "{query}");
            assert_eq!(callback.state.as_ref().map(RawState::unverified), Some("T"), "{query}");
            assert_eq!(claim(&query), (Claim::Success, Agreement::Agrees(TenantId::parse(TENANT).unwrap())), "{query}");
        }
    }

    /// Captures of protocol reference §1.4, restated.
    #[test]
    fn an_error_beats_the_flag_and_its_numbers_are_found_in_every_layout() {
        let crlf = "error=access_denied&error_description=AADSTS65004%3a+User+declined+to+consent+to+access+the+app.%0d%0aTrace+ID%3a+2b359a77-c953-4d66-8618-d872e8d9ad47%0d%0aCorrelation+ID%3a+fde110a1-c393-4d10-84af-602543a88e82%0d%0aTimestamp%3a+2022-09-08+09%3a58%3a12Z&error_uri=https%3a%2f%2flogin.microsoftonline.com%2ferror%3fcode%3d65004&admin_consent=True&state=T#";
        let one_line = "error=access_denied&error_description=AADSTS65004:+User+declined.+Trace+ID:+2B359A77-c953-4d66-8618-d872e8d9ad47+Correlation+ID:+fde110a1-c393-4d10-84af-602543a88e82+Timestamp:+2022-09-08+09:58:12Z&admin_consent=True&state=T";
        for query in [crlf, one_line] {
            let error = error(query);
            assert_eq!(error.code.map(AadstsCode::number), Some(65004));
            assert_eq!(error.trace_id, TraceId::parse("2b359a77-c953-4d66-8618-d872e8d9ad47").ok());
            assert_eq!(error.correlation_id, TraceId::parse("fde110a1-c393-4d10-84af-602543a88e82").ok());
            assert_eq!(class(query), ErrorClass::Declined);
        }
        let cases = [
            ("error=access_denied&error_subcode=cancel&state=T", None, ErrorClass::Declined),
            ("error_subcode=cancel&state=T", None, ErrorClass::Declined),
            ("error=permission_denied&error_description=The+admin+canceled+the+request", None, ErrorClass::Declined),
            (
                "admin_consent=True&error=consent_required&error_description=AADSTS65004%3A+The+resource+owner",
                Some(65004),
                ErrorClass::Declined,
            ),
            (
                "error=access_denied&error_description=AADSTS50020%3a+User+account+%27%7bEmailHidden%7d%27",
                Some(50020),
                ErrorClass::WrongAccount,
            ),
            (
                "error=invalid_grant&error_description=AADSTS50097%3a+Device+authentication+is+required.&admin_consent=True",
                Some(50097),
                ErrorClass::BlockedByPolicy,
            ),
            ("error=access_denied&error_description=AADSTS53003%3a+Blocked", Some(53003), ErrorClass::BlockedByPolicy),
            ("error=interaction_required&error_description=AADSTS50076%3a+MFA", Some(50076), ErrorClass::BlockedByPolicy),
            ("error=invalid_client&error_description=AADSTS650053%3A+scope", Some(650053), ErrorClass::AppMisconfigured),
            (
                "error=invalid_resource&error_uri=https%3a%2f%2flogin.microsoftonline.com%2ferror%3fcode%3d500011",
                Some(500_011),
                ErrorClass::AppMisconfigured,
            ),
            ("error=access_denied&error_codes=%5B65004%2C1%5D", Some(65004), ErrorClass::Declined),
            (
                "error=server_error&error_description=x&error_uri=u&error_subcode=y&error_codes=%5B1%5D&admin_consent=False",
                Some(1),
                ErrorClass::Unknown,
            ),
            ("error=%0d%0aSet-Cookie%3a+x&admin_consent=True", None, ErrorClass::Unknown),
            ("error_description=AADSTS99999999999999999999&admin_consent=True", None, ErrorClass::Unknown),
        ];
        for (query, code, expected) in cases {
            assert_eq!(error(query).code.map(AadstsCode::number), code, "{query}");
            assert_eq!(class(query), expected, "{query}");
        }
    }

    #[test]
    fn a_long_description_is_read_in_its_first_8_kib() {
        let trace = "2b359a77-c953-4d66-8618-d872e8d9ad47";
        for parameter in ["error_description", "error_uri"] {
            let label = if parameter == "error_uri" { "code=" } else { "AADSTS" };
            let code = |before: usize, filler: &str| {
                let text = format!("{}{label}65004{}", filler.repeat(before / filler.len()), "+x".repeat(600));
                error(&format!("error=access_denied&{parameter}={text}")).code.map(AadstsCode::number)
            };
            let room = MAX_READ - label.len() - 5;
            assert_eq!(code(0, "a"), Some(65004), "{parameter}");
            assert_eq!(code(room - 1, "a"), Some(65004), "{parameter}");
            // The cut may have shortened this number, so it is not a code.
            for before in [room, room + 1, room + 4, room + 5, MAX_READ, MAX_READ + 1] {
                assert_eq!(code(before, "a"), None, "{parameter} {before}");
            }
            assert_eq!(code(MAX_READ, "ü"), None, "{parameter}");
        }
        let with_trace = |before: usize| {
            let text = format!("{}Trace+ID:+{trace}{}", "a".repeat(before), "x".repeat(600));
            error(&format!("error=x&error_description={text}")).trace_id
        };
        let room = MAX_READ - "Trace ID: ".len() - trace.len();
        assert_eq!((with_trace(room).map(|id| id.to_string()), with_trace(room + 1)), (None, None));
        assert_eq!(with_trace(room - 2).map(|id| id.to_string()).as_deref(), Some(trace));
    }

    #[test]
    fn neither_flag_nor_error_is_silence_and_an_empty_parameter_is_none() {
        for query in ["", "state=T", "admin_consent=False", "admin_consent=&error=&error_description=&tenant=&state=", "tenant=#", "x=y"] {
            assert_eq!(claim(query).0, Claim::NoFlag, "{query}");
        }
        assert_eq!(parse("state=&tenant=").unwrap().state, None);
        assert_eq!(parse("state=#").unwrap().state, None);
    }

    #[test]
    fn another_tenant_is_seen_before_anybody_is_asked() {
        let other = "aaaabbbb-0000-cccc-1111-dddd2222eeef";
        let agreement = |query: &str| claim(&format!("{query}&tenant={other}")).1;
        assert!(matches!(agreement("admin_consent=True"), Agreement::OtherTenant { .. }));
        assert!(matches!(agreement("admin_consent=False"), Agreement::OtherTenant { .. }));
        // With an error, Microsoft may send the tenant of the account.
        assert_eq!(agreement("error=access_denied&admin_consent=True"), Agreement::Agrees(TenantId::parse(TENANT).unwrap()));
    }

    #[test]
    fn a_callback_that_could_mean_two_things_is_refused() {
        for (query, refusal) in [
            ("tenant=t-1".to_owned(), Malformed::TenantNotGuid),
            ("tenant=common&state=T".into(), Malformed::TenantNotGuid),
            (format!("tenant=%7b{TENANT}%7d"), Malformed::TenantNotGuid),
            (format!("tenant={TENANT}%00"), Malformed::TenantNotGuid),
            (format!("tenant={TENANT}&tenant={TENANT}"), Malformed::Duplicate(Parameter::Tenant)),
            ("state=a&%73tate=b".into(), Malformed::Duplicate(Parameter::State)),
            ("state=&state=b".into(), Malformed::Duplicate(Parameter::State)),
            ("error=a&admin_consent=True&error=b".into(), Malformed::Duplicate(Parameter::Error)),
            (format!("error={}", "a".repeat(129)), Malformed::TooLong(Parameter::Error)),
            (format!("state={}", "a".repeat(4097)), Malformed::TooLong(Parameter::State)),
            ("state=a&amp;state=b".into(), Malformed::Duplicate(Parameter::State)),
            (format!("tenant={}", "a".repeat(513)), Malformed::TooLong(Parameter::Tenant)),
            (format!("admin_consent={}", "a".repeat(513)), Malformed::TooLong(Parameter::AdminConsent)),
            (format!("error_subcode={}", "a".repeat(513)), Malformed::TooLong(Parameter::ErrorSubcode)),
            ("a".repeat(MAX_BYTES), Malformed::TooLarge),
        ] {
            assert_eq!(parse(&query), Err(refusal), "{}", query.get(..40).unwrap_or(&query));
        }
        for query in [format!("error={}", "a".repeat(128)), format!("state={}", "a".repeat(4096)), "a".repeat(MAX_BYTES - 1)] {
            assert!(parse(&query).is_ok(), "{}", query.get(..40).unwrap());
        }
    }

    #[test]
    fn a_parameter_that_decides_nothing_refuses_nothing() {
        let good = format!("admin_consent=True&tenant={TENANT}&state=T");
        let meant = parse(&good).unwrap();
        let noticed = Parameter::ALL.into_iter().filter(|parameter| parameter.limit().is_none()).map(Parameter::name);
        for name in noticed.chain(UNREAD).chain(["x", "", "State"]) {
            let room = MAX_BYTES - good.len() - name.len() - 2;
            let long = format!("{good}&{name}={}", "a".repeat(room));
            let twice = format!("{name}=a&{good}&{name}=b&{name}=");
            let many = format!("{}{good}", format!("{name}=a&").repeat(100));
            for query in [long, twice, many] {
                let callback = parse(&query).unwrap();
                assert_eq!((&callback.state, callback.tenant), (&meant.state, meant.tenant), "{name}");
                // Any text in one of these parameters makes the callback an error.
                assert!(callback.claim == meant.claim || name.starts_with("error_"), "{name}");
            }
        }
        assert_eq!(parse("scope=a&scope=b&trace_id=x&trace_id=y&z=1&z=2&state=T").unwrap().unknown, 3);
        let twice = parse("error=x&error_description=&error_description=AADSTS65004&error_description=AADSTS53003").unwrap();
        assert_eq!((twice.claim.error().unwrap().code.map(AadstsCode::number), twice.unknown), (Some(65_004), 2));
    }

    #[test]
    fn of_several_faults_the_same_one_is_reported_in_any_order() {
        let long = format!("error={}", "a".repeat(129));
        for (parts, reported) in [
            (vec![&*long, "tenant=x", "state=a", "state=b"], Malformed::Duplicate(Parameter::State)),
            (vec!["tenant=x", &*long], Malformed::TooLong(Parameter::Error)),
            (vec!["scope=a", "tenant=x", "scope=b", "tenant=y"], Malformed::Duplicate(Parameter::Tenant)),
            (vec!["scope=a", "tenant=x", "scope=b", &*long], Malformed::TooLong(Parameter::Error)),
            (vec![&*long, &*long], Malformed::Duplicate(Parameter::Error)),
        ] {
            let (mut forth, mut back) = (parts.clone(), parts);
            back.reverse();
            for _ in 0..forth.len() {
                assert_eq!(parse(&forth.join("&")), Err(reported));
                assert_eq!(parse(&back.join("&")), Err(reported));
                forth.rotate_left(1);
                back.rotate_left(1);
            }
        }
    }

    #[test]
    fn a_secret_is_noticed_and_not_kept() {
        let callback = parse("code=0.AAAA-canary&id_token=eyJ-canary&session_state=x&state=T&admin_consent=True").unwrap();
        assert!(callback.carried_secret);
        assert!(!format!("{callback:?}").contains("canary"));
        assert!(!parse("code=&state=T").unwrap().carried_secret);
        assert!(!format!("{:?}", parse("state=ticket-canary").unwrap()).contains("canary"));
    }

    #[test]
    fn what_is_glued_to_a_state_stays_glued() {
        for (query, state) in [
            ("state=T%23", "T"),
            ("state=T##", "T"),
            ("state=TSign+in+to+your+account", "TSign in to your account"),
            ("state=state=12345", "state=12345"),
            ("state=T%2523", "T%23"),
            ("state=T#Sign%20in", "T#Sign in"),
            ("state=%ff%fe", "\u{fffd}\u{fffd}"),
            ("state=%zz%", "%zz%"),
        ] {
            assert_eq!(parse(query).unwrap().state.unwrap().unverified(), state, "{query}");
        }
    }

    /// Replays the captured callbacks if their folder exists next to the project; the tables above repeat their facts.
    #[test]
    fn the_given_callbacks_are_read_as_expected() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/callbacks.jsonl");
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("no folder with given callbacks beside the project: only the restated ones were tested");
            return;
        };
        for line in text.lines() {
            let given: serde_json::Value = serde_json::from_str(line).unwrap();
            let (id, query, kind) = (given["id"].as_str().unwrap(), given["raw_query"].as_str().unwrap(), given["kind"].as_str().unwrap());
            let callback = parse(query);
            println!("{id} {kind}: {callback:?}");
            if query.contains("tenant=t") && kind == "success" {
                assert_eq!(callback, Err(Malformed::TenantNotGuid), "{id}");
                continue;
            }
            let callback = callback.unwrap();
            assert_eq!(callback.state.is_some(), query.contains("state="), "{id}");
            assert_eq!(callback.claim.error().is_some(), kind != "success", "{id}");
            if kind == "cancelled" {
                assert_eq!(class(query), ErrorClass::Declined, "{id}");
            }
            if query.contains("AADSTS") {
                assert!(error(query).code.is_some(), "{id}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_byte_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Callback::parse(&Query::parse(&bytes));
        }

        #[test]
        fn known_names_with_any_values_never_panic(pairs in proptest::collection::vec((0..Parameter::ALL.len(), "\\PC{0,40}|[%a-fA-F0-9+#=&]{0,40}"), 0..20)) {
            let query = pairs.iter().map(|(name, value)| format!("{}={value}", Parameter::ALL[*name].name())).collect::<Vec<_>>().join("&");
            let _ = parse(&query);
        }

        #[test]
        fn no_undeciding_pair_changes_a_callback(pairs in proptest::collection::vec(("[a-zA-Z_]{0,12}|scope|session_state|client_info|timestamp", "\\PC{0,20}"), 0..100)) {
            let mut query = Query::parse(format!("admin_consent=True&tenant={TENANT}&state=T").as_bytes());
            let meant = Callback::parse(&query).unwrap();
            for (name, value) in pairs.iter().filter(|(name, _)| Parameter::named(name).is_none()) {
                query.push(name, value);
            }
            prop_assume!(!query.is_too_large());
            let unknown = Callback::parse(&query).unwrap().unknown;
            prop_assert_eq!(Callback::parse(&query), Ok(Callback { unknown, ..meant }));
        }

        #[test]
        fn a_success_claim_needs_the_flag_and_no_error(error in "[ -~]{0,20}", flag in "True|true|False||x") {
            let query = format!("admin_consent={flag}&error={}", percent_encoding::utf8_percent_encode(&error, percent_encoding::NON_ALPHANUMERIC));
            let (claim, _) = claim(&query);
            let has_error = !error.is_empty();
            prop_assert_eq!(claim == Claim::Success, !has_error && flag.eq_ignore_ascii_case("true"));
        }
    }
}
