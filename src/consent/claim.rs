//! What a callback claims, and whether its tenant agrees with the ticket that came with it.

use super::aadsts::{AadstsCode, ErrorClass};
use super::expectation::ExpectedTenant;
use super::ids::{ObjectId, ResourceId, TenantId};

/// An id that Microsoft's support asks for: a GUID in lower case.
pub type TraceId = ObjectId;

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
    /// The resource that Microsoft reports as missing or switched off.
    pub resource: Option<ResourceId>,
    /// Microsoft's id for its support.
    pub trace_id: Option<TraceId>,
    /// Microsoft's id for its support.
    pub correlation_id: Option<TraceId>,
    /// With the error, Microsoft sent another tenant than the ticket's, perhaps the tenant of the account.
    pub other_tenant: bool,
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
    /// The ticket's tenant counts (law 5), because the callback names the same tenant or none. The ticket's tenant also counts for every
    /// error, because with an error Microsoft may send the tenant of the account. A personal account comes with
    /// `9188040d-6c67-4c5b-b112-36a304b66dad`.
    Agrees(TenantId),
    /// A callback without an error names another tenant. Neither is checked at Microsoft.
    OtherTenant {
        /// The ticket's tenant.
        expected: TenantId,
        /// The callback's tenant.
        returned: TenantId,
    },
    /// The link was made for any tenant. The callback may name one, and the operator must confirm it.
    Unbound(Option<TenantId>),
}

impl Agreement {
    /// Compares the ticket's tenant with the callback's.
    pub(crate) fn of(expected: ExpectedTenant, returned: Option<TenantId>, claim: &Claim) -> Self {
        match (expected, returned) {
            (ExpectedTenant::Any, returned) => Self::Unbound(returned),
            (ExpectedTenant::Tenant(expected), Some(returned)) if returned != expected && claim.error().is_none() => {
                Self::OtherTenant { expected, returned }
            }
            (ExpectedTenant::Tenant(expected), _) => Self::Agrees(expected),
        }
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::consent::{Callback, Query};

    fn parse(query: &str) -> Callback {
        Callback::parse(&Query::parse(query.as_bytes())).unwrap()
    }

    fn encode(text: &str) -> String {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }

    proptest! {
        #[test]
        fn an_error_concerns_the_tickets_tenant(expected: u128, returned: u128, code in 1..10_000_000_u32, flag: bool) {
            let expected = TenantId::from_u128(expected);
            let returned = TenantId::from_u128(returned);
            let flag = if flag { "&admin_consent=True" } else { "" };
            let query = format!("error=access_denied&error_description=AADSTS{code}{flag}&tenant={returned}");
            let Callback { claim, tenant, .. } = parse(&query);
            prop_assert_eq!(claim.error().unwrap().code.map(AadstsCode::number), Some(code));
            prop_assert_eq!(Agreement::of(ExpectedTenant::Tenant(expected), tenant, &claim), Agreement::Agrees(expected));
            prop_assert_eq!(Agreement::of(ExpectedTenant::Any, tenant, &claim), Agreement::Unbound(Some(returned)));
        }

        #[test]
        fn code_and_ids_survive_every_encoding(code in 1..10_000_000_u32, trace: u128, correlation: u128, plus: bool, times in 0..3) {
            let (trace, correlation) = (TraceId::from_u128(trace), TraceId::from_u128(correlation));
            let text = format!("AADSTS{code}: Some text.\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: 2026-01-02 03:04:05Z");
            // Some programs on the way leave `+` for a space, and some encode twice.
            let mut text = if plus { text.replace(' ', "+") } else { text };
            for _ in 0..times {
                text = encode(&text);
            }
            let text = text.replace(['\r', '\n'], "+");
            let claim = parse(&format!("error=access_denied&error_description={text}")).claim;
            let error = claim.error().unwrap();
            prop_assert_eq!(error.code.map(AadstsCode::number), Some(code));
            prop_assert_eq!((error.trace_id, error.correlation_id), (Some(trace), Some(correlation)));
        }
    }

    #[test]
    fn a_missing_resource_is_read_from_the_text() {
        const EXCHANGE: &str = "00000002-0000-0ff1-ce00-000000000000";
        const ORGANISATION: &str = "0a1b0000-0000-4000-8000-000000000002";
        let resource = |description: &str| {
            parse(&format!("error=invalid_client&error_description={}", encode(description))).claim.error().unwrap().resource
        };
        let named = |code| format!("AADSTS{code}: access a service '{EXCHANGE}'(Exchange) that your organization '{ORGANISATION}' lacks");
        for code in [650_052, 500_011, 500_014] {
            assert_eq!(resource(&named(code)), ResourceId::parse(EXCHANGE).ok(), "{code}");
        }
        // None of these names a resource: another code, an address, an organisation alone.
        assert_eq!(resource(&named(65_004)), None);
        assert_eq!(
            resource(&format!("AADSTS650052: a service (\"https://x.example/\") that your organization '{ORGANISATION}' lacks")),
            None
        );
        assert_eq!(resource(&format!("AADSTS500011: the resource https://x.example was not found in the tenant {ORGANISATION}")), None);
        assert_eq!(resource(&format!("AADSTS650052: x Trace ID: {EXCHANGE}")), None);
    }
}
