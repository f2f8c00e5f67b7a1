//! Microsoft's AADSTS codes: the meaning of each in a callback, and its meaning as the token endpoint's answer to *us*.
//!
//! Microsoft asks programs to branch on the OAuth `error`, because the numbers may change. We need the numbers anyway: one OAuth error
//! covers both our fault and the tenant's (protocol reference §0.7). The table is closed: a code outside it means *unknown*, never a
//! success and never the tenant's fault.
//!
//! The table has every code of Microsoft's published error reference that a consent visitor or our token request can meet, and codes from
//! public reports. `locales` has the words for each, and the source of each code.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::ids::ResourceId;
use super::owner::Owner;

/// The number of an AADSTS code. JSON contains it as a number, like Microsoft's `error_codes`; people see `AADSTS65004`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AadstsCode(u32);

/// A text or number that is not an AADSTS code. The error omits the input, because it may come from a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an AADSTS code: a number from 1 to 4294967295, written without leading zeros")]
pub struct NotAnAadstsCode;

impl AadstsCode {
    /// Parses 1 to 10 digits without a sign or a leading zero, at most `u32::MAX` (Microsoft's codes have at most 7 digits).
    pub(crate) fn from_digits(digits: &str) -> Option<Self> {
        let fits = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if fits { digits.parse().ok().map(Self) } else { None }
    }

    /// The codes whose numbers directly follow `label` in the text.
    pub(crate) fn behind<'t>(label: &'t str, text: &'t str) -> impl Iterator<Item = Self> + Clone + 't {
        text.match_indices(label).filter_map(move |(at, _)| {
            let rest = text.get(at + label.len()..)?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            Self::from_digits(rest.get(..digits)?)
        })
    }

    /// The codes in a text, such as a description or the output of a program.
    pub(crate) fn all_in(text: &str) -> impl Iterator<Item = Self> + Clone + '_ {
        Self::behind("AADSTS", text)
    }

    /// Returns the first code that the table has. If the table has none of them, returns the first code. Microsoft may send several codes,
    /// the general ones first.
    pub(crate) fn first_known(mut codes: impl Iterator<Item = Self> + Clone) -> Option<Self> {
        codes.clone().find(|code| known(*code).is_some()).or_else(|| codes.next())
    }

    /// Parses exactly a complete code, such as `AADSTS65004`.
    ///
    /// # Errors
    /// [`NotAnAadstsCode`] for any other spelling.
    pub fn parse(text: &str) -> Result<Self, NotAnAadstsCode> {
        text.strip_prefix("AADSTS").and_then(Self::from_digits).ok_or(NotAnAadstsCode)
    }

    /// Converts an element of `error_codes`. `None` for zero and for any value that cannot be a code.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number != 0).map(Self)
    }

    /// The number without `AADSTS`.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for AadstsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AADSTS{}", self.0)
    }
}

impl std::str::FromStr for AadstsCode {
    type Err = NotAnAadstsCode;
    fn from_str(text: &str) -> Result<Self, NotAnAadstsCode> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for AadstsCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_number(u64::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom(NotAnAadstsCode))
    }
}

/// The meaning of a callback's error if Microsoft shows nothing. A callback is a claim: the class decides the outcome only if Graph shows
/// nothing better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// A person pressed Cancel, or sent a request for approval: Microsoft uses one code for both.
    Declined,
    /// The account belongs to the tenant, but may not approve.
    NotAnAdmin,
    /// The account belongs elsewhere, or could not sign in.
    WrongAccount,
    /// A policy or setting of the tenant stopped the approval.
    BlockedByPolicy,
    /// The operator needs to fix our link, our settings or the app's registration.
    AppMisconfigured,
    /// Transient errors, codes without lasting meaning, and codes outside the table.
    Unknown,
}

impl ErrorClass {
    /// The stable name, equal to the name of the resulting outcome.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::NotAnAdmin => "not_an_admin",
            Self::WrongAccount => "wrong_account",
            Self::BlockedByPolicy => "blocked_by_policy",
            Self::AppMisconfigured => "app_misconfigured",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a check ended before it had a result. Most are also the meaning of a code with which the token endpoint refuses *our*
/// client-credentials request for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// The tenant has no service principal for the app, or consented to nothing. Right after a consent this may be replication lag
    /// (protocol reference §4.6), so it is never final alone.
    NotGranted,
    /// The service principal is disabled, or the app is disabled everywhere (AADSTS7000112).
    Disabled,
    /// Microsoft refused our settings or our request: the operator needs to fix them.
    OperatorFault,
    /// Our own credential is unreadable, does not sign, or Microsoft refused it: the operator needs to fix it.
    OwnCredential,
    /// Microsoft refused our credential, but may accept another version of it, as during a rotation. A check tries the other versions
    /// first.
    StaleCredential,
    /// The tenant does not exist in this cloud (AADSTS90002, 900023).
    TenantNotFound,
    /// Microsoft blocks the tenant's directory: for abuse (AADSTS5000224) or inactivity (AADSTS5000225). Both can end, and neither says
    /// anything about the approval.
    TenantBlocked,
    /// A resource that the app needs is missing in the tenant (AADSTS500011, 650052). A check adds the resource that it asked for.
    ResourceMissing(Option<ResourceId>),
    /// The tenant has switched off a resource that the app needs (AADSTS500014).
    ResourceDisabled(Option<ResourceId>),
    /// A policy of the tenant forbids our check (AADSTS53003 for workload identities). This says nothing about the approval.
    BlockedByPolicy,
    /// Too many requests.
    Throttled,
    /// We requested the same too often for this tenant. Only time helps, and a retry makes it worse.
    LoopDetected,
    /// A transient error at Microsoft.
    Transient,
    /// A refusal with a code that we do not know, or with an unclear cause. Never success, never the tenant's fault.
    UnknownRefusal,
    /// The tenant has not approved the verifier, which is not the app in question. None of our apps can check.
    VerifierNotGranted,
    /// Microsoft sent no answer in time, or an unreadable one.
    NoAnswer,
}

