//! Microsoft's AADSTS codes: the meaning of each in a callback, its meaning as the token endpoint's answer to *us*, and our words for
//! people.
//!
//! Microsoft asks programs to branch on the OAuth `error`, because the numbers may change. We need the numbers anyway: one OAuth error
//! covers both our fault and the tenant's (protocol reference §0.7). So this table is closed, and a code outside it is *unknown*: never a
//! success, never the tenant's fault.
//!
//! Codes and meanings come from protocol reference §2. The table adds `1002012`, the codes of credentials that ended, were revoked or do
//! not fit, and some from Microsoft's published error reference and from public reports. `UPDATE_DOCS=1 cargo test aadsts` writes
//! `docs/aadsts.md` from this table.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::ids::ResourceId;
use super::owner::Owner;

/// The number of an AADSTS code. A number in JSON, as in Microsoft's `error_codes`; people see `AADSTS65004`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AadstsCode(u32);

/// A text or number that is not an AADSTS code. The error omits the input, because it may come from a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an AADSTS code: a number from 1 to 4294967295, written without leading zeros")]
pub struct NotAnAadstsCode;

impl AadstsCode {
    /// Parses digits only: 1 to 10 of them, no sign, no leading zero, at most `u32::MAX` (Microsoft's codes have at most 7 digits).
    #[must_use]
    pub fn from_digits(digits: &str) -> Option<Self> {
        let fits = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if fits { digits.parse().ok().map(Self) } else { None }
    }

    /// The number right after the first `label` that has one.
    #[must_use]
    pub fn behind(label: &str, text: &str) -> Option<Self> {
        text.match_indices(label).find_map(|(at, _)| {
            let rest = text.get(at + label.len()..)?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            Self::from_digits(rest.get(..digits)?)
        })
    }

    /// The first code in a text, such as a description or the output of a program.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::behind("AADSTS", text)
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

/// The meaning of a callback's error if Microsoft shows nothing (design, section 4). A callback is a claim: the class decides the outcome
/// only if Graph shows nothing better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// A person pressed Cancel, or sent a request for approval: Microsoft uses one code for both.
    Declined,
    /// The account belongs to the tenant, but may not approve.
    NotAnAdmin,
    /// The account belongs elsewhere, or could not sign in.
    WrongAccount,
    /// A policy or setting of the tenant stopped it.
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
    /// Microsoft refused our credential, and may accept another version of it, as during a rotation. A check tries those first.
    StaleCredential,
    /// The tenant does not exist in this cloud (AADSTS90002, 900023).
    TenantNotFound,
    /// The tenant does not exist any more (AADSTS5000224).
    TenantGone,
    /// Microsoft blocks the tenant's directory for now (AADSTS5000225). This says nothing about the approval.
    TenantBlocked,
    /// A resource that the app needs is missing or disabled in the tenant (AADSTS500011, 650052). A check knows which one it asked for.
    ResourceMissing(Option<ResourceId>),
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
    /// The tenant has not approved the verifier, which is another app than the one in question. None of our apps can check.
    VerifierNotGranted,
    /// No answer in time, or an unreadable one.
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
            Self::TenantGone => "tenant_gone",
            Self::TenantBlocked => "tenant_blocked",
            Self::ResourceMissing(_) => "resource_missing",
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
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::LoopDetected | Self::Transient)
    }
}

/// The entry of a group of codes with the same meaning for people. Pages show the number next to the words, not in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Empty for the entry of unknown codes.
    pub codes: &'static [u32],
    /// The meaning in a callback.
    pub class: ErrorClass,
    /// The meaning as the token endpoint's answer to us.
    pub token: Obstacle,
    /// One neutral sentence for the tenant's administrator. "We" is the operator, who sent the link.
    pub admin: &'static str,
    /// One next step, from the administrator's point of view.
    pub next: &'static str,
    /// Who has to act next.
    pub mover: Owner,
    /// One line for the operator.
    pub msp: &'static str,
}

/// The entry of a code; [`UNKNOWN`] for a code that the table does not have.
#[must_use]
pub fn lookup(code: AadstsCode) -> &'static Entry {
    known(code).unwrap_or(&UNKNOWN)
}

fn known(code: AadstsCode) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.codes.contains(&code.0))
}

