//! Identifiers, one type each, so that a tenant id can never take the position of an application id.
//!
//! Parsing of GUIDs is strict: 36 ASCII characters, dashes in their places, no braces, no `urn:uuid:`. Upper case is accepted (Microsoft
//! sends both) and becomes lower case, so that equal ids compare equal.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not a GUID. Contains no part of the text, because a stranger may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID of the form 00000000-0000-0000-0000-000000000000")]
pub struct NotAGuid;

fn strict_guid(text: &str) -> Result<Uuid, NotAGuid> {
    let well_formed = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !well_formed {
        return Err(NotAGuid);
    }
    Uuid::try_parse(text).map_err(|_| NotAGuid)
}

macro_rules! guid_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Parses the strict 36-character form, in either case.
            ///
            /// # Errors
            /// [`NotAGuid`] for every other spelling of a UUID, and for everything else.
            pub fn parse(text: &str) -> Result<Self, NotAGuid> {
                strict_guid(text).map(Self)
            }

            /// Converts an id in this program's own tables.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAGuid;
            fn from_str(text: &str) -> Result<Self, NotAGuid> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

guid_type! {
    /// A customer's Entra tenant. Always the GUID: a domain name can move between tenants.
    TenantId
}
guid_type! {
    /// An administrator role of Entra (`roleDefinitionId`), the same in every tenant.
    RoleId
}
guid_type! {
    /// The application (client) id of an app registration, the same in every tenant. Not the object id of its service
    /// principal, which differs per tenant.
    ClientId
}
guid_type! {
    /// The application id of a resource (an API), such as Microsoft Graph. Not the object id of its service principal.
    ResourceId
}
guid_type! {
    /// The object id of a service principal or a user in one tenant.
    ObjectId
}
guid_type! {
    /// The id of an app role or a scope as its resource publishes it. The same name has different ids on different resources, so an id is
    /// meaningful only together with its [`ResourceId`].
    PermissionId
}
guid_type! {
    /// The `jti` of a token that we signed: a random UUID.
    TokenId
}

impl TokenId {
    /// A `jti` from 16 random bytes that the caller passes in (law 7).
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl ResourceId {
    /// Microsoft Graph (protocol reference §8).
    pub const GRAPH: Self = Self::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);
    /// Office 365 Exchange Online (protocol reference §8).
    pub const EXCHANGE_ONLINE: Self = Self::from_u128(0x0000_0002_0000_0ff1_ce00_0000_0000_0000);
    /// SharePoint Online (protocol reference §8).
    pub const SHAREPOINT_ONLINE: Self = Self::from_u128(0x0000_0003_0000_0ff1_ce00_0000_0000_0000);
}

/// The operator's own name for an app profile: 1 to 32 characters of `a-z`, `0-9` and `-`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ProfileId(Box<str>);

/// Why a text cannot name an app profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an app id is 1 to 32 characters of a-z, 0-9 and '-', starting with a letter")]
pub struct NotAProfileId;

impl ProfileId {
    /// # Errors
    /// [`NotAProfileId`] when the text has another shape.
    pub fn parse(text: &str) -> Result<Self, NotAProfileId> {
        let fits = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(NotAProfileId) }
    }

    /// The id as written in `consent.toml`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ProfileId {
    type Err = NotAProfileId;
    fn from_str(text: &str) -> Result<Self, NotAProfileId> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for ProfileId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_strict_form_of_a_guid_is_a_tenant() {
        let good = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
        assert_eq!(TenantId::parse(good).unwrap().to_string(), good);
        assert_eq!(TenantId::parse(&good.to_uppercase()), TenantId::parse(good));
        for bad in [
            "",
            "t-1",
            "common",
            "aaaabbbb0000cccc1111dddd2222eeee",
            "{aaaabbbb-0000-cccc-1111-dddd2222eeee}",
            "urn:uuid:aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "aaaabbbb-0000-cccc-1111-dddd2222eeee ",
            " aaaabbbb-0000-cccc-1111-dddd2222eee",
            "aaaabbbb-0000-cccc-1111-dddd2222eeeg",
            "aaaabbbb-0000-cccc-1111dddd-2222eeee",
            "aaaabbbb\u{2010}0000-cccc-1111-dddd2222ee",
            "aaaabbbb-0000-cccc-1111-dddd2222eee\u{ff10}",
        ] {
            assert_eq!(TenantId::parse(bad), Err(NotAGuid), "{bad:?}");
        }
    }

    #[test]
    fn a_profile_id_is_a_short_slug() {
        for good in ["a", "mail-sync", "app2"] {
            assert_eq!(ProfileId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "2app", "Mail", "a b", "a_b", "ü", &"a".repeat(33)] {
            assert_eq!(ProfileId::parse(bad), Err(NotAProfileId), "{bad:?}");
        }
    }
}
