//! Judges a callback against the ticket that came with it.

use super::aadsts::{self, AadstsCode, ErrorClass};
use super::callback::{Callback, ConsentFlag, TraceId};
use super::expectation::{Expectation, ExpectedTenant};
use super::ids::TenantId;

/// What the callback says about the approval. Unproven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// `admin_consent=True` and no error.
    Success,
    /// Neither a flag nor an error.
    NoFlag,
    /// Any error, independent of the flag.
    Error(ClaimedError),
}

/// An error that the browser brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedError {
    /// What the error means if a check finds nothing at Microsoft.
    pub class: ErrorClass,
    /// The AADSTS number, if the callback contains one.
    pub code: Option<AadstsCode>,
    /// Microsoft's id for its support.
    pub trace_id: Option<TraceId>,
    /// Microsoft's id for its support.
    pub correlation_id: Option<TraceId>,
}

impl Claim {
    /// `None` for the two claims without an error.
    #[must_use]
    pub fn error(&self) -> Option<&ClaimedError> {
        match self {
            Self::Error(error) => Some(error),
            Self::Success | Self::NoFlag => None,
        }
    }
}

/// How the callback's tenant compares with the ticket's, before any check at Microsoft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The callback names the expected tenant, or none: then the ticket's tenant counts (law 5). It also counts for every error, because
    /// with an error Microsoft may send the tenant of the account. A personal account comes with `9188040d-6c67-4c5b-b112-36a304b66dad`.
    Agrees(TenantId),
    /// A callback without an error names another tenant. Neither is checked at Microsoft.
    OtherTenant {
        /// From the ticket.
        expected: TenantId,
        /// From the callback.
        returned: TenantId,
    },
    /// The link was made for any tenant. The callback may name one, and the operator must confirm it.
    Unbound(Option<TenantId>),
}

/// Judges a callback against the ticket it carried.
#[must_use]
pub fn judge(callback: &Callback, expectation: &Expectation) -> (Claim, Agreement) {
    let claim = match (&callback.error, callback.admin_consent) {
        (Some(reported), _) => Claim::Error(ClaimedError {
            class: aadsts::class_of_error(
                reported.error.as_deref().unwrap_or_default(),
                reported.subcode.as_deref(),
                reported.code,
                reported.too_many_permissions,
            ),
            code: reported.code,
            trace_id: reported.trace_id,
            correlation_id: reported.correlation_id,
        }),
        (None, ConsentFlag::True) => Claim::Success,
        (None, ConsentFlag::Absent | ConsentFlag::Other) => Claim::NoFlag,
    };
    let agreement = match (expectation.tenant, callback.tenant) {
        (ExpectedTenant::Any, returned) => Agreement::Unbound(returned),
        (ExpectedTenant::Tenant(expected), Some(returned)) if returned != expected && callback.error.is_none() => {
            Agreement::OtherTenant { expected, returned }
        }
        (ExpectedTenant::Tenant(expected), _) => Agreement::Agrees(expected),
    };
    (claim, agreement)
}
