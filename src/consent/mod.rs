//! The rules of admin consent: pure, without I/O, without a clock of their own, without HTTP or AWS types.
//!
//! A callback is a [`claim`], what Microsoft shows us is a [`finding`], and both are concluded into an
//! [`outcome`]. Nothing here can say *granted* from a callback alone.

pub mod aadsts;
pub mod approval_state;
pub mod callback;
pub mod claim;
pub mod cloud;
pub mod expectation;
pub mod finding;
pub mod ids;
pub mod outcome;
mod outcome_facts;
mod owner;
pub mod permission_table;
pub mod permissions;
pub mod profile;
pub mod query;
pub mod rights;
pub mod roles;
pub mod schedule;
pub mod standing;
pub mod text;
pub mod verdict;

pub use aadsts::{AadstsCode, ErrorClass};
pub use approval_state::{ApprovalState, Binding, Queued};
pub use callback::{Callback, Malformed};
pub use claim::{Claim, ClaimedError};
pub use cloud::Cloud;
pub use expectation::{Expectation, ExpectedTenant, InvitationOrigin};
pub use finding::Finding;
pub use ids::{ClientId, ObjectId, PermissionId, ProfileId, ResourceId, TenantId, TokenId};
pub use outcome::Outcome;
pub use owner::Owner;
pub use profile::AppProfile;
pub use query::Query;
pub use rights::Right;
pub use standing::TenantStatus;
pub use text::{DisplayText, Label, Reference};
pub use verdict::{Assessment, Verdict};
