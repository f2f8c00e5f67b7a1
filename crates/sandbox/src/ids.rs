//! The sandbox's own identifiers, one type each. The sandbox and the product share no id type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// A text that is not a GUID in the hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID of the form 00000000-0000-0000-0000-000000000000")]
pub struct NotAGuid;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Converts an id in tables and tests.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }

            /// The reverse of [`Self::from_u128`], for constants of other id types.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }
        }

        impl FromStr for $name {
            type Err = NotAGuid;
            /// Upper case is accepted; braces, `urn:uuid:` and the form without hyphens are not.
            fn from_str(text: &str) -> Result<Self, NotAGuid> {
                let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
                Uuid::try_parse(text).ok().filter(|_| hyphenated).map(Self).ok_or(NotAGuid)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type! {
    /// A tenant.
    TenantId
}
id_type! {
    /// The application (client) id of an app registration.
    ClientId
}
id_type! {
    /// The application id of a resource (an API), such as Microsoft Graph.
    ResourceId
}
id_type! {
    /// The object id of a service principal or a user in one tenant.
    ObjectId
}
id_type! {
    /// The id of an app role or a scope.
    PermissionId
}

impl ResourceId {
    /// Microsoft Graph.
    pub const GRAPH: Self = Self::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);
    /// Office 365 Exchange Online.
    pub const EXCHANGE_ONLINE: Self = Self::from_u128(0x0000_0002_0000_0ff1_ce00_0000_0000_0000);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let good = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
        let id: TenantId = good.parse().unwrap();
        assert_eq!(id.to_string(), good);
        assert_eq!(good.to_uppercase().parse(), Ok(id));
        for bad in
            ["", "common", "aaaabbbb0000cccc1111dddd2222eeee", "{aaaabbbb-0000-cccc-1111-dddd2222eeee}", "urn:uuid:aaaabbbb-0000-cccc"]
        {
            assert_eq!(bad.parse::<TenantId>(), Err(NotAGuid), "{bad:?}");
        }
    }
}
