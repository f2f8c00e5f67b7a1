//! The claim that a tenant approved a verifier. Microsoft may show the verifier only minutes later. Until then, we cannot check any app
//! with this verifier.

use std::fmt;

use super::admission::Visitor;
use crate::consent::outcome::PROVISIONAL;
use crate::consent::profile::VerifiedBy;
use crate::consent::{ApprovalState, Expectation, ExpectedTenant, ProfileId, TenantId};
use crate::installation::Installation;

/// A claim that a tenant approved a verifier. A cookie carries the claim to the next step, which another process may answer. Anyone can
/// write such a cookie, just as anyone can type a callback. The cookie only makes us wait longer for Microsoft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifierClaim {
    /// When the callback arrived, in seconds since 1970.
    at: u64,
    tenant: TenantId,
    verifier: ProfileId,
}

impl VerifierClaim {
    /// Returns the claim of an approval if its app is the verifier of another app, else `None`. This process remembers the claim for other
    /// browsers.
    pub(super) fn note(installation: &Installation, state: &ApprovalState) -> Option<Self> {
        let (Expectation { app, tenant: ExpectedTenant::Tenant(tenant), .. }, at) = (&state.expectation, state.callback_at) else {
            return None;
        };
        let verifies = installation.config.apps.iter().any(|other| other.profile.verified_by == VerifiedBy::Other(app.clone()));
        if !verifies || state.claim.error().is_some() {
            return None;
        }
        installation.recent.verifier_claimed(*tenant, app, at);
        Some(Self { at, tenant: *tenant, verifier: app.clone() })
    }

    fn parse(text: &str) -> Option<Self> {
        let (at, (tenant, verifier)) = text.split_once('.').and_then(|(at, rest)| Some((at, rest.split_once('.')?)))?;
        Some(Self { at: at.parse().ok()?, tenant: TenantId::parse(tenant).ok()?, verifier: ProfileId::parse(verifier).ok()? })
    }
}

impl fmt::Display for VerifierClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at, self.tenant, self.verifier)
    }
}

/// Returns when a callback claimed that the tenant approved the app's verifier, in seconds since 1970. Returns `None` unless this browser
/// or this process remembers such a callback from the last 20 minutes.
pub(super) fn verifier_claimed_at(installation: &Installation, visitor: &Visitor<'_>, expectation: &Expectation) -> Option<u64> {
    let ExpectedTenant::Tenant(tenant) = expectation.tenant else { return None };
    let VerifiedBy::Other(verifier) = &installation.config.app(&expectation.app)?.profile.verified_by else { return None };
    let carried = visitor.verifier_claim.and_then(VerifierClaim::parse);
    let carried = carried.filter(|claim| claim.tenant == tenant && claim.verifier == *verifier).map(|claim| claim.at);
    let now = installation.clock.now_unix();
    let at = carried.max(installation.recent.verifier_claim(tenant, verifier)).map(|at| at.min(now));
    at.filter(|at| now - at < PROVISIONAL.as_secs())
}
