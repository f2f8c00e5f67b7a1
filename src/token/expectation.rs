//! What a link was made for, as the JWT claims that tickets, receipts and orders share.

use serde::{Deserialize, Serialize};

use super::signer::required_option;
use crate::consent::{Expectation, ExpectedTenant, InvitationOrigin, Label, ProfileId, Reference, TokenId};

#[derive(Serialize, Deserialize)]
pub(super) struct ExpectationClaims {
    app: ProfileId,
    ten: ExpectedTenant,
    #[serde(deserialize_with = "required_option")]
    inv: Option<OriginClaim>,
    #[serde(deserialize_with = "required_option")]
    lbl: Option<Label>,
    #[serde(deserialize_with = "required_option")]
    r#ref: Option<Reference>,
}

impl From<&Expectation> for ExpectationClaims {
    fn from(Expectation { app, tenant, label, reference, invitation }: &Expectation) -> Self {
        let inv = invitation.as_ref().map(OriginClaim::from);
        Self { app: app.clone(), ten: *tenant, inv, lbl: label.clone(), r#ref: reference.clone() }
    }
}

impl From<ExpectationClaims> for Expectation {
    fn from(ExpectationClaims { app, ten, inv, lbl, r#ref }: ExpectationClaims) -> Self {
        Self { app, tenant: ten, label: lbl, reference: r#ref, invitation: inv.map(InvitationOrigin::from) }
    }
}

/// [`InvitationOrigin`] as claims: `id`, start and end of its life, chain.
#[derive(Serialize, Deserialize)]
struct OriginClaim {
    id: TokenId,
    iat: u64,
    exp: u64,
    #[serde(deserialize_with = "required_option")]
    chn: Option<ProfileId>,
}

impl From<&InvitationOrigin> for OriginClaim {
    fn from(origin: &InvitationOrigin) -> Self {
        Self { id: origin.id, iat: origin.issued_at, exp: origin.expires_at, chn: origin.chain.clone() }
    }
}

impl From<OriginClaim> for InvitationOrigin {
    fn from(claim: OriginClaim) -> Self {
        Self { id: claim.id, issued_at: claim.iat, expires_at: claim.exp, chain: claim.chn }
    }
}