impl Obstacle {
    /// A short stable name for logs and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotGranted => "not_granted",
            Self::Disabled => "disabled",
            Self::OperatorFault => "operator_fault",
            Self::OwnCredential => "operator_fault, of the credential",
            Self::StaleCredential => "operator_fault, once other versions of the credential were tried",
            Self::TenantNotFound => "tenant_not_found",
            Self::TenantBlocked => "tenant_blocked",
            Self::ResourceMissing(_) => "resource_missing",
            Self::ResourceDisabled(_) => "resource_disabled",
            Self::BlockedByPolicy => "blocked_by_policy",
            Self::Throttled => "throttled",
            Self::LoopDetected => "loop_detected",
            Self::Transient => "transient",
            Self::UnknownRefusal => "unknown",
            Self::VerifierNotGranted => "verifier_not_granted",
            Self::NoAnswer => "no_answer",
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) const fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::LoopDetected | Self::Transient)
    }
}

/// The channels through which Microsoft really sends a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A callback, or Microsoft's consent and sign-in pages.
    Callback,
    /// The token endpoint's answer to us.
    Token,
    /// Both.
    Both,
}

/// What the table says about a code, or about every code outside the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// `None` for a code outside the table.
    code: Option<AadstsCode>,
    /// The meaning in a callback.
    pub class: ErrorClass,
    /// The meaning as the token endpoint's answer to us.
    pub token: Obstacle,
    /// Who has to act next.
    pub(crate) owner: Owner,
    /// The channels through which Microsoft sends the code.
    pub place: Channel,
    key: &'static str,
}

impl Entry {
    /// The code; `None` for [`UNKNOWN`].
    pub(crate) const fn code(self) -> Option<AadstsCode> {
        self.code
    }

    /// The key of the row's texts.
    pub(crate) const fn key(self) -> &'static str {
        self.key
    }

    /// Whether a resource that the app needs is missing or switched off.
    pub(crate) const fn is_about_resource(self) -> bool {
        matches!(self.token, Obstacle::ResourceMissing(_) | Obstacle::ResourceDisabled(_))
    }
}

/// The entry of a code; [`UNKNOWN`] for a code that the table does not have.
#[must_use]
pub fn lookup(code: AadstsCode) -> Entry {
    known(code).unwrap_or(UNKNOWN)
}

fn known(code: AadstsCode) -> Option<Entry> {
    all_of(code).next()
}

/// AADSTS650051 has two entries, and [`says_too_many_permissions`] selects the last one.
fn all_of(code: AadstsCode) -> impl Iterator<Item = Entry> {
    let rows = TABLE.iter().filter(move |(_, codes)| codes.contains(&code.0));
    rows.map(move |(entry, _)| Entry { code: Some(code), ..*entry })
}

/// The entry of a code in a callback whose error has this class.
///
/// A callback never carries an answer about our own credential, because a browser's way to Microsoft and back does not use that credential.
/// A person typed such a code, or another program sent it. So the code means as little as a code outside the table, and no page calls it
/// our fault.
pub(crate) fn lookup_in_callback(code: AadstsCode, class: ErrorClass) -> Entry {
    let entry = all_of(code).find(|entry| entry.class == class).unwrap_or_else(|| lookup(code));
    if is_of_credential(entry.token) { UNKNOWN } else { entry }
}

/// The entry of a code that a person read on Microsoft's page.
pub(crate) fn lookup_on_page(code: AadstsCode) -> Entry {
    lookup_in_callback(code, lookup(code).class)
}

pub(crate) fn is_of_credential(token: Obstacle) -> bool {
    matches!(token, Obstacle::OwnCredential | Obstacle::StaleCredential)
}

/// Whether the text of AADSTS650051 says that the app has too many delegated permissions for an approval. Otherwise, Microsoft is still
/// adding the app.
pub(crate) fn says_too_many_permissions(text: &str) -> bool {
    text.contains("DelegationScope")
}

/// The meaning of a callback's error if Microsoft shows nothing.
///
/// 1. The code, if the table has it: Conditional Access arrives as `access_denied`, just as a cancel does (protocol reference §1.4). If the
///    code is about our own credential, neither the code nor the OAuth error is genuine.
/// 2. `error_subcode=cancel`, which reports a person's action.
/// 3. The OAuth error where it is specific. `access_denied` is specific only without a code.
pub(crate) fn class_of_error(error: &str, subcode: Option<&str>, code: Option<AadstsCode>, too_many_permissions: bool) -> ErrorClass {
    let entry = code.and_then(|code| if too_many_permissions { all_of(code).last() } else { known(code) });
    let is_of_credential = entry.is_some_and(|entry| is_of_credential(entry.token));
    if let Some(entry) = entry.filter(|_| !is_of_credential) {
        return entry.class;
    }
    if subcode == Some("cancel") {
        return ErrorClass::Declined;
    }
    match error {
        _ if is_of_credential => ErrorClass::Unknown,
        "access_denied" | "consent_required" | "permission_denied" if code.is_none() => ErrorClass::Declined,
        "invalid_scope"
        | "invalid_resource"
        | "invalid_client"
        | "unauthorized_client"
        | "invalid_request"
        | "invalid_tenant"
        | "invalid_instance"
        | "unsupported_response_type" => ErrorClass::AppMisconfigured,
        // Captured with 50076, multi-factor authentication: sign-in needs a further step that the tenant's policy requires.
        "interaction_required" => ErrorClass::BlockedByPolicy,
        // OpenID Connect Core §3.1.2.6: no account, or more than one, is signed in. The same as 50058.
        "login_required" | "account_selection_required" => ErrorClass::WrongAccount,
        // Includes `invalid_grant`: a device policy was captured with it (§1.4 C), so without a code it says nothing.
        _ => ErrorClass::Unknown,
    }
}

