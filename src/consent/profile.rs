//! An app of the configuration, with the parts that the rules need.

use super::cloud::Cloud;
use super::ids::{ClientId, PermissionId, ProfileId, ResourceId};
pub use super::permission_table::PermissionKind;

/// The credential with which we ask Graph about an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiedBy {
    /// The app's own credential. The app's own token then contains its roles too.
    Itself,
    /// The credential of another app profile in the same cloud, usually of an app that can only read.
    Other(ProfileId),
    /// No credential, for a companion app in an installation without a verifier. A claim then stays unverified.
    Nobody,
}

/// The process that checks an approval at Microsoft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyIn {
    /// The public function, while the browser waits.
    Callback,
    /// The worker: the public function then has no Entra credential at all.
    Worker,
}

/// How a permission affects the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Without this permission, the app is not approved.
    Required,
    /// The absence of this permission is reported and has no other effect.
    Optional,
    /// The presence of this permission turns the outcome into `granted_in_excess`.
    Forbidden,
}

/// One permission that an app profile lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPermission {
    /// Application (app role) or delegated (scope).
    pub kind: PermissionKind,
    /// The name within the resource, such as `Mail.Send`. Comparison ignores case, because a vendor reports differences in case (protocol
    /// reference §3.6).
    pub value: Box<str>,
    /// The id, if the shipped table or `consent.toml` has it. App role assignments contain only ids.
    pub id: Option<PermissionId>,
    /// How the permission affects the outcome.
    pub need: Need,
}

/// The permissions that an app profile lists for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedResource {
    /// The application id of the API.
    pub resource: ResourceId,
    /// The API's name on pages and in reports.
    pub name: Box<str>,
    /// Required, optional and forbidden ones together.
    pub permissions: Vec<ExpectedPermission>,
}

impl ExpectedResource {
    /// Whether this resource requires an application permission. If so, a token for this resource without that permission proves nothing.
    pub(crate) fn requires_application(&self) -> bool {
        self.required().any(|permission| permission.kind == PermissionKind::Application)
    }

    /// Only the permissions with [`Need::Required`].
    pub fn required(&self) -> impl Iterator<Item = &ExpectedPermission> {
        self.permissions.iter().filter(|permission| permission.need == Need::Required)
    }
}

/// The operator's own texts for an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wording {
    /// One sentence on the purpose of the app, shown on the page.
    pub purpose: Option<Box<str>>,
    /// One sentence on what follows, shown after the approval.
    pub afterwards: Option<Box<str>>,
}

/// One app of the configuration, the operator's own or a companion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppProfile {
    /// The operator's id for the app, in links and records.
    pub id: ProfileId,
    /// The application (client) id.
    pub client_id: ClientId,
    /// The app's name as users know it.
    pub name: Box<str>,
    /// The cloud of the app's registration.
    pub cloud: Cloud,
    /// The credential with which we ask Graph about the app.
    pub verified_by: VerifiedBy,
    /// The process that does the check.
    pub verify_in: VerifyIn,
    /// The expected permissions, for at most [`AppProfile::MAX_RESOURCES`] resources.
    pub expected: Vec<ExpectedResource>,
    /// The operator's own texts.
    pub wording: Wording,
}

impl AppProfile {
    /// Most resources of one profile. Each resource takes one of the 20 parts of a Graph batch (protocol reference §4.4).
    pub(crate) const MAX_RESOURCES: usize = 12;

    /// Whether the profile requires no permission at all. Then any tenant-wide delegated grant shows the approval. The bare service
    /// principal does not, because the sign-in of a single user is enough to create it. Only companion apps can have such a profile; the
    /// configuration rejects it for the operator's own apps.
    #[must_use]
    pub fn expects_any_grant(&self) -> bool {
        self.expected.iter().all(|resource| resource.required().next().is_none())
    }

    /// The expected permissions of one resource.
    #[must_use]
    pub fn on(&self, resource: ResourceId) -> Option<&ExpectedResource> {
        self.expected.iter().find(|expected| expected.resource == resource)
    }
}
