//! Which role may approve which permissions (protocol reference §1.9), and which permissions reach far.

use super::ids::{ResourceId, RoleId};
use super::permission_table::{self, Known, PermissionKind};
use super::profile::{ExpectedPermission, ExpectedResource, Need};

/// The least powerful role that can approve a list of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleNeeded {
    /// Global Administrator or Privileged Role Administrator: the list has application permissions of Microsoft Graph.
    PrivilegedRoleAdministrator,
    /// Application Administrator or Cloud Application Administrator is enough too.
    ApplicationAdministrator,
}

/// Roles that partners get, by template id. Those that can approve apps come first, the most powerful first.
/// Source: learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference.
const ROLES: [(u128, &str); 14] = [
    (0x62e9_0394_69f5_4237_9190_0121_7714_5e10, "Global Administrator"),
    (0xe861_1ab8_c189_46e8_94e1_6021_3ab1_f814, "Privileged Role Administrator"),
    (0x9b89_5d92_2cd3_44c7_9d02_a6ac_2d5e_a5c3, "Application Administrator"),
    (0x158c_047a_c907_4556_b7ef_4465_51a6_b5f7, "Cloud Application Administrator"),
    (0xf2ef_992c_3afb_46b9_b7cf_a126_ee74_c451, "Global Reader"),
    (0x88d8_e3e3_8f55_4a1e_953a_9b98_98b8_876b, "Directory Readers"),
    (0x9360_feb5_f418_4baa_8175_e2a0_0bac_4301, "Directory Writers"),
    (0xfe93_0be7_5e62_47db_91af_98c3_a49a_38b1, "User Administrator"),
    (0x2923_2cdf_9323_42fd_ade2_1d09_7af3_e4de, "Exchange Administrator"),
    (0x3a2c_62db_5318_420d_8d74_23af_fee5_d9d5, "Intune Administrator"),
    (0x194a_e4cb_b126_40b2_bd5b_6091_b380_977d, "Security Administrator"),
    (0xf023_fd81_a637_4b56_95fd_791a_c022_6033, "Service Support Administrator"),
    (0x7298_27e3_9c14_49f7_bb1b_9608_f156_bbb8, "Helpdesk Administrator"),
    (0x4d6a_c14f_3453_41d0_bef9_a3e0_c569_773a, "License Administrator"),
];

/// The name of a role; the id of one that we do not know.
pub(crate) fn role_name(role: RoleId) -> String {
    ROLES.iter().find(|(id, _)| RoleId::from_u128(*id) == role).map_or_else(|| role.to_string(), |(_, name)| (*name).to_owned())
}

impl RoleNeeded {
    /// The name for people. More powerful roles are enough too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PrivilegedRoleAdministrator => "Privileged Role Administrator",
            Self::ApplicationAdministrator => "Application Administrator",
        }
    }

    /// The least powerful of these roles that can approve the permissions.
    pub(crate) fn met_by(self, roles: impl Iterator<Item = RoleId>) -> Option<RoleId> {
        let enough = match self {
            Self::PrivilegedRoleAdministrator => 2,
            Self::ApplicationAdministrator => 4,
        };
        let held: Vec<RoleId> = roles.collect();
        ROLES.iter().take(enough).rev().map(|(id, _)| RoleId::from_u128(*id)).find(|role| held.contains(role))
    }
}

/// The role that an administrator needs to approve these permissions.
pub(crate) fn role_needed<'a>(expected: impl IntoIterator<Item = &'a ExpectedResource>) -> RoleNeeded {
    let graph_application = expected.into_iter().filter(|expected| expected.resource == ResourceId::GRAPH).any(|expected| {
        expected.permissions.iter().any(|permission| permission.need != Need::Forbidden && permission.kind == PermissionKind::Application)
    });
    if graph_application { RoleNeeded::PrivilegedRoleAdministrator } else { RoleNeeded::ApplicationAdministrator }
}

