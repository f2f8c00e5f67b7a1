//! What a link was made for.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{ProfileId, TenantId, TokenId};
use super::text::{Label, Reference};

/// The tenant a link was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpectedTenant {
    /// This one and no other.
    Tenant(TenantId),
    /// Any: then a callback can at most await confirmation by the operator, never be granted.
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

/// What a genuine ticket says it was made for. The only source of the tenant and of the app: the query names neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The app profile.
    pub app: ProfileId,
    /// The tenant.
    pub tenant: ExpectedTenant,
    /// The operator's name for the customer.
    pub label: Option<Label>,
    /// The operator's reference.
    pub reference: Option<Reference>,
    /// The invitation this came from; `None` for a direct link.
    pub invitation: Option<InvitationOrigin>,
}

/// The invitation a ticket came from, as far as the same invitation can be signed again from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationOrigin {
    /// Its id.
    pub id: TokenId,
    /// When it was signed first, seconds since 1970: what is taken back by date is taken back with all that came of it.
    pub issued_at: u64,
    /// When its life ends, seconds since 1970.
    pub expires_at: u64,
    /// The chain it was made for, where it was made for one.
    pub chain: Option<ProfileId>,
}