/// The meaning of a callback's error if Microsoft shows nothing.
///
/// First, the code decides if the table has it: Conditional Access arrives as `access_denied`, just as a cancel does (protocol reference
/// §1.4). Next comes `error_subcode=cancel`, which reports a person's action. A code outside the table then means unknown, because its
/// OAuth error is too coarse. The OAuth error decides only if there is no code.
#[must_use]
pub fn class_of_error(error: &str, subcode: Option<&str>, code: Option<AadstsCode>) -> ErrorClass {
    if let Some(entry) = code.and_then(known) {
        return entry.class;
    }
    if subcode == Some("cancel") {
        return ErrorClass::Declined;
    }
    if code.is_some() {
        return ErrorClass::Unknown;
    }
    match error {
        "access_denied" | "consent_required" | "permission_denied" => ErrorClass::Declined,
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

/// The meaning of a refusal by the token endpoint, and the code to record: the one that decided, else the first one.
///
/// `codes` are the answer's `error_codes`; the first one in the table decides. Without one, `error` decides if it can. `invalid_client`,
/// `unauthorized_client`, `invalid_grant` and `interaction_required` each cover both our fault and the tenant's state (protocol reference
/// §0.7, §2.2), so alone they mean unknown. The HTTP status does not help: one code comes with several.
#[must_use]
pub fn meaning_at_token_endpoint(codes: &[u64], error: &str) -> (Obstacle, Option<AadstsCode>) {
    let sent = || codes.iter().copied().filter_map(AadstsCode::from_number);
    if let Some((code, entry)) = sent().find_map(|code| Some((code, known(code)?))) {
        return (entry.token, Some(code));
    }
    let meaning = match error {
        "invalid_request" | "invalid_scope" | "invalid_instance" | "unsupported_grant_type" => Obstacle::OperatorFault,
        "invalid_resource" => Obstacle::ResourceMissing(None),
        "invalid_tenant" => Obstacle::TenantNotFound,
        "consent_required" => Obstacle::NotGranted,
        "server_error" | "temporarily_unavailable" => Obstacle::Transient,
        _ => Obstacle::UnknownRefusal,
    };
    (meaning, sent().next())
}

const OUR_FAULT: Obstacle = Obstacle::OperatorFault;
const OUR_CREDENTIAL: Obstacle = Obstacle::StaleCredential;
const OUR_WAY_OF_SIGNING_IN: Obstacle = Obstacle::OwnCredential;

/// The entry of every code outside the table.
pub static UNKNOWN: Entry = Entry {
    codes: &[],
    class: ErrorClass::Unknown,
    token: Obstacle::UnknownRefusal,
    admin: "Microsoft reported something that we do not recognise.",
    next: "Open the link again; if it happens again, send us the code and the time.",
    mover: Owner::Operator,
    msp: "A code that is not in the table. Look it up at login.microsoftonline.com/error and in the tenant's sign-in log.",
};

/// The closed table. If only a person's sign-in can cause a code, its `token` is `UnknownRefusal`, because it cannot concern our check. The
/// exception is a policy of the tenant, which has the same meaning for our check.
pub static TABLE: &[Entry] = &[
    Entry {
        codes: &[65004],
        class: ErrorClass::Declined,
        token: Obstacle::UnknownRefusal,
        admin: "The approval was not given, or it was passed on as a request for approval.",
        next: "If you meant to approve, open the link again and choose Accept.",
        mover: Owner::Admin,
        msp: "Declined, or sent for approval in the tenant: Microsoft uses one code for both.",
    },
    Entry {
        codes: &[65001],
        class: ErrorClass::Unknown,
        token: Obstacle::NotGranted,
        admin: "Microsoft has no approval for this app in your organisation yet.",
        next: "If you have just approved it, wait a minute and check again; otherwise open the link and approve.",
        mover: Owner::Admin,
        msp: "No consent on record. Normal for a minute or so after a consent; otherwise the app is not approved.",
    },
    Entry {
        codes: &[7000229, 700016, 700011],
        class: ErrorClass::Unknown,
        token: Obstacle::NotGranted,
        admin: "Microsoft does not find this app in your organisation yet.",
        next: "If you have just approved it, wait a minute and check again; otherwise open the link and approve.",
        mover: Owner::Admin,
        msp: "No service principal in the tenant: not approved, deleted, or not replicated yet. Check the client id if all tenants say so.",
    },
    Entry {
        codes: &[650051],
        class: ErrorClass::Unknown,
        token: Obstacle::Transient,
        admin: "Microsoft was still adding the app to your organisation; the approval may have worked.",
        next: "Wait a minute and check again; open the link once more only if the approval is still missing.",
        mover: Owner::Microsoft,
        msp: "The service principal exists already or is being created; often the consent worked. Unmanaged tenants need an admin takeover.",
    },
    // Accounts that may not approve.
    Entry {
        codes: &[90094],
        class: ErrorClass::NotAnAdmin,
        token: Obstacle::UnknownRefusal,
        admin: "This approval needs an administrator of your organisation.",
        next: "Open the link with an administrator account, or pass it on to your administrator.",
        mover: Owner::Admin,
        msp: "Admin consent is required and the account could not give it.",
    },
    Entry {
        codes: &[90095],
        class: ErrorClass::NotAnAdmin,
        token: Obstacle::UnknownRefusal,
        admin: "This approval needs an administrator; Microsoft offered to send a request to one.",
        next: "An administrator can approve the request in the Entra admin centre, or open the link.",
        mover: Owner::Admin,
        msp: "A user met the admin consent workflow. A request may be waiting for a reviewer in the tenant.",
    },
    Entry {
        codes: &[90093],
        class: ErrorClass::NotAnAdmin,
        token: Obstacle::UnknownRefusal,
        admin: "This account is not allowed to give the approval that the app asks for.",
        next: "Open the link with a Privileged Role Administrator or Global Administrator account.",
        mover: Owner::Admin,
        msp: "The role does not suffice, or a policy forbids it. Graph application permissions need a Privileged Role or Global Administrator.",
    },
    Entry {
        codes: &[900941, 900981],
        class: ErrorClass::NotAnAdmin,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft wants an administrator to look closely at this app before it is approved.",
        next: "Ask an administrator to review the app and its publisher, and then to approve it.",
        mover: Owner::Admin,
        msp: "Microsoft's risk check asks for an administrator's review. A verified publisher on the registration usually ends this.",
    },
    // Accounts that belong elsewhere, or could not sign in.
    Entry {
        codes: &[50020],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "You were signed in with an account of another organisation, or a personal one.",
        next: "Open the link in a private window and sign in with your organisation's administrator account.",
        mover: Owner::Visitor,
        msp: "Signed in with an account from another directory. The same link can be used again.",
    },
    Entry {
        codes: &[16000, 50034, 51004],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft does not know the account that was used in your organisation.",
        next: "Open the link in a private window and sign in with your organisation's administrator account.",
        mover: Owner::Visitor,
        msp: "The account does not exist in the tenant the link is for. The same link can be used again.",
    },
    Entry {
        codes: &[500208],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "This kind of account, for example a personal Microsoft account, does not fit your organisation.",
        next: "Open the link in a private window and sign in with your work account, not a personal Microsoft account.",
        mover: Owner::Visitor,
        msp: "A personal Microsoft account was used. The same link works again with a work account.",
    },
    Entry {
        codes: &[90072],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "The account belongs to another organisation and cannot pass your organisation's sign-in check.",
        next: "Sign in with an account of your own organisation, or have this one added as a guest.",
        mover: Owner::Visitor,
        msp: "An external account cannot satisfy multi-factor authentication in the tenant. Use one of its own administrators.",
    },
    Entry {
        codes: &[50058],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft found nobody signed in.",
        next: "Open the link again and sign in with an administrator account when Microsoft asks.",
        mover: Owner::Visitor,
        msp: "No session at Microsoft, often because of blocked cookies. The same link can be used again.",
    },
    Entry {
        codes: &[50126],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft did not accept the user name or password.",
        next: "Open the link again and sign in once more.",
        mover: Owner::Visitor,
        msp: "User name or password was not accepted. Nothing is wrong with the link.",
    },
    Entry {
        codes: &[50053],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft has locked this account for a while, or does not accept sign-ins from this network.",
        next: "Wait a while and open the link again, or use another administrator account.",
        mover: Owner::Visitor,
        msp: "Smart lockout, or an address with a bad reputation. The tenant's sign-in log tells which.",
    },
    Entry {
        codes: &[50055],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "The password of this account has expired.",
        next: "Set a new password, then open the link again.",
        mover: Owner::Visitor,
        msp: "The administrator's password has expired. The same link can be used again.",
    },
    Entry {
        codes: &[50057],
        class: ErrorClass::WrongAccount,
        token: Obstacle::UnknownRefusal,
        admin: "This account is switched off in your organisation.",
        next: "Open the link with another administrator account, or have this one switched on.",
        mover: Owner::Admin,
        msp: "The user account is disabled in the tenant. Another administrator can use the same link.",
    },
    // Policies and settings of the tenant.
    Entry {
        codes: &[50074, 50076, 50078],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "Your organisation asks for a second sign-in step, and it was not completed.",
        next: "Open the link again and complete the second step, for example in your authenticator app.",
        mover: Owner::Visitor,
        msp: "Multi-factor authentication was asked for and not completed. The same link can be used again.",
    },
    Entry {
        codes: &[50072, 50079],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "Your organisation asks for a second sign-in step, and this account has none set up yet.",
        next: "Set one up at aka.ms/mfasetup, then open the link again.",
        mover: Owner::Visitor,
        msp: "The account must first register for multi-factor authentication. The same link can be used again.",
    },
    Entry {
        codes: &[50158],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "Your organisation uses a further security check outside Microsoft, and it was not completed.",
        next: "Open the link again and complete that check.",
        mover: Owner::Visitor,
        msp: "An external security challenge (another MFA provider or terms of use) was not satisfied.",
    },
    Entry {
        codes: &[50005, 50097, 53000, 53001],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "Your organisation allows this only from a device that it manages.",
        next: "Open the link on a device managed by your organisation, or ask who manages your sign-in rules.",
        mover: Owner::Visitor,
        msp: "Conditional Access wants a managed or compliant device. On phones and Macs 50097 comes even from report-only policies.",
    },
    Entry {
        codes: &[53002],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "Your organisation allows this only from certain apps or browsers.",
        next: "Open the link in a browser that your organisation has approved, such as Microsoft Edge.",
        mover: Owner::Visitor,
        msp: "Conditional Access wants an approved client app. The same link can be used again.",
    },
    Entry {
        codes: &[50131, 53003],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "A sign-in rule of your organisation (Conditional Access) did not let this through.",
        next: "Ask whoever manages your sign-in rules to allow this app, then open the link again.",
        mover: Owner::Admin,
        msp: "Blocked by Conditional Access. At the token endpoint: a policy for workload identities, so we may not look.",
    },
    Entry {
        codes: &[530032, 530035],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "A security setting of your whole organisation did not let this through.",
        next: "Ask whoever manages your organisation's security settings, then open the link again.",
        mover: Owner::Admin,
        msp: "Blocked by a tenant-wide security policy or by security defaults.",
    },
    Entry {
        codes: &[530034],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft has blocked the partner account that was used, because of a risk in the partner's organisation.",
        next: "Sign in with an account of this organisation: the partner account that was used is blocked for risk.",
        mover: Owner::Visitor,
        msp: "A delegated administrator (GDAP: usually YOUR technician) is blocked for account risk at home. The customer's policies are not the cause.",
    },
    Entry {
        codes: &[5000225],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::TenantBlocked,
        admin: "Microsoft has blocked your organisation's directory because it was not in use.",
        next: "Ask Microsoft support to reactivate your directory: 20 days after the block it is deleted.",
        mover: Owner::Admin,
        msp: "Blocked for inactivity. The customer can have it reactivated within 20 days. Ask seldom, keep the case open.",
    },
    Entry {
        codes: &[50105],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "In your organisation this app can be used only by people who are assigned to it.",
        next: "Assign this account to the app under Enterprise applications, then open the link again.",
        mover: Owner::Admin,
        msp: "The enterprise app requires assignment and the user has none. Admin consent does not change that.",
    },
    Entry {
        codes: &[7000112, 70001],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::Disabled,
        admin: "This app is switched off in your organisation, or by its publisher.",
        next: "Under Enterprise applications, open the app and set \"Enabled for users to sign in\" to Yes.",
        mover: Owner::Admin,
        msp: "The app or its service principal is disabled. A denied approval request does this too.",
    },
    Entry {
        codes: &[1000031],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "Microsoft does not let this app be used in your organisation at this time.",
        next: "Check the app under Enterprise applications, then open the link again.",
        mover: Owner::Admin,
        msp: "The app cannot be accessed at this time; Microsoft refers to the tenant's administrator.",
    },
    Entry {
        codes: &[700223, 700238],
        class: ErrorClass::BlockedByPolicy,
        token: Obstacle::BlockedByPolicy,
        admin: "A rule of your organisation does not accept the way in which we sign in to check.",
        next: "Ask whoever manages your app rules to allow workload identity federation for this app.",
        mover: Owner::Admin,
        msp: "A tenant policy disallows workload identity federation. Use a certificate, or have the policy changed.",
    },
    // A service that the app needs.
    Entry {
        codes: &[650052],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::ResourceMissing(None),
        admin: "The app needs a Microsoft service that your organisation has not subscribed to or switched on.",
        next: "Check that your organisation has a licence for the service, then open the link again.",
        mover: Owner::Admin,
        msp: "The tenant has no service principal or subscription for an API that the app asks for.",
    },
    Entry {
        codes: &[500014],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::ResourceMissing(None),
        admin: "A Microsoft service that the app needs is switched off in your organisation.",
        next: "Check whether the subscription has lapsed, or switch the service on under Enterprise applications.",
        mover: Owner::Admin,
        msp: "The resource's service principal is disabled in the tenant: a lapsed subscription, or disabled by an administrator.",
    },
    Entry {
        codes: &[50001, 500011, 650054],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::ResourceMissing(None),
        admin: "The app asks for a service that Microsoft does not find in your organisation.",
        next: "If your organisation should have the service, tell us; otherwise the app's owner has to act.",
        mover: Owner::AppOwner,
        msp: "The resource does not exist or is disabled in the tenant, or the registration names a wrong one.",
    },
    // The app's registration.
    Entry {
        codes: &[65005, 650057, 90008],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The app asks for something that its own registration at Microsoft does not list.",
        next: "Nothing for you to do: the app's owner has to correct the registration.",
        mover: Owner::AppOwner,
        msp: "Mend requiredResourceAccess: at least User.Read, and every resource the link or request names. 65005: or the tenant lacks one.",
    },
    Entry {
        codes: &[65006],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "A service does not offer a permission that the app's registration lists.",
        next: "Nothing for you to do: the app's owner needs to fix the app's list of permissions.",
        mover: Owner::AppOwner,
        msp: "The registration lists a permission id that the API does not publish in this tenant: wrong id, or an API not (fully) licensed there.",
    },
    Entry {
        // One code covers our list of permissions, the tenant's consent and our certificate, so we can name no owner.
        codes: &[650056],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft finds the app's registration incomplete, or has no approval for it.",
        next: "Open the link again; if the same code comes back, tell us.",
        mover: Owner::AppOwner,
        msp: "No permissions listed in the registration, no consent in the tenant, or a wrong id or certificate: Microsoft does not say which.",
    },
    Entry {
        codes: &[650053],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The link asks for a permission that does not exist.",
        next: "Nothing for you to do: the permissions that the link asks for have to be corrected.",
        mover: Owner::AppOwner,
        msp: "A scope does not exist on its resource. Names without a resource are looked for on Microsoft Graph.",
    },
    Entry {
        codes: &[50011, 500119],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The link names a return address that is not registered for the app.",
        next: "Nothing for you to do: the return address has to be registered first.",
        mover: Owner::AppOwner,
        msp: "Register the exact redirect URI (https, no urn:) on the application object, then wait some minutes.",
    },
    Entry {
        codes: &[500113, 900971],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "Microsoft knows no return address for the app; the approval itself may have been recorded.",
        next: "Nothing for you to do: we check whether the approval has arrived.",
        mover: Owner::AppOwner,
        msp: "No reply address registered or sent. Often the grant is stored all the same: verify, then register the redirect URI.",
    },
    Entry {
        codes: &[50194],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The app is registered for one organisation only, and that is not yours.",
        next: "Nothing for you to do: the app's owner has to open it to other organisations.",
        mover: Owner::AppOwner,
        msp: "A single-tenant app was used beyond its tenant. Make the registration multitenant.",
    },
    // Our link and our settings.
    Entry {
        codes: &[65002],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The link uses an app of Microsoft's own that cannot be approved this way.",
        next: "Nothing for you to do: we have to use another app.",
        mover: Owner::Operator,
        msp: "The client id belongs to Microsoft (first-party pre-authorisation). Use a registration of your own.",
    },
    Entry {
        codes: &[901001],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The link has a form that Microsoft no longer accepts.",
        next: "Nothing for you to do: we have to send a new link.",
        mover: Owner::Operator,
        msp: "prompt=admin_consent is refused by the v2 authorize endpoint. Use /adminconsent, or the v1 endpoint.",
    },
    Entry {
        codes: &[50059, 50128],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The link does not tell Microsoft which organisation it is for.",
        next: "Nothing for you to do: we have to send a new link.",
        mover: Owner::Operator,
        msp: "No tenant in the authority. Put the tenant's id into the address.",
    },
    Entry {
        codes: &[90015],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The link is longer than Microsoft accepts.",
        next: "Nothing for you to do: we have to send a shorter link.",
        mover: Owner::Operator,
        msp: "The query string is too long. Shorten label, reference or scope.",
    },
    Entry {
        codes: &[28002, 28003, 70011, 1002012],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "Microsoft did not accept the list of permissions that was asked for.",
        next: "Nothing for you to do: we have to correct our settings.",
        mover: Owner::Operator,
        msp: "The scope is empty or invalid. Client credentials take one resource followed by /.default.",
    },
    Entry {
        codes: &[90009, 90013, 90014, 90023, 90100, 240002, 900144, 9001023, 9002313],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "Microsoft did not accept the form of our request.",
        next: "Nothing for you to do: we have to correct it.",
        mover: Owner::Operator,
        msp: "The request was malformed, incomplete or sent to the wrong endpoint: our settings or a fault of this program.",
    },
    Entry {
        codes: &[90002, 900023],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::TenantNotFound,
        admin: "Microsoft does not find the organisation that the link was made for.",
        next: "Nothing for you to do: we have to send a new link.",
        mover: Owner::Operator,
        msp: "No such tenant in this cloud. Check the tenant id and the cloud of the app profile.",
    },
    Entry {
        codes: &[90038],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::TenantNotFound,
        admin: "Your organisation is in another Microsoft cloud than the link was made for.",
        next: "Nothing for you to do: we have to send a link for your cloud.",
        mover: Owner::Operator,
        msp: "The tenant lives in a national cloud. Use an app profile, and a registration, of that cloud.",
    },
    Entry {
        codes: &[900382, 900432, 900439],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "The app is registered in another Microsoft cloud than the one that was asked.",
        next: "Nothing for you to do: we have to correct our settings.",
        mover: Owner::Operator,
        msp: "App and endpoint are in different clouds. Set the cloud of the app profile to that of its registration.",
    },
    Entry {
        codes: &[50049],
        class: ErrorClass::AppMisconfigured,
        token: OUR_FAULT,
        admin: "Microsoft's sign-in service does not know the address that we asked.",
        next: "Nothing for you to do: we have to correct our settings.",
        mover: Owner::Operator,
        msp: "The authority or cloud of the configuration is wrong (invalid_instance).",
    },
    Entry {
        codes: &[90099],
        class: ErrorClass::AppMisconfigured,
        token: Obstacle::NotGranted,
        admin: "The app is not yet authorised in your organisation for work by a Microsoft partner.",
        next: "Nothing for you to do yet: we have to authorise the app with Microsoft first.",
        mover: Owner::Operator,
        msp: "Pre-consent the app in the customer tenant through Partner Center before delegated administrators use it.",
    },
    // Our own sign-in.
    Entry {
        codes: &[7000215],
        class: ErrorClass::AppMisconfigured,
        token: OUR_CREDENTIAL,
        admin: "Microsoft did not accept our own sign-in, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "OUR client secret is wrong. Keep its Value, not its Secret ID, without a line break and not wrapped in JSON.",
    },
    Entry {
        codes: &[7000222],
        class: ErrorClass::AppMisconfigured,
        token: OUR_CREDENTIAL,
        admin: "Our own sign-in at Microsoft has expired, so we could not check.",
        next: "Nothing for you to do: we have to renew it.",
        mover: Owner::Operator,
        msp: "OUR client secret has expired. Make a new one; no tenant can be verified until then.",
    },
    Entry {
        codes: &[7005003],
        class: ErrorClass::AppMisconfigured,
        token: OUR_CREDENTIAL,
        admin: "Our own sign-in at Microsoft is no longer accepted, so we could not check.",
        next: "Nothing for you to do: we have to renew it.",
        mover: Owner::Operator,
        msp: "OUR client secret was revoked. Find out why, and make a new one; no tenant can be verified until then.",
    },
    Entry {
        codes: &[50012, 50013, 50027, 700027, 700030, 1000502, 7000214, 7000274, 7000277, 7005004],
        class: ErrorClass::AppMisconfigured,
        token: OUR_CREDENTIAL,
        admin: "Microsoft did not accept our own certificate, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "OUR assertion was refused: the certificate (cert.pem) is not registered, replaced, expired or revoked. Passes by itself just after a rotation.",
    },
    Entry {
        codes: &[700024],
        class: ErrorClass::AppMisconfigured,
        token: OUR_WAY_OF_SIGNING_IN,
        admin: "Our own sign-in at Microsoft was not valid at that moment, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "OUR assertion was outside its time range. Check the clock of this machine.",
    },
    Entry {
        codes: &[700021, 700023],
        class: ErrorClass::AppMisconfigured,
        token: OUR_WAY_OF_SIGNING_IN,
        admin: "Our own sign-in at Microsoft does not fit the app, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "OUR assertion names another app or another authority. Compare client_id and cloud of the profile with the registration.",
    },
    Entry {
        codes: &[700025, 7000216, 7000218],
        class: ErrorClass::AppMisconfigured,
        token: OUR_WAY_OF_SIGNING_IN,
        admin: "Our own sign-in does not fit the way in which the app is registered, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "A credential was sent for a public client, or none for a confidential one. Compare profile and registration.",
    },
    Entry {
        codes: &[70021, 70025, 700211, 700212, 700213, 7002131],
        class: ErrorClass::AppMisconfigured,
        token: OUR_WAY_OF_SIGNING_IN,
        admin: "Microsoft did not recognise the service that vouches for us, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "No matching federated credential: compare issuer, subject and audience exactly. Takes some minutes after a change.",
    },
    Entry {
        codes: &[7005005],
        class: ErrorClass::AppMisconfigured,
        token: OUR_WAY_OF_SIGNING_IN,
        admin: "Microsoft no longer accepts the service that vouches for us, so we could not check.",
        next: "Nothing for you to do: we have to correct this on our side.",
        mover: Owner::Operator,
        msp: "OUR federated credential was revoked. Find out why, and make a new one; no tenant can be verified until then.",
    },
    // Transient errors, and codes without lasting meaning.
    Entry {
        codes: &[90090, 90091],
        class: ErrorClass::Unknown,
        token: Obstacle::Transient,
        admin: "Microsoft could not store the approval at that moment.",
        next: "Wait a few minutes, then open the link again.",
        mover: Owner::Microsoft,
        msp: "Passing trouble between Microsoft's sign-in service and its directory. The same link can be used again.",
    },
    Entry {
        codes: &[90092, 90097],
        class: ErrorClass::Unknown,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft could not finish the approval.",
        next: "Open the link again with a Global Administrator account; if it happens again, send us the code.",
        mover: Owner::Admin,
        msp: "An error while processing the consent. Check the administrator's role and the request's redirect URI.",
    },
    Entry {
        codes: &[900561],
        class: ErrorClass::Unknown,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft's page was opened in a way it does not expect, for example with the Back button.",
        next: "Open the link again; if the approval is already there, we will tell you.",
        mover: Owner::Visitor,
        msp: "Can be ignored: the Back button, or the dead end after consent for an app whose return address is not ours.",
    },
    Entry {
        codes: &[50033, 90006, 90012, 90024, 90033],
        class: ErrorClass::Unknown,
        token: Obstacle::Transient,
        admin: "Microsoft's sign-in service had trouble for a moment.",
        next: "Wait a few minutes, then open the link again.",
        mover: Owner::Microsoft,
        msp: "Passing trouble at Microsoft. It is looked at again.",
    },
    Entry {
        codes: &[90055],
        class: ErrorClass::Unknown,
        token: Obstacle::Throttled,
        admin: "Microsoft is receiving too many requests for your organisation at the moment.",
        next: "Wait a few minutes, then open the link again.",
        mover: Owner::Microsoft,
        msp: "Microsoft throttles this tenant. It is looked at again later.",
    },
    Entry {
        codes: &[50196],
        class: ErrorClass::Unknown,
        token: Obstacle::LoopDetected,
        admin: "Microsoft has seen the same request too often and is pausing it.",
        next: "Wait a few minutes, then check again.",
        mover: Owner::Operator,
        msp: "Microsoft sees a request loop for this tenant and app. Leave the tenant alone for some minutes.",
    },
    Entry {
        codes: &[5000224],
        class: ErrorClass::Unknown,
        token: Obstacle::TenantGone,
        admin: "Microsoft says that this organisation's directory is not available.",
        next: "If your organisation has moved to another directory, ask us for a new link.",
        mover: Owner::Admin,
        msp: "The tenant is not available, probably deleted. Ask the customer before closing the case.",
    },
    Entry {
        // No public source has 1000. The others are its neighbours in the reference, and none of them concerns consent.
        codes: &[1000, 100007, 1000000, 1000002, 1000104],
        class: ErrorClass::Unknown,
        token: Obstacle::UnknownRefusal,
        admin: "Microsoft stopped with a code that says nothing about the approval.",
        next: "Open the link again; if it happens again, send us the code and the time.",
        mover: Owner::Operator,
        msp: "A code without a public explanation, or not about consent. See the tenant's sign-in log.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;
    use ErrorClass::*;

    /// Every code in protocol reference §1.4 and §2, in their order, and those of the sample upstream answers.
    const REFERENCE: &[u32] = &[
        65004, 50020, 50097, 53003, 50011, 900971, 500113, 90094, 700016, 90002, 9002313, // §1.4
        65001, 65005, 650051, 650052, 650053, 650054, 650056, 650057, 65002, 90008, 90009, 90090, 90091, 90092, 90093, 90095, // §2.1
        90097, 90099, 900941, 900981, 901001, 500119, 900561, 50034, 51004, 16000, 90072, 50105, 53000, 53001, 53002, 530032, 530035,
        50158, 50005, 50131, 50074, 50076, 50079, 50072, 50078, 50058, 50126, 50053, 50055, 50057, 50194, 500011, 500014, 50001, 50059,
        50128, 28002, 28003, 70011, 900144, 90014, 90013, 90100, 90023, 240002, 90015, 1000, 1000000, 1000002, 1000031, 100007, 1000104,
        7000229, 700011, 7000112, 70001, 7000215, 7000222, 7000218, 700025, 700027, 700024, 700030, 50012, 50013, 50027, // §2.2
        900023, 90038, 900439, 900382, 900432, 5000224, 50196, 90055, 90006, 90024, 90033, 50033, 90012, 9001023, 70021, 700211, 700212,
        700213, 7002131, 70025, 700238, 700223, 1002012,
        // Credentials that ended, were revoked or do not fit. Sources: Microsoft's "Troubleshoot revoked application credentials", its
        // table for service principals in the Azure SDK, and the codes on which Microsoft.Identity.Web reads a certificate again.
        1000502, 7000214, 7000216, 7000274, 7000277, 7005003, 7005004, 7005005, 700021, 700023,
        // From Microsoft's published error reference and, for 65006, from public reports.
        65006, 50049, 500208, 530034, 5000225,
    ];

    fn code(number: u32) -> AadstsCode {
        AadstsCode::from_number(number.into()).unwrap()
    }

    fn everything() -> impl Iterator<Item = &'static Entry> {
        TABLE.iter().chain([&UNKNOWN])
    }

    #[test]
    fn the_table_has_exactly_the_codes_of_the_reference() {
        let table: BTreeSet<u32> = TABLE.iter().flat_map(|entry| entry.codes).copied().collect();
        assert_eq!(table, REFERENCE.iter().copied().collect());
    }

    #[test]
    fn no_code_stands_twice_and_no_entry_stands_for_none() {
        let mut seen = BTreeSet::new();
        for entry in TABLE {
            assert!(!entry.codes.is_empty(), "{entry:?}");
            for code in entry.codes {
                assert!(seen.insert(code), "{code}");
            }
        }
    }

    #[test]
    fn every_text_is_one_short_plain_piece_that_ends_with_a_full_stop() {
        for entry in everything() {
            for text in [entry.admin, entry.next, entry.msp] {
                assert!(text.ends_with('.') && !text.ends_with(".."), "{text}");
                assert!(text.chars().count() <= 160, "{} {text}", text.chars().count());
                assert!(text.starts_with(|c: char| c.is_ascii_uppercase()) || text.starts_with("prompt="), "{text}");
                assert!(!text.contains(['{', '}', '<', '>', '|', '\n', '!']) && !text.contains("  ") && text.is_ascii(), "{text}");
                assert!(!text.to_lowercase().contains("todo") && !text.contains("AADSTS"), "{text}");
            }
        }
    }

    #[test]
    fn what_the_administrator_reads_is_one_sentence_without_blame_alarm_or_jargon() {
        const UNFIT: &[&str] = &[
            "tenant",
            "principal",
            "claim",
            "oauth",
            "token",
            "scope",
            "endpoint",
            "error",
            "failed",
            "failure",
            "invalid",
            "illegal",
            "denied",
            "forbidden",
            "fatal",
            "mistake",
            "you must",
            "your fault",
            "sorry",
            "oops",
            "organization",
        ];
        for entry in everything() {
            for text in [entry.admin, entry.next] {
                assert!(!text.trim_end_matches('.').contains(". "), "{text}");
                for word in UNFIT {
                    assert!(!text.to_lowercase().contains(word), "{word:?} in {text}");
                }
            }
            assert!(!entry.msp.contains("organization"), "{}", entry.msp);
        }
    }

    #[test]
    fn what_is_ours_to_mend_gives_the_administrator_nothing_to_do() {
        for entry in TABLE.iter().filter(|entry| entry.mover == Owner::Operator && entry.class == AppMisconfigured) {
            assert!(entry.next.starts_with("Nothing for you to do"), "{}", entry.next);
        }
    }

    #[test]
    fn an_unknown_code_is_unknown_and_never_the_tenants_fault() {
        for number in [1, 65003, 65007, 999_999, 7_999_999, u32::MAX] {
            let entry = lookup(code(number));
            assert_eq!(entry, &UNKNOWN);
            assert_eq!(class_of_error("invalid_grant", None, Some(code(number))), Unknown);
            assert_eq!(class_of_error("access_denied", None, Some(code(number))), Unknown);
            assert_eq!(class_of_error("invalid_client", None, Some(code(number))), Unknown);
            assert_eq!(class_of_error("access_denied", Some("cancel"), Some(code(number))), Declined);
            assert_eq!(meaning_at_token_endpoint(&[number.into()], "invalid_client"), (Obstacle::UnknownRefusal, Some(code(number))));
        }
        assert_eq!((UNKNOWN.class, UNKNOWN.token, UNKNOWN.mover), (Unknown, Obstacle::UnknownRefusal, Owner::Operator));
    }

    #[test]
    fn class_and_token_meaning_agree() {
        for entry in TABLE {
            match entry.token {
                Obstacle::OperatorFault
                | Obstacle::OwnCredential
                | Obstacle::StaleCredential
                | Obstacle::TenantNotFound
                | Obstacle::ResourceMissing(_) => {
                    assert_eq!(entry.class, AppMisconfigured, "{entry:?}");
                }
                Obstacle::BlockedByPolicy | Obstacle::Disabled | Obstacle::TenantBlocked => {
                    assert_eq!(entry.class, BlockedByPolicy, "{entry:?}");
                }
                Obstacle::Throttled | Obstacle::LoopDetected | Obstacle::Transient | Obstacle::TenantGone => {
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
            (WrongAccount, &[50020, 500208, 50034, 51004, 16000, 90072, 50058, 50126, 50053, 50055, 50057]),
            (BlockedByPolicy, &[50074, 50076, 50079, 50072, 50078, 50097, 53000, 53001, 53002, 53003, 530032, 530035, 50158, 50005, 50131]),
            (BlockedByPolicy, &[50105, 7000112, 70001, 1000031, 700238, 700223, 530034, 5000225]),
            (
                AppMisconfigured,
                &[50011, 500113, 500119, 900971, 650052, 650053, 650054, 650056, 650057, 65005, 65002, 500011, 500014, 50194],
            ),
            (
                AppMisconfigured,
                &[65006, 50049, 7000215, 7000222, 700027, 700024, 90002, 900023, 90015, 901001, 1002012, 70011, 9002313, 70021],
            ),
            (Unknown, &[90090, 650051, 90033, 90024, 65001, 7000229, 700016, 5000224, 50196, 90055, 900561, 1000]),
        ];
        for (class, codes) in expected {
            for number in *codes {
                assert_eq!(class_of_error("access_denied", Some("cancel"), Some(code(*number))), *class, "{number}");
                assert_eq!(lookup(code(*number)).class, *class, "{number}");
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
            assert_eq!(class_of_error(error, *subcode, number.map(code)), *class, "{name}");
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
                assert_eq!(class_of_error(error, None, None), *class, "{error}");
                assert_eq!(class_of_error(error, Some("other"), None), *class, "{error}");
                assert_eq!(class_of_error(error, Some("cancel"), None), Declined, "{error}");
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
            ("gone", &[5_000_224], "invalid_request", TenantGone),
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
            assert_eq!(meaning_at_token_endpoint(codes, error), (*meaning, Some(code(number))), "{name}");
        }
    }

    #[test]
    fn the_first_known_code_decides_and_the_first_one_sent_is_recorded_otherwise() {
        use Obstacle::*;
        assert_eq!(meaning_at_token_endpoint(&[999, 7_000_229, 7_000_215], "invalid_client"), (NotGranted, Some(code(7_000_229))));
        assert_eq!(meaning_at_token_endpoint(&[7_000_112, 7_000_229], "x"), (Disabled, Some(code(7_000_112))));
        assert_eq!(meaning_at_token_endpoint(&[0, u64::MAX, 4_294_967_296 + 700_016, 999], "server_error"), (Transient, Some(code(999))));
        assert_eq!(meaning_at_token_endpoint(&[0, u64::MAX], "invalid_client"), (UnknownRefusal, None));
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
                assert_eq!(meaning_at_token_endpoint(&[], error), (*meaning, None), "{error}");
                assert_eq!(meaning_at_token_endpoint(&[999_999], error), (*meaning, Some(code(999_999))), "{error}");
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

    fn document() -> String {
        let mut text = String::from(
            "# AADSTS codes\n\n\
             What `entra-consent` makes of Microsoft's codes. Written from the table in `src/consent/aadsts.rs` by\n\
             `UPDATE_DOCS=1 cargo test aadsts`; a test holds both equal.\n\n\
             * **In a callback**: the outcome when nothing better is seen at Microsoft. A callback is a claim; the tenant is always looked at.\n\
             * **At the token endpoint**: what the code means when Microsoft refuses our own request about a tenant.\n\
             * **Move**: whose it is: the tenant's `admin`, the `user` signing in, the `operator` of this service, the `app_owner`, `microsoft`.\n\
             * **Administrator**: the sentence and the next step on the page, where \"we\" is the operator. **Operator**: the line in lists and records.\n\n\
             The words are ours. `https://login.microsoftonline.com/error?code=N` shows Microsoft's own for code N.\n\n\
             | Codes | In a callback | At the token endpoint | Move | Administrator | Operator |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        for entry in everything() {
            let codes: Vec<String> = entry.codes.iter().map(u32::to_string).collect();
            let codes = if codes.is_empty() { "any other".to_owned() } else { codes.join(", ") };
            let Entry { class, token, mover, admin, next, msp, .. } = entry;
            let mover = match mover {
                Owner::Admin => "admin",
                Owner::Visitor => "user",
                owner => owner.name(),
            };
            let (class, token) = (class.name(), token.name());
            writeln!(text, "| {codes} | {class} | {token} | {mover} | {admin} *{next}* | {msp} |").unwrap();
        }
        text
    }

    #[test]
    fn the_document_of_the_codes_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/aadsts.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/aadsts.md is out of date: UPDATE_DOCS=1 cargo test aadsts");
    }
}
