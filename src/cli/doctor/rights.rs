//! What a verifier may see, and what each right that it lacks would show.

use std::collections::BTreeSet;

use super::finding::{About, Findings, Severity};
use super::patient::Patient;
use crate::config::ConfiguredApp;
use crate::consent::ResourceId;
use crate::consent::permission_table;
use crate::consent::profile::{Need, PermissionKind};
use crate::entra::registration::Registration;

/// A right and what it shows (protocol reference §4.1).
struct Right {
    name: &'static str,
    /// Rights that show the same.
    instead: &'static [&'static str],
    shows: &'static str,
    /// What is not seen without it.
    without: &'static str,
}

impl Right {
    fn remedy(&self, verifier: &ConfiguredApp) -> String {
        // Nothing here asks for the audit log, so nobody should be asked to approve it.
        if self.name == AUDIT_LOG {
            return "Leave it out. The customer finds it: Entra admin centre → Monitoring & health → Audit logs.".to_owned();
        }
        format!(
            "To see it: {} → API permissions → Microsoft Graph → Application permissions → {}, and the same in consent.toml. \
             Customers have to approve again.",
            Patient::registration_path(verifier.profile.client_id),
            self.name
        )
    }
}

const AUDIT_LOG: &str = "AuditLog.Read.All";

const RIGHTS: [Right; 6] = [
    Right {
        name: "Application.Read.All",
        instead: &["Directory.Read.All", "Application.ReadWrite.All", "Directory.ReadWrite.All"],
        shows: "whether an app is there and switched on, which application permissions it was given, and in your own tenant its registration",
        without: "Of an app that verifies itself only the permissions in its own token are seen; of any other nothing.",
    },
    Right {
        name: "Directory.Read.All",
        instead: &["Directory.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"],
        shows: "delegated permissions",
        without: "Delegated permissions stay unseen: where one is required, the outcome is `granted_unseen` and never `granted`.",
    },
    Right {
        name: "Organization.Read.All",
        instead: &["Directory.Read.All", "Directory.ReadWrite.All", "Organization.ReadWrite.All", "User.Read.All"],
        shows: "the organisation's name",
        without: "Pages and tables call the customer by your label, or by its id.",
    },
    Right {
        name: "Policy.Read.All",
        instead: &[],
        shows: "what users of a tenant may approve for themselves",
        without: "The watch page of a companion app cannot say whether an administrator is needed at all.",
    },
    Right {
        name: "ConsentRequest.Read.All",
        instead: &["ConsentRequest.ReadWrite.All"],
        shows: "approval requests that wait for a reviewer",
        without: "A request for approval looks like a cancel: `declined` in the place of `approval_requested`.",
    },
    Right {
        name: AUDIT_LOG,
        instead: &["Directory.Read.All"],
        shows: "who approved and when, in the tenant's own audit log",
        without: "Who approved is known to the customer alone; no outcome depends on it.",
    },
];

/// Looks at the rights of a verifier: those seen in a customer's token, or else those that customers are asked for.
pub(super) async fn check(
    patient: &mut Patient<'_>,
    verifier: &ConfiguredApp,
    apps: &[&ConfiguredApp],
    in_tenant: Option<&BTreeSet<Box<str>>>,
    findings: &mut Findings,
) {
    let about = About::app("rights", &verifier.profile.id);
    let read = if patient.offline { None } else { Some(patient.registration(verifier).await) };
    let registration = read.as_deref().and_then(|read| read.as_ref().ok());
    let (held, whence) = match (in_tenant, registration) {
        (Some(roles), _) => (roles.clone(), "in that tenant"),
        (None, Some(registration)) => (listed(registration), "by its registration"),
        (None, None) => (configured(verifier), "by consent.toml"),
    };
    let has = |name: &str| held.iter().any(|held| held.eq_ignore_ascii_case(name));
    let verified: Vec<&&ConfiguredApp> =
        apps.iter().filter(|app| patient.site.config.verifier_of(app).is_some_and(|by| by.profile.id == verifier.profile.id)).collect();
    let needs_delegated = verified.iter().any(|app| {
        app.profile.expects_any_grant()
            || app
                .profile
                .expected
                .iter()
                .flat_map(|on| &on.permissions)
                .any(|one| one.kind == PermissionKind::Delegated && one.need == Need::Required)
    });
    let verifies_others = verified.iter().any(|app| app.profile.id != verifier.profile.id);
    for right in &RIGHTS {
        if let Some(by) = [right.name].iter().chain(right.instead).find(|name| has(name)) {
            findings.fine(about, format!("It may see {} ({by}, {whence}).", right.shows));
            continue;
        }
        let is_needed = match right.name {
            "Application.Read.All" => verifies_others,
            "Directory.Read.All" => needs_delegated,
            _ => false,
        };
        let severity = if is_needed { Severity::Warning } else { Severity::Unseen };
        findings.note(
            severity,
            about,
            format!("It lacks {} ({whence}), which would show {}.", right.name, right.shows),
            right.without,
            right.remedy(verifier),
        );
    }
}

/// The application permissions of Microsoft Graph that a registration lists, by name.
fn listed(registration: &Registration) -> BTreeSet<Box<str>> {
    let of_graph = registration.required.iter().filter(|access| access.resource == ResourceId::GRAPH);
    let known = of_graph.filter_map(|access| match access.kind {
        PermissionKind::Application => permission_table::by_id(access.resource, access.kind, access.permission),
        PermissionKind::Delegated => None,
    });
    known.map(|known| known.value.into()).collect()
}

/// Those that `consent.toml` expects.
fn configured(verifier: &ConfiguredApp) -> BTreeSet<Box<str>> {
    let of_graph = verifier.profile.on(ResourceId::GRAPH).into_iter().flat_map(|on| &on.permissions);
    let asked = of_graph.filter(|one| one.kind == PermissionKind::Application && one.need != Need::Forbidden);
    asked.map(|one| one.value.clone()).collect()
}
