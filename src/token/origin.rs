//! The invitation behind a ticket or a receipt, as JWT claims.

use serde::{Deserialize, Serialize};

use super::signer::required_option;
use crate::consent::{InvitationOrigin, ProfileId, TokenId};

/// [`InvitationOrigin`] as claims: `id`, start and end of its life, chain.
#[derive(Serialize, Deserialize)]
pub(super) struct OriginClaim {
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