/// Whether a permission's name says that it only reads. A permission with any other name counts as one that changes something or acts as a
/// person, so that no new permission passes for harmless. This is our own rule.
pub(crate) fn only_reads(value: &str) -> bool {
    let words: Vec<String> = value.split(['.', '_']).map(str::to_ascii_lowercase).collect();
    words.iter().any(|word| word.starts_with("read")) && !words.iter().any(|word| word.contains("write"))
}

/// How far a permission reaches. This is our own rule; Microsoft publishes no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// An administrator should consider it with care.
    Far,
    /// Any other permission in our table.
    Ordinary,
    /// Our table of Microsoft's permissions does not have the permission, so a page says only that.
    Unknown,
}

/// The data that a permission opens, by the first part of the permission's name (`*` means any rest). A permission reaches far if it
/// reads or writes such data for everybody.
///
/// `true`: a delegated permission always counts, because an administrator approves it for everybody, so it opens everybody's own data.
/// `false`: a delegated permission counts if it goes beyond the person who is signed in (`.All`).
const OPENS: &[(bool, &str)] = &[
    // Mail.
    (true, "mail mailbox mailboxfolder mailboxitem mailboxconfigitem full_access_as_app exchange eas ews imap pop smtp"),
    // Files.
    (true, "files sites lists listitems notes shortnotes filestoragecontainer"),
    // Sign-in methods.
    (true, "userauthenticationmethod userauthmethod"),
    // What mailboxes and conversations contain besides mail.
    (false, "calendars contacts exchangemessagetrace chat chatmessage channelmessage calltranscripts callrecordings"),
    (false, "onlinemeetingtranscript onlinemeetingrecording aienterpriseinteraction"),
    // The directory, and the rights of people and apps in it.
    (false, "directory onpremdirectorysynchronization administrativeunit application approleassignment delegatedpermissiongrant"),
    (false, "device domain policy rolemanagement roleassignmentschedule roleeligibilityschedule privileged*"),
    // Groups.
    (false, "group groupmember teammember unifiedgroupmember"),
    // Profiles.
    (false, "user people orgcontact externaluserprofile"),
    // Audit.
    (false, "auditlog auditlogsquery auditactivity reports customsecattributeauditlogs provisioninglog"),
    // Security.
    (false, "security* threat* identityrisk* bitlockerkey devicelocalcredential ediscovery informationprotectioncontent"),
];
/// Endings of a name that limit the permission to objects that the app was given or created itself.
const LIMITED: &[&str] = &[".selected", ".appfolder", ".createdbyapp", ".whereinstalled"];

/// How far a permission reaches. A permission that [`OPENS`] does not cover reaches far if it changes something for everybody.
pub(crate) fn reach(resource: ResourceId, permission: &ExpectedPermission) -> Reach {
    if known(resource, permission).is_none() {
        return Reach::Unknown;
    }
    let value = permission.value.to_ascii_lowercase();
    let first = value.split(['.', '-']).next().unwrap_or_default();
    let is_for_everybody = permission.kind == PermissionKind::Application || value.ends_with(".all") || value.ends_with(".directory");
    let opens = |(own, names): &(bool, &str)| {
        let begins = |name: &str| name.strip_suffix('*').map_or(name == first, |beginning| first.starts_with(beginning));
        (*own || is_for_everybody) && names.split(' ').any(begins)
    };
    let is_far = OPENS.iter().any(opens) || (is_for_everybody && !only_reads(&value));
    let is_limited = LIMITED.iter().any(|last| value.ends_with(last));
    if is_far && !is_limited { Reach::Far } else { Reach::Ordinary }
}

