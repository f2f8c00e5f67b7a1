//! Which role may approve which permissions (protocol reference §1.9), and which permissions are high risk.

use super::ids::ResourceId;
use super::permission_table::PermissionKind;
use super::profile::{ExpectedPermission, ExpectedResource, Need};

/// The least powerful role that can approve a list of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleNeeded {
    /// Global Administrator or Privileged Role Administrator: the list has application permissions of Microsoft Graph.
    PrivilegedRoleAdministrator,
    /// Application Administrator or Cloud Application Administrator is enough too.
    ApplicationAdministrator,
}

/// The role that an administrator needs to approve these permissions.
#[must_use]
pub(crate) fn role_needed<'a>(expected: impl IntoIterator<Item = &'a ExpectedResource>) -> RoleNeeded {
    let graph_application = expected.into_iter().filter(|expected| expected.resource == ResourceId::GRAPH).any(|expected| {
        expected.permissions.iter().any(|permission| permission.need != Need::Forbidden && permission.kind == PermissionKind::Application)
    });
    if graph_application { RoleNeeded::PrivilegedRoleAdministrator } else { RoleNeeded::ApplicationAdministrator }
}

/// Whether a permission's name says that it only reads. Every other name counts as one that changes something or acts as a person, so that
/// a new name cannot pass for a harmless one. This is our own rule, by name.
#[must_use]
pub fn only_reads(value: &str) -> bool {
    let words: Vec<String> = value.split(['.', '_']).map(str::to_ascii_lowercase).collect();
    words.iter().any(|word| word.starts_with("read")) && !words.iter().any(|word| word.contains("write"))
}

/// Whether an administrator should consider a permission with care: it acts for the whole organisation without a user, and writes, sends,
/// controls identities, or reads all mail or files. This is our own rule, by name; Microsoft publishes no list.
#[must_use]
pub(crate) fn is_high_risk(permission: &ExpectedPermission) -> bool {
    let value = permission.value.to_ascii_lowercase();
    let control = [
        "rolemanagement",
        "approleassignment",
        "application.readwrite",
        "directory.readwrite",
        "delegatedpermissiongrant",
        "policy.readwrite",
        "full_access",
        "fullcontrol",
        "manageasapp",
        "user.manageidentities",
        "userauthenticationmethod.readwrite",
    ];
    if control.iter().any(|word| value.contains(word)) {
        return true;
    }
    if permission.kind == PermissionKind::Delegated {
        return false;
    }
    let writes = ["readwrite", ".send", "write.", ".manage", "accessasapp", "sendasapp"].iter().any(|word| value.contains(word));
    let reads_content = [
        "mail.read",
        "files.read.all",
        "sites.read.all",
        "chat.read.all",
        "channelmessage.read.all",
        "notes.read.all",
        "calendars.read",
        "contacts.read",
    ];
    writes || reads_content.iter().any(|name| value == *name || value.starts_with(&format!("{name}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_say_that_it_only_reads_counts_as_writing() {
        for value in ["Mail.Read", "User.Read.All", "CrossTenantInformation.ReadBasic.All", "TeamsAppInstallation.ReadForTeam.All"] {
            assert!(only_reads(value), "{value}");
        }
        for value in [
            "Mail.ReadWrite",
            "Mail.Send",
            "Sites.FullControl.All",
            "full_access_as_app",
            "Exchange.ManageAsApp",
            "Sites.Selected",
            "TeamsAppInstallation.ReadWriteForTeam.All",
            "Something.New",
        ] {
            assert!(!only_reads(value), "{value}");
        }
    }

    fn permission(kind: PermissionKind, value: &str) -> ExpectedPermission {
        ExpectedPermission { kind, value: value.into(), id: None, need: Need::Required }
    }

    fn on(resource: ResourceId, permission: ExpectedPermission) -> Vec<ExpectedResource> {
        vec![ExpectedResource { resource, name: "x".into(), permissions: vec![permission] }]
    }

    #[test]
    fn only_application_permissions_of_graph_need_the_higher_role() {
        use PermissionKind::{Application, Delegated};
        for (resource, kind, role) in [
            (ResourceId::GRAPH, Application, RoleNeeded::PrivilegedRoleAdministrator),
            (ResourceId::GRAPH, Delegated, RoleNeeded::ApplicationAdministrator),
            (ResourceId::EXCHANGE_ONLINE, Application, RoleNeeded::ApplicationAdministrator),
        ] {
            assert_eq!(role_needed(&on(resource, permission(kind, "Mail.Read"))), role, "{resource} {kind:?}");
        }
        let forbidden = ExpectedPermission { need: Need::Forbidden, ..permission(Application, "Mail.ReadWrite") };
        assert_eq!(role_needed(&on(ResourceId::GRAPH, forbidden)), RoleNeeded::ApplicationAdministrator);
    }

    #[test]
    fn what_writes_sends_controls_or_reads_all_mail_deserves_a_second_look() {
        use PermissionKind::{Application, Delegated};
        for (kind, value, risky) in [
            (Application, "Mail.Read", true),
            (Application, "Mail.Send", true),
            (Application, "Files.ReadWrite.All", true),
            (Application, "RoleManagement.ReadWrite.Directory", true),
            (Application, "full_access_as_app", true),
            (Application, "IMAP.AccessAsApp", true),
            (Application, "User.Read.All", false),
            (Application, "Directory.Read.All", false),
            (Application, "MailboxSettings.Read", false),
            (Delegated, "Mail.Read", false),
            (Delegated, "User.Read", false),
            (Delegated, "Directory.ReadWrite.All", true),
        ] {
            assert_eq!(is_high_risk(&permission(kind, value)), risky, "{kind:?} {value}");
        }
    }
}