/// The meaning of a refusal by the token endpoint, and the code to record: the code that decided, or else the first code.
///
/// `codes` are the answer's `error_codes`, and `text` its `error_description`, which sometimes is the only place with a code. The first
/// code that the table has decides. If the table has none of them, `error` decides if it can. `invalid_client`, `unauthorized_client`,
/// `invalid_grant` and `interaction_required` each cover both our fault and the tenant's state (protocol reference §0.7, §2.2), so alone
/// they mean unknown. The HTTP status does not help: one code comes with several.
pub(crate) fn meaning_at_token_endpoint(codes: &[u64], text: &str, error: &str) -> (Obstacle, Option<AadstsCode>) {
    let sent = codes.iter().copied().filter_map(AadstsCode::from_number).chain(AadstsCode::all_in(text));
    let code = AadstsCode::first_known(sent);
    if let Some(entry) = code.and_then(known) {
        return (entry.token, code);
    }
    let meaning = match error {
        "invalid_request" | "invalid_scope" | "invalid_instance" | "unsupported_grant_type" => Obstacle::OperatorFault,
        "invalid_resource" => Obstacle::ResourceMissing(None),
        "invalid_tenant" => Obstacle::TenantNotFound,
        "consent_required" => Obstacle::NotGranted,
        "server_error" | "temporarily_unavailable" => Obstacle::Transient,
        _ => Obstacle::UnknownRefusal,
    };
    (meaning, code)
}

/// The entry of every code outside the table.
pub const UNKNOWN: Entry = row("unknown", ErrorClass::Unknown, Obstacle::UnknownRefusal, Owner::Operator, Channel::Both, &[]).0;