/// The permission in the table, by id or by name.
pub(crate) fn known(resource: ResourceId, permission: &ExpectedPermission) -> Option<Known> {
    (permission.id.and_then(|id| permission_table::by_id(resource, permission.kind, id)))
        .or_else(|| permission_table::by_value(resource, permission.kind, &permission.value))
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
    fn a_higher_role_is_enough_too() {
        use RoleNeeded::{ApplicationAdministrator, PrivilegedRoleAdministrator};
        for (name, graph, other) in [
            ("Global Administrator", true, true),
            ("Privileged Role Administrator", true, true),
            ("Application Administrator", false, true),
            ("Cloud Application Administrator", false, true),
            ("Global Reader", false, false),
        ] {
            let role = ROLES.iter().find(|(_, known)| *known == name).map(|(id, _)| RoleId::from_u128(*id)).unwrap();
            assert_eq!(role_name(role), name);
            let is_met = |needed: RoleNeeded| needed.met_by([role].into_iter()) == Some(role);
            assert_eq!((is_met(PrivilegedRoleAdministrator), is_met(ApplicationAdministrator)), (graph, other), "{name}");
        }
        assert_eq!(role_name(RoleId::from_u128(7)), "00000000-0000-0000-0000-000000000007");
    }

    #[test]
    fn what_opens_everybodys_data_or_changes_it_reaches_far() {
        use PermissionKind::{Application, Delegated};
        use Reach::{Far, Ordinary, Unknown};
        let (graph, exchange) = (ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE);
        for (resource, kind, value, expected) in [
            (graph, Application, "Mail.Read", Far),
            (graph, Application, "Mail.ReadBasic.All", Far),
            (graph, Application, "Mail.Send", Far),
            (graph, Application, "Calendars.Read", Far),
            (graph, Application, "Files.ReadWrite.All", Far),
            (graph, Application, "Sites.Read.All", Far),
            (graph, Application, "Sites.Selected", Ordinary),
            (graph, Application, "Directory.Read.All", Far),
            (graph, Application, "Group.Read.All", Far),
            (graph, Application, "User.Read.All", Far),
            (graph, Application, "AuditLog.Read.All", Far),
            (graph, Application, "Reports.Read.All", Far),
            (graph, Application, "SecurityEvents.Read.All", Far),
            (graph, Application, "RoleManagement.ReadWrite.Directory", Far),
            (graph, Application, "Printer.ReadWrite.All", Far),
            (graph, Application, "Printer.Read.All", Ordinary),
            (graph, Application, "Organization.Read.All", Ordinary),
            (graph, Application, "MailboxSettings.Read", Ordinary),
            (graph, Application, "CrossTenantInformation.ReadBasic.All", Ordinary),
            (exchange, Application, "full_access_as_app", Far),
            (exchange, Application, "IMAP.AccessAsApp", Far),
            (graph, Delegated, "Mail.Read", Far),
            (graph, Delegated, "Files.Read.All", Far),
            (graph, Delegated, "Group.Read.All", Far),
            (graph, Delegated, "Directory.AccessAsUser.All", Far),
            (exchange, Delegated, "EWS.AccessAsUser.All", Far),
            (exchange, Delegated, "EAS.AccessAsUser.All", Far),
            (graph, Delegated, "Calendars.Read", Ordinary),
            (graph, Delegated, "User.Read", Ordinary),
            (graph, Delegated, "openid", Ordinary),
            (graph, Delegated, "profile", Ordinary),
            (graph, Application, "Mail.Invented.All", Unknown),
            (exchange, Application, "EWS.AccessAsUser.All", Unknown),
            (ResourceId::from_u128(7), Application, "Mail.Read", Unknown),
        ] {
            assert_eq!(reach(resource, &permission(kind, value)), expected, "{kind:?} {value}");
        }
    }

    #[test]
    fn each_name_of_the_rule_begins_a_permission_of_the_table() {
        let table = include_str!("permission_table.tsv").to_ascii_lowercase();
        for name in OPENS.iter().flat_map(|(_, names)| names.split(' ')) {
            let ends: &[&str] = if name.ends_with('*') { &[""] } else { &[".", "-", "\t"] };
            let name = name.trim_end_matches('*');
            assert!(ends.iter().any(|after| table.contains(&format!("\t{name}{after}"))), "{name}");
        }
    }
}
