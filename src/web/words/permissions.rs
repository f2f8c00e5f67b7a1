//! What a permission lets an app do, in words that need no knowledge of Graph.

use crate::consent::ids::ResourceId;
use crate::consent::permission_table::PermissionKind;

/// How apps use permissions of a kind, as the heading of a list.
#[must_use]
pub fn exercised(kind: PermissionKind) -> &'static str {
    match kind {
        PermissionKind::Application => "By itself, with nobody signed in",
        PermissionKind::Delegated => "For whoever is signed in to it, and no further than that person may go",
    }
}

/// What a permission lets an app do, in words that need no knowledge of Graph. `None`: use Microsoft's line.
///
/// The words are ours, not Microsoft's. They cover the permissions that apps of service providers and mail clients request most.
#[must_use]
pub fn permission_words(resource: ResourceId, kind: PermissionKind, value: &str) -> Option<&'static str> {
    let of_resource: &[PermissionWords] = match resource {
        ResourceId::GRAPH => &OF_GRAPH,
        ResourceId::EXCHANGE_ONLINE => &OF_EXCHANGE,
        _ => return None,
    };
    let words = of_resource.iter().chain(&OF_MAILBOXES).find(|words| words.value.eq_ignore_ascii_case(value))?;
    match kind {
        PermissionKind::Application => words.application,
        PermissionKind::Delegated => words.delegated,
    }
}

struct PermissionWords {
    value: &'static str,
    application: Option<&'static str>,
    delegated: Option<&'static str>,
}

const fn both(value: &'static str, application: &'static str, delegated: &'static str) -> PermissionWords {
    PermissionWords { value, application: Some(application), delegated: Some(delegated) }
}

const fn application(value: &'static str, words: &'static str) -> PermissionWords {
    PermissionWords { value, application: Some(words), delegated: None }
}

const fn delegated(value: &'static str, words: &'static str) -> PermissionWords {
    PermissionWords { value, application: None, delegated: Some(words) }
}

/// Permissions that mean the same in Graph and in Exchange Online.
const OF_MAILBOXES: [PermissionWords; 13] = [
    both("Mail.Read", "Reads all mail in every mailbox, attachments included.", "Reads that person's mail, attachments included."),
    both(
        "Mail.ReadWrite",
        "Reads, changes and deletes mail in every mailbox. It does not send.",
        "Reads, changes and deletes that person's mail. It does not send.",
    ),
    both("Mail.Send", "Sends mail in the name of anybody in the organisation.", "Sends mail in that person's name."),
    both(
        "MailboxSettings.Read",
        "Reads the settings of every mailbox, such as time zone and automatic replies.",
        "Reads that person's mailbox settings, such as time zone and automatic replies.",
    ),
    both(
        "MailboxSettings.ReadWrite",
        "Reads and changes the settings of every mailbox, such as automatic replies.",
        "Reads and changes that person's mailbox settings, such as automatic replies.",
    ),
    both("Calendars.Read", "Reads every calendar of everybody in the organisation.", "Reads that person's calendars."),
    both(
        "Calendars.ReadWrite",
        "Reads, changes and deletes appointments in every calendar.",
        "Reads, changes and deletes that person's appointments.",
    ),
    both("Contacts.Read", "Reads the contacts in every mailbox.", "Reads that person's contacts."),
    both(
        "Contacts.ReadWrite",
        "Reads, changes and deletes the contacts in every mailbox.",
        "Reads, changes and deletes that person's contacts.",
    ),
    delegated("EAS.AccessAsUser.All", "Reaches that person's mail, calendar and contacts over Exchange ActiveSync, as telephones do."),
    delegated("EWS.AccessAsUser.All", "Reaches that person's whole mailbox over Exchange Web Services, as mail programs on computers do."),
    delegated("IMAP.AccessAsUser.All", "Reads, changes and deletes that person's mail over IMAP."),
    delegated("POP.AccessAsUser.All", "Reads and deletes that person's mail over POP."),
];

const OF_EXCHANGE: [PermissionWords; 9] = [
    application("full_access_as_app", "Does anything in every mailbox: reads, changes, deletes and sends."),
    application(
        "Exchange.ManageAsApp",
        "Manages Exchange as an administrator would, as far as the roles given to the app in Exchange reach.",
    ),
    application("IMAP.AccessAsApp", "Reaches the mailboxes that Exchange opens to it, over IMAP."),
    application("POP.AccessAsApp", "Reaches the mailboxes that Exchange opens to it, over POP."),
    application("SMTP.SendAsApp", "Sends mail from the mailboxes that Exchange opens to it."),
    application("Calendars.Read.All", "Reads every calendar of everybody in the organisation."),
    application("Calendars.ReadWrite.All", "Reads, changes and deletes appointments in every calendar."),
    delegated("SMTP.Send", "Sends mail in that person's name, over SMTP."),
    delegated("User.Read", "Reads that person's name, address and other profile data."),
];

