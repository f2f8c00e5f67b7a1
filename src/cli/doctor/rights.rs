//! Checks what a verifier can see, and what each missing right would show.

use std::collections::BTreeSet;

use super::context::DoctorContext;
use super::finding::{FindingSeverity, FindingSubject, Findings};
use crate::config::ConfiguredApp;
use crate::consent::profile::{Need, PermissionKind};
use crate::consent::{ResourceId, Right, permission_table};
use crate::entra::registration::Registration;

fn remedy(right: Right, verifier: &ConfiguredApp) -> String {
    // The program never reads the audit log, so no customer should have to approve it.
    if right == Right::AuditLog {
        return "Leave it out. The customer finds it: Entra admin centre → Monitoring & health → Audit logs.".to_owned();
    }
    format!(
        "To see it: {} → API permissions → Microsoft Graph → Application permissions → {}, and the same in consent.toml. \
         Customers have to approve again.",
        DoctorContext::registration_path(verifier.profile.client_id),
        right.permission()
    )
}

/// Checks the rights of a verifier: those in a customer's token, otherwise those that customers will approve.
pub(super) async fn check(
    context: &mut DoctorContext<'_>,
    verifier: &ConfiguredApp,
    apps: &[&ConfiguredApp],
    in_tenant: Option<&BTreeSet<Box<str>>>,
    findings: &mut Findings,
) {
    let about = FindingSubject::app("rights", &verifier.profile.id);
    let read = if context.offline { None } else { Some(context.registration(verifier).await) };
    let registration = read.as_deref().and_then(|read| read.as_ref().ok());
    let (held, whence) = match (in_tenant, registration) {
        (Some(roles), _) => (roles.clone(), "in that tenant"),
        (None, Some(registration)) => (listed(registration), "by its registration"),
        (None, None) => (configured(verifier), "by consent.toml"),
    };
    let has = |name: &str| held.iter().any(|held| held.eq_ignore_ascii_case(name));
    let config = &context.installation.config;
    let is_verified = |app: &&&ConfiguredApp| config.verifier_of(app).is_some_and(|by| by.profile.id == verifier.profile.id);
    let verified: Vec<&&ConfiguredApp> = apps.iter().filter(is_verified).collect();
    let needs_delegated = verified.iter().any(|app| {
        let mut permissions = app.profile.expected.iter().flat_map(|on| &on.permissions);
        let is_needed = permissions.any(|one| one.kind == PermissionKind::Delegated && one.need == Need::Required);
        is_needed || app.profile.expects_any_grant()
    });
    let verifies_others = verified.iter().any(|app| app.profile.id != verifier.profile.id);
    for &right in Right::ALL {
        if let Some(by) = right.held_by(has) {
            findings.fine(about, format!("It may see {} ({by}, {whence}).", right.shows()));
            continue;
        }
        let is_needed = match right {
            Right::Applications => verifies_others,
            Right::DelegatedGrants => needs_delegated,
            Right::Organisation | Right::Policies | Right::ApprovalRequests | Right::AuditLog => false,
        };
        let severity = if is_needed { FindingSeverity::Warning } else { FindingSeverity::Unseen };
        let what = format!("It lacks {} ({whence}), which would show {}.", right.permission(), right.shows());
        findings.note(severity, about, what, right.without(), remedy(right, verifier));
    }
}

/// The names of Microsoft Graph's application permissions in a registration.
fn listed(registration: &Registration) -> BTreeSet<Box<str>> {
    let of_graph = registration.required.iter().filter(|access| access.resource == ResourceId::GRAPH);
    let known = of_graph.filter_map(|access| match access.kind {
        PermissionKind::Application => permission_table::by_id(access.resource, access.kind, access.permission),
        PermissionKind::Delegated => None,
    });
    known.map(|known| known.value.into()).collect()
}

/// The names of Microsoft Graph's application permissions in `consent.toml`.
fn configured(verifier: &ConfiguredApp) -> BTreeSet<Box<str>> {
    let of_graph = verifier.profile.on(ResourceId::GRAPH).into_iter().flat_map(|on| &on.permissions);
    let asked = of_graph.filter(|one| one.kind == PermissionKind::Application && one.need != Need::Forbidden);
    asked.map(|one| one.value.clone()).collect()
}
