//! An app registration of the operator, as far as the rules need to know it.

use super::cloud::Cloud;
use super::ids::{ClientId, PermissionId, ProfileId, ResourceId};
pub use super::permission_table::PermissionKind;

/// Whose credential asks Graph about an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiedBy {
    /// The app itself: its roles also stand in its own token.
    Itself,
    /// Another app profile of the same cloud, usually one that can only read.
    Other(ProfileId),
    /// Nobody: a companion app in an installation without a verifier. A report then stays a report.
    Nobody,
}

/// Where the asking is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyIn {
    /// In the public function, while the browser waits.
    Callback,
    /// In the worker: the public function holds no Entra credential at all.
    Worker,
}

/// How much a permission matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Without it the app is not approved.
    Required,
    /// Reported where it is absent, and nothing more.
    Optional,
    /// Its presence makes the approval one in excess.
    Forbidden,
}

/// One permission an app profile speaks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPermission {
    /// Application (app role) or delegated (scope).
    pub kind: PermissionKind,
    /// The name within the resource, such as `Mail.Send`. Compared without regard to case: a vendor reports differences
    /// (protocol reference §3.6).
    pub value: Box<str>,
    /// The id, where the shipped table or `consent.toml` knows it. App role assignments carry ids only.
    pub id: Option<PermissionId>,
    /// How much it matters.
    pub need: Need,
}

/// What an app profile expects of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedResource {
    /// The resource.
    pub resource: ResourceId,
    /// Its name, for people.
    pub name: Box<str>,
    /// What is expected there.
    pub permissions: Vec<ExpectedPermission>,
}

impl ExpectedResource {
    /// Whether an application permission is required here: then a token for this resource without it proves nothing.
    #[must_use]
    pub fn requires_application(&self) -> bool {
        self.required().any(|permission| permission.kind == PermissionKind::Application)
    }

    /// The required permissions.
    pub fn required(&self) -> impl Iterator<Item = &ExpectedPermission> {
        self.permissions.iter().filter(|permission| permission.need == Need::Required)
    }
}

/// The operator's words for an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wording {
    /// What the app is for, one sentence, shown on the page.
    pub purpose: Option<Box<str>>,
    /// What happens after the approval, one sentence, shown where it is granted.
    pub afterwards: Option<Box<str>>,
}

/// One app registration of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppProfile {
    /// The operator's name for it, in links and records.
    pub id: ProfileId,
    /// Its application id.
    pub client_id: ClientId,
    /// Its name as people know it.
    pub name: Box<str>,
    /// The cloud it is registered in.
    pub cloud: Cloud,
    /// Whose credential asks.
    pub verified_by: VerifiedBy,
    /// Where it is asked.
    pub verify_in: VerifyIn,
    /// The permissions expected, at most [`AppProfile::MAX_RESOURCES`] resources.
    pub expected: Vec<ExpectedResource>,
    /// The operator's words.
    pub wording: Wording,
}

impl AppProfile {
    /// Most resources of one profile: each takes one of the twenty parts of a Graph batch (protocol reference §4.4).
    pub const MAX_RESOURCES: usize = 12;

    /// Whether nothing is known of what the app is granted: no permission is required, so any tenant-wide delegated grant shows the
    /// approval, and the bare service principal, which a single user's sign-in is enough to bring, does not. Only companion apps are
    /// like this; the configuration refuses it for the operator's own.
    #[must_use]
    pub fn expects_any_grant(&self) -> bool {
        self.expected.iter().all(|resource| resource.required().next().is_none())
    }

    /// What is expected of one resource.
    #[must_use]
    pub fn on(&self, resource: ResourceId) -> Option<&ExpectedResource> {
        self.expected.iter().find(|expected| expected.resource == resource)
    }
}
