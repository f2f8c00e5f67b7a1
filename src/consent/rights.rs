//! Which permission of Microsoft Graph lets a verifier see what (protocol reference §4.1, §5.1).

use super::permission_table::PermissionKind;
use super::permissions::NamedPermission;

named! {
    all
    /// A part of a tenant that a verifier can get access to. The most useful first.
    pub(crate) enum Right {
        /// Service principals and their application permissions.
        Applications = "applications",
        /// Delegated permission grants.
        DelegatedGrants = "delegated_grants",
        /// The organisation's display name.
        Organisation = "organisation",
        /// The policy on what users may approve for themselves.
        Policies = "policies",
        /// Approval requests that wait for a reviewer.
        ApprovalRequests = "approval_requests",
        /// Who approved the app, and when.
        AuditLog = "audit_log",
    }
}

impl Right {
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
        for &right in Right::ALL {
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