type Row = (Entry, &'static [u32]);
use {Channel as P, ErrorClass as C, Obstacle as M};

const fn row(key: &'static str, class: ErrorClass, token: Obstacle, owner: Owner, place: Channel, codes: &'static [u32]) -> Row {
    (Entry { code: None, class, token, owner, place, key }, codes)
}

/// The closed table: the codes with the same meaning and the same advice in one row. If only a person's sign-in can cause a code, the code
/// cannot concern our check, so its meaning for us is `UnknownRefusal`. The exception is a policy of the tenant, which has the same meaning
/// for our check.
///
/// The table omits AADSTS90135: only two programs read it as a cancel, and Microsoft documents it nowhere.
#[rustfmt::skip]
static TABLE: &[Row] = &[
    // Declined
    row("declined", C::Declined, M::UnknownRefusal, Owner::Admin, P::Callback, &[65004]),
    // NotAnAdmin
    row("role-too-low", C::NotAnAdmin, M::UnknownRefusal, Owner::Admin, P::Callback, &[90093]),
    row("admin-required", C::NotAnAdmin, M::UnknownRefusal, Owner::Admin, P::Callback, &[90094]),
    row("request-workflow", C::NotAnAdmin, M::UnknownRefusal, Owner::Admin, P::Callback, &[90095]),
    row("risky-app", C::NotAnAdmin, M::UnknownRefusal, Owner::Admin, P::Callback, &[900_941, 900_981]),
    // WrongAccount
    row("unknown-account", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[16000, 16003, 50020, 50034, 50197, 51004]),
    row("other-session", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[16001, 16002, 50143, 51006, 160_021]),
    row("federation", C::WrongAccount, M::UnknownRefusal, Owner::Admin, P::Callback, &[20001, 20012, 20033, 40008, 40009, 40015, 50006, 50008, 50107, 50130, 90123, 399_284, 5_000_819]),
    row("guest-invitation", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50014]),
    row("age", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50015, 54000]),
    row("certificate-sign-in", C::WrongAccount, M::UnknownRefusal, Owner::Admin, P::Callback, &[50017, 220_501]),
    row("locked-out", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50053]),
    row("password-expired", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50055, 50144]),
    row("password", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50056, 50064, 50126]),
    row("account-disabled", C::WrongAccount, M::UnknownRefusal, Owner::Admin, P::Callback, &[50057, 500_571]),
    row("no-session", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50058]),
    row("session-ended", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50132, 50133, 50173]),
    row("personal-account", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50136, 50139, 90027, 500_200, 500_201, 500_208]),
    row("windows-sign-in", C::WrongAccount, M::UnknownRefusal, Owner::Admin, P::Callback, &[50180, 81004, 81005, 81006, 81007, 81009, 81010, 81011]),
    row("client-certificate", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50192]),
    row("windows-account", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[81012]),
    row("external-account", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[90072]),
    row("password-change", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[120_000, 120_002, 120_003, 120_018]),
    row("password-change-help", C::WrongAccount, M::UnknownRefusal, Owner::Admin, P::Callback, &[120_004, 120_005, 120_008, 120_011, 120_012, 120_013, 120_014, 120_015, 120_016, 120_020, 120_021]),
    row("device-key", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Callback, &[130_004, 130_005, 130_006, 135_010]),
    row("account-kind", C::WrongAccount, M::UnknownRefusal, Owner::Visitor, P::Both, &[500_207]),
    // BlockedByPolicy
    row("network", C::BlockedByPolicy, M::UnknownRefusal, Owner::Admin, P::Callback, &[50002, 500_021, 500_022]),
    row("device", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Visitor, P::Callback, &[50005, 50097, 50099, 50129, 50155, 50187, 53000, 53001]),
    row("second-step-not-set-up", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Visitor, P::Callback, &[50072, 50079]),
    row("second-step", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Visitor, P::Callback, &[50074, 50076, 50078]),
    row("assignment", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[50105]),
    row("browser", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Visitor, P::Callback, &[50127, 53002, 53005, 53009]),
    row("conditional-access", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[50131]),
    row("conditional-access", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Both, &[53003]),
    row("new-password", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Visitor, P::Callback, &[50135, 50137, 50142]),
    row("extra-check", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Visitor, P::Callback, &[50158]),
    row("extra-check-broken", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[50159, 50161, 50170, 50172, 50176, 5_001_256]),
    row("guest-not-trusted", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[50177, 50178, 530_004]),
    row("account-risk", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[53004, 53011]),
    row("second-step-place", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[53010]),
    row("app-disabled", C::BlockedByPolicy, M::Disabled, Owner::Admin, P::Both, &[70001, 7_000_112]),
    row("sign-in-hours", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[80012]),
    row("device-removed", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[130_007, 130_008, 135_011, 700_003]),
    row("cross-tenant", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[500_212, 500_213, 1_000_104]),
    row("security-policy", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Callback, &[530_032, 530_035]),
    row("partner-risk", C::BlockedByPolicy, M::UnknownRefusal, Owner::Visitor, P::Callback, &[530_034]),
    row("app-unavailable", C::BlockedByPolicy, M::BlockedByPolicy, Owner::Admin, P::Both, &[1_000_031]),
    row("blocked-for-abuse", C::BlockedByPolicy, M::TenantBlocked, Owner::Admin, P::Both, &[5_000_224]),
    row("blocked-for-inactivity", C::BlockedByPolicy, M::TenantBlocked, Owner::Admin, P::Both, &[5_000_225]),
    // AppMisconfigured
    row("scope", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[28002, 28003, 1_002_012]),
    row("scope", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[28004]),
    row("scope", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Both, &[70011, 700_022]),
    row("resource-missing", C::AppMisconfigured, M::ResourceMissing(None), Owner::AppOwner, P::Both, &[50001, 500_011, 650_054]),
    row("return-address", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Callback, &[50011, 70004, 90102, 500_119]),
    row("assertion", C::AppMisconfigured, M::StaleCredential, Owner::Operator, P::Token, &[50012, 50013, 50027, 700_027, 700_030, 1_000_502, 7_000_214, 7_000_274, 7_000_277, 7_005_004]),
    row("assertion", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[50048]),
    row("authority", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[50049]),
    row("no-tenant", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Both, &[50059, 50128, 90019]),
    row("no-tenant", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[90124, 90130, 9_002_332]),
    row("no-tenant", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[9_001_023]),
    row("unusual-request", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[50171, 240_002, 7_000_110]),
    row("single-tenant", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Both, &[50194, 650_059]),
    row("microsoft-app", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[65002]),
    row("permission-list", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Callback, &[65005, 90008]),
    row("permission-list", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Both, &[650_057]),
    row("unpublished-permission", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Both, &[65006]),
    row("secret", C::AppMisconfigured, M::StaleCredential, Owner::Operator, P::Token, &[70002, 7_000_215]),
    row("request", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[70003, 90009, 90010]),
    row("request", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[70007, 90005]),
    row("request", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Both, &[90004, 90013, 90014, 90023, 90100, 90112, 90117, 90121, 900_144, 9_002_313]),
    row("response-type", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Callback, &[70005, 700_054]),
    row("federated-credential", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[70021, 70025, 700_211, 700_212, 700_213, 7_002_131]),
    row("tenant-not-found", C::AppMisconfigured, M::TenantNotFound, Owner::Operator, P::Both, &[90002, 900_023]),
    row("link-too-long", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[90015]),
    row("other-cloud", C::AppMisconfigured, M::TenantNotFound, Owner::Operator, P::Both, &[90038]),
    row("cloud", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Both, &[90051, 900_384, 900_439]),
    row("cloud", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[900_382, 900_432]),
    row("partner-centre", C::AppMisconfigured, M::NotGranted, Owner::Operator, P::Both, &[90099]),
    row("regional", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Token, &[100_007]),
    row("resource-disabled", C::AppMisconfigured, M::ResourceDisabled(None), Owner::Admin, P::Both, &[500_014]),
    row("no-return-address", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Callback, &[500_113, 900_971]),
    row("not-subscribed", C::AppMisconfigured, M::ResourceMissing(None), Owner::Admin, P::Both, &[650_052]),
    row("no-such-permission", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Callback, &[650_053]),
    row("registration-incomplete", C::AppMisconfigured, M::UnknownRefusal, Owner::AppOwner, P::Both, &[650_056]),
    row("assertion-app", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[700_021, 700_023]),
    row("assertion-time", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[700_024]),
    row("public-client", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[700_025, 7_000_216, 7_000_218]),
    row("entra-token", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[700_222, 700_229, 700_231]),
    row("federation-policy-likely", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[700_223, 700_238]),
    row("federation-policy", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[700_236, 7_002_381]),
    row("parameter", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[901_001, 901_002]),
    row("empty-permission-list", C::AppMisconfigured, M::OperatorFault, Owner::AppOwner, P::Callback, &[1_003_031]),
    row("secret-ended", C::AppMisconfigured, M::StaleCredential, Owner::Operator, P::Token, &[7_000_222, 7_005_003]),
    row("federation-revoked", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[7_005_005, 7_005_006]),
    row("audiences", C::AppMisconfigured, M::OwnCredential, Owner::Operator, P::Token, &[5_002_741]),
    // Unknown
    row("nothing-about-approval", C::Unknown, M::UnknownRefusal, Owner::Operator, P::Callback, &[1000, 50029, 50042, 50043, 51000, 165_004, 1_000_000, 1_000_002]),
    row("sign-in-service-slow", C::Unknown, M::UnknownRefusal, Owner::Admin, P::Callback, &[40010, 80001, 80002, 80005, 80007, 80010, 80013, 80014]),
    row("no-token", C::Unknown, M::UnknownRefusal, Owner::Microsoft, P::Both, &[50000]),
    row("transient", C::Unknown, M::Transient, Owner::Microsoft, P::Both, &[50033, 90006, 90012, 90024, 90033, 90036]),
    row("transient", C::Unknown, M::Transient, Owner::Microsoft, P::Callback, &[90085]),
    row("mfa-service", C::Unknown, M::UnknownRefusal, Owner::Microsoft, P::Callback, &[50086, 50087, 50088, 70012]),
    row("interrupted", C::Unknown, M::UnknownRefusal, Owner::Visitor, P::Callback, &[50089, 50125, 50140, 50150, 50157, 50160, 50168, 50199, 90007, 90101, 165_900, 220_450, 700_020]),
    row("extra-check-unreachable", C::Unknown, M::UnknownRefusal, Owner::Admin, P::Callback, &[50166]),
    row("loop", C::Unknown, M::LoopDetected, Owner::Operator, P::Both, &[50196]),
    row("no-approval", C::Unknown, M::NotGranted, Owner::Admin, P::Both, &[65001]),
    row("signed-proof", C::Unknown, M::UnknownRefusal, Owner::Operator, P::Token, &[90016]),
    row("throttled", C::Unknown, M::Throttled, Owner::Microsoft, P::Both, &[90055]),
    row("dead-end", C::Unknown, M::UnknownRefusal, Owner::Visitor, P::Callback, &[90056, 900_561]),
    row("not-stored", C::Unknown, M::Transient, Owner::Microsoft, P::Callback, &[90090, 90091]),
    row("not-processed", C::Unknown, M::UnknownRefusal, Owner::Admin, P::Callback, &[90092, 90097]),
    row("no-role", C::Unknown, M::NotGranted, Owner::Admin, P::Token, &[501_051]),
    row("still-adding", C::Unknown, M::Transient, Owner::Microsoft, P::Callback, &[650_051]),
    row("too-many-permissions", C::AppMisconfigured, M::OperatorFault, Owner::Operator, P::Callback, &[650_051]),
    row("no-service-principal", C::Unknown, M::NotGranted, Owner::Admin, P::Both, &[700_011]),
    row("no-service-principal", C::Unknown, M::NotGranted, Owner::Admin, P::Token, &[7_000_229]),
    row("no-client", C::Unknown, M::NotGranted, Owner::Admin, P::Both, &[700_016]),
    row("issuer-keys", C::Unknown, M::UnknownRefusal, Owner::Operator, P::Both, &[900_612]),
    row("on-behalf-of", C::Unknown, M::UnknownRefusal, Owner::Operator, P::Token, &[7_000_114]),
];

