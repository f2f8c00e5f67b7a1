//! What a link was made for: app, tenant, and the operator's names for them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{ProfileId, TenantId, TokenId};
use super::text::{Label, Reference};

/// The tenant a link was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpectedTenant {
    /// Only this tenant.
    Tenant(TenantId),
    /// Any tenant: a callback then can only wait for the operator's confirmation and is never `granted`.
    Any,
}

impl Serialize for ExpectedTenant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tenant(tenant) => tenant.serialize(serializer),
            Self::Any => serializer.serialize_str("any"),
        }
    }
}

impl<'de> Deserialize<'de> for ExpectedTenant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        if text == "any" {
            return Ok(Self::Any);
        }
        TenantId::parse(&text).map(Self::Tenant).map_err(serde::de::Error::custom)
    }
}

/// The app and the tenant that a genuine ticket was made for. The rules take both only from here: the query's tenant is a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The app profile to approve.
    pub app: ProfileId,
    /// The tenant that must approve it.
    pub tenant: ExpectedTenant,
    /// The operator's name for the customer.
    pub label: Option<Label>,
    /// The operator's own reference, never interpreted.
    pub reference: Option<Reference>,
    /// The invitation behind this ticket; `None` for a direct link.
    pub invitation: Option<InvitationOrigin>,
}

/// The part of a ticket's invitation that is needed to sign the same invitation again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationOrigin {
    /// The invitation's `jti`.
    pub id: TokenId,
    /// When it was first signed, in seconds since 1970. A revocation by date also covers everything that followed from the invitation.
    pub issued_at: u64,
    /// When it expires, in seconds since 1970.
    pub expires_at: u64,
    /// The chain of the invitation, if it has one.
    pub chain: Option<ProfileId>,
}
