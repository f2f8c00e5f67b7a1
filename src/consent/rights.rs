//! Which permission of Microsoft Graph lets a verifier see what (protocol reference §4.1, §5.1).

use super::permission_table::PermissionKind;
use super::permissions::NamedPermission;

/// A part of a tenant that a verifier can get access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Service principals and their application permissions.
    Applications,
    /// Delegated permission grants.
    DelegatedGrants,
    /// The organisation's display name.
    Organisation,
    /// The policy on what users may approve for themselves.
    Policies,
    /// Approval requests that wait for a reviewer.
    ApprovalRequests,
    /// Who approved the app, and when.
    AuditLog,
}

impl Right {
    /// All rights, the most useful first.
    pub(crate) const ALL: [Self; 6] =
        [Self::Applications, Self::DelegatedGrants, Self::Organisation, Self::Policies, Self::ApprovalRequests, Self::AuditLog];

    /// The permissions that give access to this part, the least powerful first.
    pub(crate) const fn permissions(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Applications => ("Application.Read.All", &["Directory.Read.All", "Application.ReadWrite.All", "Directory.ReadWrite.All"]),
            Self::DelegatedGrants => ("Directory.Read.All", &["Directory.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"]),
            Self::Organisation => {
                ("Organization.Read.All", &["Directory.Read.All", "Directory.ReadWrite.All", "Organization.ReadWrite.All", "User.Read.All"])
            }
            Self::Policies => ("Policy.Read.All", &[]),
            Self::ApprovalRequests => ("ConsentRequest.Read.All", &["ConsentRequest.ReadWrite.All"]),
            Self::AuditLog => ("AuditLog.Read.All", &["Directory.Read.All"]),
        }
    }

    /// The least powerful permission that gives access to this part.
    pub(crate) const fn permission(self) -> &'static str {
        self.permissions().0
    }

    /// The permission that gives a verifier access to this part; `has` says which permissions the verifier has.
    pub(crate) fn held_by(self, has: impl Fn(&str) -> bool) -> Option<&'static str> {
        let (least, others) = self.permissions();
        std::iter::once(least).chain(others.iter().copied()).find(|permission| has(permission))
    }

    /// What access to this part makes visible, in a few words for people.
    pub(crate) const fn shows(self) -> &'static str {
        match self {
            Self::Applications => {
                "whether an app is there and switched on, which application permissions it was given, and in your own tenant its registration"
            }
            Self::DelegatedGrants => "delegated permissions",
            Self::Organisation => "the organisation's name",
            Self::Policies => "what users of a tenant may approve for themselves",
            Self::ApprovalRequests => "approval requests that wait for a reviewer",
            Self::AuditLog => "who approved and when, in the tenant's own audit log",
        }
    }

    /// What stays hidden without access to this part, in a few words for people.
    pub(crate) const fn without(self) -> &'static str {
        match self {
            Self::Applications => "Of an app that verifies itself only the permissions in its own token are seen; of any other nothing.",
            Self::DelegatedGrants => {
                "Delegated permissions stay unseen: where one is required, the outcome is `granted_unseen` and never `granted`."
            }
            Self::Organisation => "Pages and tables call the customer by your label, or by its id.",
            Self::Policies => "The watch page of a companion app cannot say whether an administrator is needed at all.",
            Self::ApprovalRequests => "A request for approval looks like a cancel: `declined` in the place of `approval_requested`.",
            Self::AuditLog => "Who approved is known to the customer alone; no outcome depends on it.",
        }
    }

    /// The right whose least permission would show all of these. `None` for an empty list.
    pub(crate) fn to_see(unseen: &[NamedPermission]) -> Option<Self> {
        if unseen.iter().any(|permission| permission.kind == PermissionKind::Delegated) {
            Some(Self::DelegatedGrants)
        } else if unseen.is_empty() {
            None
        } else {
            Some(Self::Applications)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::{ResourceId, permission_table};

    #[test]
    fn every_permission_that_carries_a_right_is_one_that_microsoft_publishes() {
        for right in Right::ALL {
            let (least, others) = right.permissions();
            for permission in others.iter().chain([&least]) {
                let known = permission_table::by_value(ResourceId::GRAPH, PermissionKind::Application, permission);
                assert_eq!(known.map(|known| known.value), Some(*permission));
            }
        }
    }

    #[test]
    fn delegated_permissions_take_the_wider_permission_which_shows_the_others_too() {
        let one = |kind| NamedPermission { resource: "x".into(), kind, value: "y".into() };
        let (application, delegated) = (one(PermissionKind::Application), one(PermissionKind::Delegated));
        assert_eq!(Right::to_see(&[]), None);
        assert_eq!(Right::to_see(std::slice::from_ref(&application)), Some(Right::Applications));
        assert_eq!(Right::to_see(&[application, delegated]), Some(Right::DelegatedGrants));
        assert_eq!(Right::Applications.held_by(|held| held == Right::DelegatedGrants.permission()), Some("Directory.Read.All"));
        assert_eq!(Right::Policies.held_by(|_| false), None);
    }
}