/// Every entry, for tests of the table and of its texts.
#[cfg(test)]
pub(crate) fn everything() -> impl Iterator<Item = Entry> {
    let of_row = |(entry, codes): &'static Row| codes.iter().map(|number| Entry { code: Some(AadstsCode(*number)), ..*entry });
    TABLE.iter().flat_map(of_row).chain([UNKNOWN])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use ErrorClass::*;

    /// Every code of Microsoft's published error reference (2024-04-24 and 2025-02) that a consent visitor or our token request can meet,
    /// and the codes of public reports.
    #[rustfmt::skip]
    const REFERENCE: &[u32] = &[
        1000, 16000, 16001, 16002, 16003, 20001, 20012, 20033, 28002, 28003, 28004, 40008, 40009, 40010, 40015, 50000, 50001, 50002,
        50005, 50006, 50008, 50011, 50012, 50013, 50014, 50015, 50017, 50020, 50027, 50029, 50033, 50034, 50042, 50043, 50048, 50049,
        50053, 50055, 50056, 50057, 50058, 50059, 50064, 50072, 50074, 50076, 50078, 50079, 50086, 50087, 50088, 50089, 50097, 50099,
        50105, 50107, 50125, 50126, 50127, 50128, 50129, 50130, 50131, 50132, 50133, 50135, 50136, 50137, 50139, 50140, 50142, 50143,
        50144, 50150, 50155, 50157, 50158, 50159, 50160, 50161, 50166, 50168, 50170, 50171, 50172, 50173, 50176, 50177, 50178, 50180,
        50187, 50192, 50194, 50196, 50197, 50199, 51000, 51004, 51006, 53000, 53001, 53002, 53003, 53004, 53005, 53009, 53010, 53011,
        54000, 65001, 65002, 65004, 65005, 65006, 70001, 70002, 70003, 70004, 70005, 70007, 70011, 70012, 70021, 70025, 80001, 80002,
        80005, 80007, 80010, 80012, 80013, 80014, 81004, 81005, 81006, 81007, 81009, 81010, 81011, 81012, 90002, 90004, 90005, 90006,
        90007, 90008, 90009, 90010, 90012, 90013, 90014, 90015, 90016, 90019, 90023, 90024, 90027, 90033, 90036, 90038, 90051, 90055,
        90056, 90072, 90085, 90090, 90091, 90092, 90093, 90094, 90095, 90097, 90099, 90100, 90101, 90102, 90112, 90117, 90121, 90123,
        90124, 90130, 100_007, 120_000, 120_002, 120_003, 120_004, 120_005, 120_008, 120_011, 120_012, 120_013, 120_014, 120_015, 120_016,
        120_018, 120_020, 120_021, 130_004, 130_005, 130_006, 130_007, 130_008, 135_010, 135_011, 160_021, 165_004, 165_900, 220_450,
        220_501, 240_002, 399_284, 500_011, 500_014, 500_021, 500_022, 500_113, 500_119, 500_200, 500_201, 500_207, 500_208, 500_212,
        500_213, 500_571, 501_051, 530_004, 530_032, 530_034, 530_035, 650_051, 650_052, 650_053, 650_054, 650_056, 650_057, 650_059,
        700_003, 700_011, 700_016, 700_020, 700_021, 700_022, 700_023, 700_024, 700_025, 700_027, 700_030, 700_054, 700_211, 700_212,
        700_213, 700_222, 700_223, 700_229, 700_231, 700_236, 700_238, 900_023, 900_144, 900_382, 900_384, 900_432, 900_439, 900_561,
        900_612, 900_941, 900_971, 900_981, 901_001, 901_002, 1_000_000, 1_000_002, 1_000_031, 1_000_104, 1_000_502, 1_002_012, 1_003_031,
        5_000_224, 5_000_225, 5_000_819, 5_001_256, 5_002_741, 7_000_110, 7_000_112, 7_000_114, 7_000_214, 7_000_215, 7_000_216,
        7_000_218, 7_000_222, 7_000_229, 7_000_274, 7_000_277, 7_002_131, 7_002_381, 7_005_003, 7_005_004, 7_005_005, 7_005_006,
        9_001_023, 9_002_313, 9_002_332,
    ];

    fn code(number: u32) -> AadstsCode {
        AadstsCode::from_number(number.into()).unwrap()
    }

    #[test]
    fn the_table_has_exactly_the_codes_of_the_reference() {
        let table: BTreeSet<u32> = TABLE.iter().flat_map(|(_, codes)| *codes).copied().collect();
        assert_eq!(table, REFERENCE.iter().copied().collect());
    }

    #[test]
    fn one_code_has_two_entries_and_no_other_does() {
        for number in REFERENCE {
            let classes: Vec<_> = all_of(code(*number)).map(|entry| entry.class).collect();
            assert_eq!(classes.len(), if *number == 650_051 { 2 } else { 1 }, "{number}");
        }
        assert_eq!(all_of(code(650_051)).map(|entry| entry.class).collect::<Vec<_>>(), [Unknown, AppMisconfigured]);
    }

    #[test]
    fn an_unknown_code_says_as_much_as_the_oauth_error() {
        for number in [1, 65003, 65007, 90135, 999_999, 7_999_999, u32::MAX] {
            assert_eq!(lookup(code(number)), UNKNOWN);
            let class = |error, subcode| class_of_error(error, subcode, Some(code(number)), false);
            for error in ["invalid_grant", "access_denied", "consent_required", "permission_denied", "server_error", ""] {
                assert_eq!(class(error, None), Unknown, "{error}");
                assert_eq!(class(error, Some("cancel")), Declined, "{error}");
            }
            assert_eq!(class("invalid_client", None), AppMisconfigured);
            assert_eq!(class("interaction_required", None), BlockedByPolicy);
            assert_eq!(class("login_required", None), WrongAccount);
            assert_eq!(meaning_at_token_endpoint(&[number.into()], "", "invalid_client"), (Obstacle::UnknownRefusal, Some(code(number))));
        }
        assert_eq!((UNKNOWN.class, UNKNOWN.token, UNKNOWN.owner), (Unknown, Obstacle::UnknownRefusal, Owner::Operator));
    }

    #[test]
    fn a_credential_code_in_a_callback_is_never_our_fault() {
        let mut count = 0;
        for entry in everything().filter(|entry| is_of_credential(entry.token)) {
            let code = entry.code.unwrap();
            assert_eq!(entry.place, Channel::Token, "{code}");
            for error in ["invalid_client", "unauthorized_client", "invalid_request", "access_denied", ""] {
                assert_eq!(class_of_error(error, None, Some(code), false), Unknown, "{code} {error}");
                assert_eq!(class_of_error(error, Some("cancel"), Some(code), false), Declined, "{code} {error}");
            }
            for class in [Declined, WrongAccount, AppMisconfigured, Unknown] {
                assert_eq!(lookup_in_callback(code, class), UNKNOWN, "{code}");
            }
            count += 1;
        }
        assert!(count > 30, "{count}");
    }

    #[test]
    fn what_a_callback_says_twice_is_told_apart_by_its_text() {
        let class = |text| class_of_error("access_denied", None, Some(code(650_051)), says_too_many_permissions(text));
        let race = "AADSTS650051: The application needs a service principal. The name is already present.";
        let limit = "AADSTS650051: Value length '14144' is out of the valid range of '1' to '8000' for property 'DelegationScope'.";
        assert_eq!((class(race), class(limit)), (Unknown, AppMisconfigured));
        assert_eq!(lookup_in_callback(code(650_051), Unknown).owner, Owner::Microsoft);
        assert_eq!(lookup_in_callback(code(650_051), AppMisconfigured).owner, Owner::Operator);
        assert_eq!(lookup(code(650_051)).class, Unknown);
        assert_eq!(class_of_error("access_denied", None, Some(code(65_004)), true), Declined);
    }

    #[test]
    fn class_and_token_meaning_agree() {
        for entry in everything() {
            match entry.token {
                Obstacle::OperatorFault
                | Obstacle::OwnCredential
                | Obstacle::StaleCredential
                | Obstacle::TenantNotFound
                | Obstacle::ResourceMissing(_)
                | Obstacle::ResourceDisabled(_) => {
                    assert_eq!(entry.class, AppMisconfigured, "{entry:?}");
                }
                Obstacle::BlockedByPolicy | Obstacle::Disabled | Obstacle::TenantBlocked => {
                    assert_eq!(entry.class, BlockedByPolicy, "{entry:?}");
                }
                Obstacle::Throttled | Obstacle::LoopDetected | Obstacle::Transient => {
                    assert_eq!(entry.class, Unknown, "{entry:?}");
                }
                Obstacle::NotGranted | Obstacle::UnknownRefusal => {}
                Obstacle::VerifierNotGranted | Obstacle::NoAnswer => panic!("no code says this: {entry:?}"),
            }
            // A refusal that a person's sign-in causes must not pass for an absence or for our fault.
            if matches!(entry.class, Declined | NotAnAdmin | WrongAccount) {
                assert_eq!(entry.token, Obstacle::UnknownRefusal, "{entry:?}");
            }
        }
    }

    #[test]
    fn a_code_in_a_callback_has_the_class_of_the_design() {
        let expected: &[(ErrorClass, &[u32])] = &[
            (Declined, &[65004]),
            (NotAnAdmin, &[90093, 90094, 90095, 900941, 900981]),
            (WrongAccount, &[50020, 500208, 50034, 51004, 16000, 90072, 50058, 50126, 50053, 50055, 50057, 500200, 500201, 16003]),
            (BlockedByPolicy, &[50074, 50076, 50079, 50072, 50078, 50097, 53000, 53001, 53002, 53003, 530032, 530035, 50158, 50005, 50131]),
            (BlockedByPolicy, &[50105, 7000112, 70001, 1000031, 530034, 5000224, 5000225, 500021, 500022, 50002, 1000104]),
            (
                AppMisconfigured,
                &[50011, 500113, 500119, 900971, 650052, 650053, 650054, 650056, 650057, 65005, 65002, 500011, 500014, 50194],
            ),
            (AppMisconfigured, &[65006, 50049, 28004, 650059, 1003031, 90002, 900023, 90015, 901001, 1002012, 70011, 9002313, 100007]),
            (Unknown, &[90090, 650051, 90033, 90024, 65001, 7000229, 700016, 50196, 90055, 900561, 1000]),
        ];
        for (class, codes) in expected {
            for number in *codes {
                for subcode in [None, Some("cancel")] {
                    assert_eq!(class_of_error("access_denied", subcode, Some(code(*number)), false), *class, "{number}");
                }
                assert_eq!(lookup_in_callback(code(*number), *class).class, *class, "{number}");
            }
        }
    }

    /// The error callbacks of protocol reference §1.4 (by letter) and of the sample callbacks (cb).
    #[test]
    fn documented_and_captured_error_callbacks_have_their_class() {
        type Reported = (&'static str, Option<&'static str>, Option<u32>);
        let table: &[(&str, Reported, ErrorClass)] = &[
            ("A, cb-16", ("access_denied", None, Some(65004)), Declined),
            ("B", ("access_denied", None, Some(50020)), WrongAccount),
            ("C", ("invalid_grant", None, Some(50097)), BlockedByPolicy),
            ("D, H", ("access_denied", Some("cancel"), None), Declined),
            ("E, cb-22", ("access_denied", Some("cancel"), Some(65004)), Declined),
            ("F, cb-19", ("consent_required", None, Some(65004)), Declined),
            ("G", ("permission_denied", None, None), Declined),
            ("cb-25", ("access_denied", None, Some(650_051)), Unknown),
            ("cb-31: its code 1 is unknown", ("server_error", Some("y"), Some(1)), Unknown),
            ("cb-34", ("invalid_client", None, Some(650_053)), AppMisconfigured),
            ("cb-37", ("invalid_resource", None, Some(500_011)), AppMisconfigured),
            ("cb-40", ("interaction_required", None, Some(50076)), BlockedByPolicy),
            ("cb-43", ("invalid_client", None, Some(650_057)), AppMisconfigured),
            ("Conditional Access as access_denied", ("access_denied", None, Some(53003)), BlockedByPolicy),
            ("a passing trouble as access_denied", ("access_denied", None, Some(90090)), Unknown),
        ];
        for (name, (error, subcode, number), class) in table {
            assert_eq!(class_of_error(error, *subcode, number.map(code), false), *class, "{name}");
        }
    }

    #[test]
    fn without_a_code_the_oauth_error_decides() {
        let table: &[(ErrorClass, &[&str])] = &[
            (Declined, &["access_denied", "consent_required", "permission_denied"]),
            (AppMisconfigured, &["invalid_scope", "invalid_resource", "invalid_client", "unauthorized_client", "invalid_request"]),
            (AppMisconfigured, &["unsupported_response_type", "invalid_tenant", "invalid_instance"]),
            (BlockedByPolicy, &["interaction_required"]),
            (WrongAccount, &["login_required", "account_selection_required"]),
            (Unknown, &["server_error", "temporarily_unavailable", "invalid_grant", "", "Access_Denied", "success", "none", "granted"]),
        ];
        for (class, errors) in table {
            for error in *errors {
                assert_eq!(class_of_error(error, None, None, false), *class, "{error}");
                assert_eq!(class_of_error(error, Some("other"), None, false), *class, "{error}");
                assert_eq!(class_of_error(error, Some("cancel"), None, false), Declined, "{error}");
            }
        }
    }

    /// The refusals of the sample upstream answers (tok), and the further codes of protocol reference §2.2.
    #[test]
    fn refusals_by_the_token_endpoint_have_their_meaning() {
        use Obstacle::*;
        let settings = OperatorFault;
        let credential = StaleCredential;
        let way = OwnCredential;
        let table: &[(&str, &[u64], &str, Obstacle)] = &[
            ("tok-01", &[700_016], "unauthorized_client", NotGranted),
            ("tok-04", &[7_000_215], "invalid_client", credential),
            ("tok-07", &[700_024], "invalid_client", way),
            ("tok-10", &[900_023], "invalid_request", TenantNotFound),
            ("tok-13", &[50196], "invalid_grant", LoopDetected),
            ("tok-16", &[1_002_012], "invalid_scope", settings),
            ("tok-19", &[65001], "invalid_grant", NotGranted),
            ("service principal missing", &[7_000_229], "invalid_client", NotGranted),
            ("disabled", &[7_000_112], "unauthorized_client", Disabled),
            ("expired secret", &[7_000_222], "invalid_client", credential),
            ("unregistered certificate", &[700_027], "invalid_client", credential),
            ("certificate that has ended or not begun", &[1_000_502], "invalid_client", credential),
            ("signature or certificate out of its time: sources differ", &[7_000_274], "invalid_client", credential),
            ("certificate that its issuer revoked", &[7_000_214], "invalid_client", credential),
            ("the same, as it is said elsewhere", &[7_000_277], "invalid_client", credential),
            ("secret that was revoked", &[7_005_003], "invalid_client", credential),
            ("key that was revoked", &[7_005_004], "invalid_client", credential),
            ("federated credential that was revoked", &[7_005_005], "invalid_client", way),
            ("assertion of another app", &[700_021], "invalid_client", way),
            ("assertion for another authority", &[700_023], "invalid_client", way),
            ("no credential", &[7_000_216], "invalid_client", way),
            ("no such tenant, one way", &[90002], "invalid_request", TenantNotFound),
            ("no such tenant, another way", &[90002], "invalid_tenant", TenantNotFound),
            ("another cloud", &[90038], "invalid_request", TenantNotFound),
            ("blocked for abuse", &[5_000_224], "invalid_request", TenantBlocked),
            ("switched-off resource", &[500_014], "invalid_resource", ResourceDisabled(None)),
            ("policy of our own tenant", &[700_223], "invalid_client", way),
            ("the same by its issuer", &[700_238], "invalid_client", way),
            ("regional address", &[100_007], "invalid_request", settings),
            ("legacy secret", &[70002, 50012], "invalid_client", credential),
            ("subject and issuer differ", &[50048], "invalid_client", way),
            ("blocked for inactivity", &[5_000_225], "invalid_request", TenantBlocked),
            ("unknown authority", &[50049], "invalid_instance", settings),
            ("permission that its resource does not publish", &[65006], "invalid_grant", settings),
            ("resource not found", &[500_011], "invalid_resource", ResourceMissing(None)),
            ("no subscription", &[650_052], "invalid_grant", ResourceMissing(None)),
            ("workload identity policy", &[53003], "invalid_grant", BlockedByPolicy),
            ("throttled", &[90055], "temporarily_unavailable", Throttled),
            ("directory away", &[90033], "temporarily_unavailable", Transient),
            ("provisioning race", &[650_051], "invalid_grant", Transient),
            ("federated credential missing", &[70021], "invalid_client", way),
            ("a person's refusal", &[65004], "access_denied", UnknownRefusal),
        ];
        for (name, codes, error, meaning) in table {
            let number = u32::try_from(codes[0]).unwrap();
            assert_eq!(meaning_at_token_endpoint(codes, "", error), (*meaning, Some(code(number))), "{name}");
        }
    }

    #[test]
    fn the_first_known_code_decides_and_the_first_one_sent_is_recorded_otherwise() {
        use Obstacle::*;
        assert_eq!(meaning_at_token_endpoint(&[999, 7_000_229, 7_000_215], "", "invalid_client"), (NotGranted, Some(code(7_000_229))));
        assert_eq!(meaning_at_token_endpoint(&[7_000_112, 7_000_229], "", "x"), (Disabled, Some(code(7_000_112))));
        assert_eq!(
            meaning_at_token_endpoint(&[0, u64::MAX, 4_294_967_296 + 700_016, 999], "", "server_error"),
            (Transient, Some(code(999)))
        );
        assert_eq!(meaning_at_token_endpoint(&[0, u64::MAX], "", "invalid_client"), (UnknownRefusal, None));
        let only_in_the_text = "AADSTS999: x. AADSTS7000229: The client application is missing service principal.";
        assert_eq!(meaning_at_token_endpoint(&[], only_in_the_text, "invalid_client"), (NotGranted, Some(code(7_000_229))));
        assert_eq!(meaning_at_token_endpoint(&[7_000_112], only_in_the_text, "x"), (Disabled, Some(code(7_000_112))));
        assert_eq!(meaning_at_token_endpoint(&[888], only_in_the_text, "x"), (NotGranted, Some(code(7_000_229))));
    }

    #[test]
    fn an_oauth_error_alone_says_no_more_than_it_can() {
        use Obstacle::*;
        let table: &[(Obstacle, &[&str])] = &[
            (UnknownRefusal, &["invalid_client", "unauthorized_client", "invalid_grant", "interaction_required", "access_denied", "", "x"]),
            (OperatorFault, &["invalid_request", "invalid_scope", "invalid_instance", "unsupported_grant_type"]),
            (ResourceMissing(None), &["invalid_resource"]),
            (TenantNotFound, &["invalid_tenant"]),
            (NotGranted, &["consent_required"]),
            (Transient, &["server_error", "temporarily_unavailable"]),
        ];
        for (meaning, errors) in table {
            for error in *errors {
                assert_eq!(meaning_at_token_endpoint(&[], "", error), (*meaning, None), "{error}");
                assert_eq!(meaning_at_token_endpoint(&[999_999], "", error), (*meaning, Some(code(999_999))), "{error}");
            }
        }
    }

    #[test]
    fn only_one_spelling_of_a_code_is_read() {
        for number in ["1", "65004", "7002131", "4294967295"] {
            let text = format!("AADSTS{number}");
            assert_eq!(AadstsCode::parse(&text).unwrap().to_string(), text);
            assert_eq!(AadstsCode::from_digits(number), text.parse().ok());
        }
        for bad in ["", "0", "065004", "4294967296", "9999999999", "10000000000", "+65004", "-1", "65004 ", "６５００４", "0x1", "65_004"]
        {
            assert_eq!(AadstsCode::from_digits(bad), None, "{bad:?}");
            assert_eq!(AadstsCode::parse(&format!("AADSTS{bad}")), Err(NotAnAadstsCode), "{bad:?}");
        }
        for bad in ["65004", "aadsts65004", "AADSTS 65004", "AADSTS65004:", " AADSTS65004", "AADSTSAADSTS1"] {
            assert_eq!(AadstsCode::parse(bad), Err(NotAnAadstsCode), "{bad:?}");
        }
    }

    #[test]
    fn a_code_is_a_number_in_json() {
        assert_eq!(serde_json::to_string(&code(65004)).unwrap(), "65004");
        assert_eq!(serde_json::from_str::<AadstsCode>("65004").unwrap(), code(65004));
        for bad in ["0", "-1", "4294967296", "1.5", "\"65004\"", "null"] {
            assert!(serde_json::from_str::<AadstsCode>(bad).is_err(), "{bad}");
        }
    }
}
