//! A callback judged against the ticket that came with it.

use super::aadsts::{self, AadstsCode, ErrorClass};
use super::callback::{Callback, ConsentFlag, TraceId};
use super::expectation::{Expectation, ExpectedTenant};
use super::ids::TenantId;

/// What the callback says about the approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// `admin_consent=True` and no error.
    Success,
    /// Neither a flag nor an error.
    Silent,
    /// An error, whatever the flag says.
    Error(ClaimedError),
}

/// An error somebody reported through the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedError {
    /// What it would mean if nothing is seen at Microsoft.
    pub class: ErrorClass,
    /// The AADSTS number.
    pub code: Option<AadstsCode>,
    /// Microsoft's trace id.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id.
    pub correlation_id: Option<TraceId>,
}

impl Claim {
    /// The error, where one was reported.
    #[must_use]
    pub fn error(&self) -> Option<&ClaimedError> {
        match self {
            Self::Error(error) => Some(error),
            Self::Success | Self::Silent => None,
        }
    }
}

/// Where a claim stands before anybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The callback names the expected tenant, or none: then the ticket's counts (law 5).
    Agrees(TenantId),
    /// The callback names another tenant. Nobody is asked about either.
    OtherTenant {
        /// The ticket's.
        expected: TenantId,
        /// The callback's.
        returned: TenantId,
    },
    /// The link was made for any tenant; the callback may name one, and the operator must confirm it.
    Unbound(Option<TenantId>),
}

/// Judges a callback against the ticket it carried.
#[must_use]
pub fn judge(callback: &Callback, expectation: &Expectation) -> (Claim, Agreement) {
    let claim = match (&callback.error, callback.admin_consent) {
        (Some(reported), _) => Claim::Error(ClaimedError {
            class: aadsts::class_of_error(reported.error.as_deref().unwrap_or_default(), reported.subcode.as_deref(), reported.code),
            code: reported.code,
            trace_id: reported.trace_id,
            correlation_id: reported.correlation_id,
        }),
        (None, ConsentFlag::True) => Claim::Success,
        (None, ConsentFlag::Absent | ConsentFlag::Other) => Claim::Silent,
    };
    let agreement = match (expectation.tenant, callback.tenant) {
        (ExpectedTenant::Any, returned) => Agreement::Unbound(returned),
        (ExpectedTenant::Tenant(expected), Some(returned)) if returned != expected => Agreement::OtherTenant { expected, returned },
        (ExpectedTenant::Tenant(expected), _) => Agreement::Agrees(expected),
    };
    (claim, agreement)
}
