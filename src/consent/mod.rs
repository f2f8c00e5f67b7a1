//! The rules of admin consent: pure, without I/O, without a clock of their own, without HTTP or AWS types.
//!
//! A callback is a [`claim`], and what Microsoft shows us is a [`finding`]. The rules conclude an [`outcome`] from both. No rule can
//! conclude *granted* from a callback alone.

/// An enum whose variants have short stable names, for records, pages and logs. `all` adds the list of the variants.
macro_rules! named {
    (all $(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        named! { $(#[$meta])* $vis enum $name { $($(#[$doc])* $variant = $text,)+ } }

        impl $name {
            /// All variants, for tables and tests.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// The short stable name.
            #[must_use]
            $vis const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}
pub(crate) use named;

pub mod aadsts;
pub(crate) mod approval_state;
pub mod callback;
pub mod claim;
pub mod claim_bound;
pub mod cloud;
pub(crate) mod expectation;
pub mod finding;
pub mod ids;
pub mod outcome;
mod outcome_facts;
mod owner;
pub mod permission_table;
pub mod permissions;
pub mod profile;
pub(crate) mod query;
pub(crate) mod rights;
pub mod roles;
pub mod schedule;
pub(crate) mod standing;
pub(crate) mod text;
pub(crate) mod verdict;

pub use aadsts::{AadstsCode, ErrorClass};
pub use approval_state::{ApprovalState, Binding, Queued};
pub use callback::Callback;
pub use claim::{Claim, ClaimedError};
pub(crate) use claim_bound::BoundKey;
pub use claim_bound::Draw;
pub use cloud::Cloud;
pub use expectation::{Expectation, ExpectedTenant, InvitationOrigin};
pub use finding::Finding;
pub use ids::{ClientId, ObjectId, PermissionId, ProfileId, ResourceId, RoleId, TenantId, TokenId};
pub use outcome::Outcome;
pub(crate) use owner::Owner;
pub use profile::AppProfile;
pub use query::Query;
pub(crate) use rights::Right;
pub use standing::TenantStatus;
pub use text::{DisplayText, Label, Reference};
pub use verdict::{Assessment, Verdict};
