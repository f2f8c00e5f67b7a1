//! What the token endpoint and Graph showed.

use std::collections::{BTreeMap, BTreeSet};

use super::aadsts::AadstsCode;
pub use super::aadsts::Obstacle;
use super::ids::{PermissionId, ResourceId};
use super::permission_table::PermissionKind;
use super::text::DisplayText;

/// The visibility of one requested item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visible<T> {
    /// Microsoft showed all of it.
    Seen(T),
    /// Microsoft showed some of it, and the rest is missing or unreadable. Entries count; the absence of an entry proves nothing.
    Partly(T),
    /// Microsoft says that it does not exist. Right after an approval this may be replication lag.
    Absent,
    /// Our rights do not let us see it (403), so the answer says nothing about it.
    NotVisible,
    /// We requested it and got no answer.
    Unanswered,
    /// We did not request it, because an earlier answer had settled the matter.
    #[default]
    NotAsked,
}

impl<T> Visible<T> {
    /// The item as far as Microsoft showed it.
    #[must_use]
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(thing) | Self::Partly(thing) => Some(thing),
            Self::Absent | Self::NotVisible | Self::Unanswered | Self::NotAsked => None,
        }
    }

    /// Converts the shown item, and keeps its visibility.
    #[must_use]
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Visible<U> {
        match self {
            Self::Seen(thing) => Visible::Seen(make(thing)),
            Self::Partly(thing) => Visible::Partly(make(thing)),
            Self::Absent => Visible::Absent,
            Self::NotVisible => Visible::NotVisible,
            Self::Unanswered => Visible::Unanswered,
            Self::NotAsked => Visible::NotAsked,
        }
    }

    /// Lowers `Seen` to `Partly`.
    pub(crate) fn in_part(self) -> Self {
        match self {
            Self::Seen(thing) => Self::Partly(thing),
            other => other,
        }
    }

    /// A short stable word for records.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Seen(_) => "seen",
            Self::Partly(_) => "partly",
            Self::Absent => "absent",
            Self::NotVisible => "not_visible",
            Self::Unanswered => "unanswered",
            Self::NotAsked => "not_asked",
        }
    }
}

/// A permission seen in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedPermission {
    /// The resource that publishes the permission. `None` if we do not know whose service principal the entry names.
    pub resource: Option<ResourceId>,
    /// The resource's display name in the tenant.
    pub resource_name: Option<DisplayText>,
    /// App role or scope, by id (assignments) or by name (grants, tokens).
    pub permission: PermissionRef,
    /// Whether the entry is an app role assignment (application) or a grant (delegated).
    pub kind: PermissionKind,
}

/// How the grant identifies its permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionRef {
    /// By id, as app role assignments do.
    Id(PermissionId),
    /// By name, as delegated permission grants and tokens do.
    Value(DisplayText),
}

/// The service principal of the app in the tenant ("Enterprise application").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// `accountEnabled`. `None` if only a token proved that the service principal exists.
    pub enabled: Option<bool>,
}

named! {
    /// What the operator needs to fix before any check can succeed.
    pub(crate) enum Alarm {
        /// The credential of the calling app.
        Credential = "credential",
        /// The settings, or this program.
        Settings = "settings",
    }
}

/// All results of one check. [`crate::entra::verifier`] makes it, and [`Finding::assess`] judges it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// What ended the check early.
    pub obstacle: Option<Obstacle>,
    /// Microsoft's code for the obstacle.
    pub code: Option<AadstsCode>,
    /// The tenant's display name in Graph.
    pub tenant_name: Option<DisplayText>,
    /// The service principal.
    pub service_principal: Visible<ServicePrincipal>,
    /// The app role assignments. [`Visible::Seen`] only if we got all pages and every entry was readable.
    pub application: Visible<Vec<GrantedPermission>>,
    /// The tenant-wide delegated permission grants (`AllPrincipals`), one entry per scope. [`Visible::Seen`] under the same condition.
    pub delegated: Visible<Vec<GrantedPermission>>,
    /// Resources whose service principal in the tenant we do not know, while the lists contain entries that we cannot resolve (without a
    /// [`GrantedPermission::resource`]). Such an entry may be a permission that the profile expects at one of these resources. So no
    /// permission of these resources counts as missing. An entry counts as unexpected only if the profile mentions it at none of them.
    ///
    /// * `Absent`: Graph did not find the service principal (404). Either it does not exist, or a replica lags; then the lists contain
    ///   entries that the profile expects of the resource.
    /// * `Unanswered`: no answer, or a lagging replica did not find the service principal although a token for the resource proves that it
    ///   exists.
    pub unresolved_resource: BTreeMap<ResourceId, Visible<()>>,
    /// Resources whose service principals Graph did not find in the tenant. Only a hint for the operator: a replica may lag.
    pub absent_resources: BTreeSet<ResourceId>,
    /// The `roles` of tokens that this check minted, by resource. A token without roles is an empty set. Roles of cached tokens do not
    /// count.
    pub fresh_roles: BTreeMap<ResourceId, BTreeSet<Box<str>>>,
    /// Whether Graph showed an open admin consent request for the app.
    pub open_request: Visible<bool>,
    /// Whether ordinary users of the tenant may approve the app for themselves. We ask only about an app with another verifier, and only if
    /// that verifier has `Policy.Read.All`. A user's own approval never counts as the tenant's (protocol reference §5.1, §5.2).
    ///
    /// * `Seen(false)`: the tenant's policy lets users approve nothing, or only other apps.
    /// * `Seen(true)`: a policy lets users approve this app's mail permissions. It is either Microsoft's policy for popular mail clients,
    ///   which include this app, or the older policy for every permission that needs no administrator.
    /// * `Unanswered`: no answer, or other policies are in force, whose rules we do not read.
    pub users_may_consent: Visible<bool>,
}

impl Finding {
    /// A finding without any result, because of an obstacle.
    pub(crate) fn stopped(obstacle: Obstacle, code: Option<AadstsCode>) -> Self {
        Self { obstacle: Some(obstacle), code, ..Self::default() }
    }

    /// Set if the operator's own side caused the failure, which then affects every tenant.
    pub(crate) fn alarm(&self) -> Option<Alarm> {
        match self.obstacle {
            Some(Obstacle::OwnCredential | Obstacle::StaleCredential) => Some(Alarm::Credential),
            Some(Obstacle::OperatorFault) => Some(Alarm::Settings),
            _ => None,
        }
    }
}