const OF_GRAPH: [PermissionWords; 47] = [
    delegated("openid", "Lets people sign in with their work account."),
    delegated("profile", "Reads the name of whoever signs in."),
    delegated("email", "Reads the mail address of whoever signs in."),
    delegated("offline_access", "Keeps the access it was given until it is withdrawn, so that nobody has to sign in each time."),
    delegated("User.Read", "Lets people sign in, and reads the profile of whoever does."),
    delegated("User.ReadWrite", "Reads and changes the profile of whoever signs in."),
    delegated("SMTP.Send", "Sends mail in that person's name, over SMTP."),
    both("User.ReadBasic.All", "Reads the name, address and photo of everybody.", "Reads the name, address and photo of everybody."),
    both(
        "User.Read.All",
        "Reads the full profile of everybody, such as department, telephone and manager.",
        "Reads the full profile of everybody, such as department, telephone and manager.",
    ),
    both("User.ReadWrite.All", "Reads and changes the full profile of everybody.", "Reads and changes the full profile of everybody."),
    both(
        "Group.Read.All",
        "Reads all groups, their members and what they hold, such as conversations and files.",
        "Reads the groups that person can see, their members and what they hold.",
    ),
    both(
        "Group.ReadWrite.All",
        "Creates, changes and deletes all groups, their members and what they hold.",
        "Creates, changes and deletes the groups that person may, their members and what they hold.",
    ),
    both("GroupMember.Read.All", "Reads all groups and who is in them.", "Reads the groups that person can see and who is in them."),
    both(
        "GroupMember.ReadWrite.All",
        "Reads all groups, and adds and removes members.",
        "Reads groups, and adds and removes members where that person may.",
    ),
    both(
        "Directory.Read.All",
        "Reads the whole directory: users, groups, apps and devices.",
        "Reads the directory: users, groups, apps and devices.",
    ),
    both(
        "Directory.ReadWrite.All",
        "Reads and changes the directory: users, groups, apps and devices.",
        "Reads and changes the directory: users, groups, apps and devices.",
    ),
    both(
        "Application.Read.All",
        "Reads which apps the organisation has and how they are set up.",
        "Reads which apps the organisation has and how they are set up.",
    ),
    both(
        "Application.ReadWrite.All",
        "Creates, changes and deletes apps of the organisation, their credentials included.",
        "Creates, changes and deletes apps of the organisation, their credentials included.",
    ),
    application("Application.ReadWrite.OwnedBy", "Creates apps, and changes and deletes those that it owns, their credentials included."),
    both(
        "AppRoleAssignment.ReadWrite.All",
        "Gives permissions to apps, itself included, and takes them away.",
        "Gives permissions to apps, itself included, and takes them away.",
    ),
    both(
        "DelegatedPermissionGrant.Read.All",
        "Reads which permissions apps hold for signed-in users.",
        "Reads which permissions apps hold for signed-in users.",
    ),
    both(
        "DelegatedPermissionGrant.ReadWrite.All",
        "Gives apps permissions for signed-in users, and takes them away.",
        "Gives apps permissions for signed-in users, and takes them away.",
    ),
    both("RoleManagement.Read.Directory", "Reads who holds which administrator's role.", "Reads who holds which administrator's role."),
    both(
        "RoleManagement.ReadWrite.Directory",
        "Gives and takes away administrators' roles, the highest included.",
        "Gives and takes away administrators' roles, the highest included.",
    ),
    both(
        "AuditLog.Read.All",
        "Reads the logs of sign-ins and of changes to the directory.",
        "Reads the logs of sign-ins and of changes to the directory.",
    ),
    both(
        "Organization.Read.All",
        "Reads the organisation's name, domains and subscriptions.",
        "Reads the organisation's name, domains and subscriptions.",
    ),
    both(
        "Domain.Read.All",
        "Reads the organisation's domains and how they are set up.",
        "Reads the organisation's domains and how they are set up.",
    ),
    both("Device.Read.All", "Reads the list of the organisation's devices.", "Reads the list of the organisation's devices."),
    both(
        "Policy.Read.All",
        "Reads the organisation's rules, such as Conditional Access.",
        "Reads the organisation's rules, such as Conditional Access.",
    ),
    both("Reports.Read.All", "Reads reports on who uses which service how much.", "Reads reports on who uses which service how much."),
    both("ConsentRequest.Read.All", "Reads users' requests to approve an app.", "Reads users' requests to approve an app."),
    delegated("Files.Read", "Reads that person's own files."),
    delegated("Files.ReadWrite", "Reads, changes and deletes that person's own files."),
    both("Files.Read.All", "Reads all files of everybody, in OneDrive and SharePoint.", "Reads all files that person can open."),
    both(
        "Files.ReadWrite.All",
        "Reads, changes and deletes all files of everybody, in OneDrive and SharePoint.",
        "Reads, changes and deletes all files that person can open.",
    ),
    both("Sites.Read.All", "Reads everything in every SharePoint site.", "Reads everything in the SharePoint sites that person can open."),
    both(
        "Sites.ReadWrite.All",
        "Reads, changes and deletes everything in every SharePoint site.",
        "Reads, changes and deletes what that person can in SharePoint sites.",
    ),
    both(
        "Sites.FullControl.All",
        "Does anything in every SharePoint site, permissions included.",
        "Does anything that person may in every SharePoint site, permissions included.",
    ),
    delegated("Chat.Read", "Reads that person's chats in Teams."),
    application("Chat.Read.All", "Reads all chats of everybody in Teams."),
    both(
        "ChannelMessage.Read.All",
        "Reads the messages in all channels of Teams.",
        "Reads the messages in the channels that person can open in Teams.",
    ),
    both(
        "Team.ReadBasic.All",
        "Reads the names and descriptions of all teams.",
        "Reads the names and descriptions of that person's teams.",
    ),
    both("SecurityEvents.Read.All", "Reads the organisation's security events.", "Reads the organisation's security events."),
    both(
        "DeviceManagementManagedDevices.Read.All",
        "Reads the devices that Intune manages and their state.",
        "Reads the devices that Intune manages and their state.",
    ),
    both(
        "UserAuthenticationMethod.Read.All",
        "Reads how everybody signs in, such as telephone numbers and security keys; no passwords.",
        "Reads how everybody signs in, such as telephone numbers and security keys; no passwords.",
    ),
    both(
        "UserAuthenticationMethod.ReadWrite.All",
        "Changes how everybody signs in, such as telephone numbers and security keys.",
        "Changes how everybody signs in, such as telephone numbers and security keys.",
    ),
    both(
        "CrossTenantInformation.ReadBasic.All",
        "Reads the name and domain of other organisations at Microsoft.",
        "Reads the name and domain of other organisations at Microsoft.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::permission_table;

    #[test]
    fn every_permission_that_has_words_is_one_that_microsoft_publishes() {
        for (resources, all) in [
            (&[ResourceId::GRAPH][..], &OF_GRAPH[..]),
            (&[ResourceId::EXCHANGE_ONLINE], &OF_EXCHANGE),
            (&[ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE], &OF_MAILBOXES),
        ] {
            for words in all {
                for (kind, told) in [(PermissionKind::Application, words.application), (PermissionKind::Delegated, words.delegated)] {
                    let Some(told) = told else { continue };
                    assert!(told.ends_with('.') && told.is_ascii(), "{told}");
                    let known = |resource: &ResourceId| permission_table::by_value(*resource, kind, words.value);
                    assert!(
                        resources.iter().any(|resource| known(resource).is_some_and(|known| known.value == words.value)),
                        "{}",
                        words.value
                    );
                }
            }
        }
    }

    #[test]
    fn a_permission_of_a_resource_we_do_not_know_has_no_words_of_ours() {
        use PermissionKind::{Application, Delegated};
        let other = ResourceId::from_u128(7);
        assert_eq!(permission_words(other, Application, "Mail.Read"), None);
        assert_eq!(permission_words(ResourceId::GRAPH, Application, "Calendars.Read.All"), None);
        assert_eq!(permission_words(ResourceId::GRAPH, Application, "EAS.AccessAsUser.All"), None);
        let read = permission_words(ResourceId::EXCHANGE_ONLINE, Application, "mail.read");
        assert_eq!(read, permission_words(ResourceId::GRAPH, Application, "Mail.Read"));
        assert_ne!(read, permission_words(ResourceId::GRAPH, Delegated, "Mail.Read"));
        assert!(read.is_some());
    }
}
