//! Checks what an attacker could do with a credential that the public function can read.

use std::collections::BTreeSet;

use super::context::DoctorContext;
use super::finding::{FindingSubject, Findings};
use crate::config::ConfiguredApp;
use crate::consent::profile::{Need, PermissionKind, VerifyIn};
use crate::consent::roles::only_reads;

/// Checks the application permissions of an app whose credential we verify with: the permissions in the registration, in the configuration,
/// and in a token.
pub(super) async fn check(
    context: &mut DoctorContext<'_>,
    verifier: &ConfiguredApp,
    in_tenant: Option<&BTreeSet<Box<str>>>,
    findings: &mut Findings,
) {
    let about = FindingSubject::app("exposure", &verifier.profile.id);
    // The public function can read the credential for any app, so `--app` does not limit this check.
    let config = &context.installation.config;
    let is_verified = |app| config.verifier_of(app).is_some_and(|by| by.profile.id == verifier.profile.id);
    let in_public: Vec<&str> = config
        .apps
        .iter()
        .filter(|app| app.companion.is_none() && app.profile.verify_in == VerifyIn::Callback && is_verified(app))
        .map(|app| app.profile.id.as_str())
        .collect();
    let in_serve = config.store.is_some();
    if in_public.is_empty() {
        return findings.fine(
            about,
            if in_serve {
                "No visitor causes a call with its credential: the worker asks. `serve` is one process, which holds it all the same."
            } else {
                "Its credential is not within reach of the public function: the worker asks."
            },
        );
    }
    let mut able: BTreeSet<String> = BTreeSet::new();
    for on in &verifier.profile.expected {
        let asked = on.permissions.iter().filter(|one| one.kind == PermissionKind::Application && one.need != Need::Forbidden);
        able.extend(asked.map(|one| one.value.to_string()));
    }
    let read = if context.offline { None } else { Some(context.registration(verifier).await) };
    let registration = read.as_deref().and_then(|read| read.as_ref().ok());
    for access in registration.into_iter().flat_map(|registration| &registration.required) {
        if access.kind == PermissionKind::Application {
            able.insert(context.name_of(verifier, access.resource, access.kind, access.permission).await);
        }
    }
    able.extend(in_tenant.into_iter().flatten().map(ToString::to_string));
    let in_worker = format!(
        "write verify_in = \"worker\" at {}, {}. Pages then show no result",
        in_public.join(", "),
        if in_serve {
            "so that no visitor causes a call with it (`serve` is one process, and holds it all the same)"
        } else {
            "so that only the worker holds it"
        }
    );
    let writing: Vec<&str> = able.iter().map(String::as_str).filter(|value| !only_reads(value)).collect();
    if !writing.is_empty() {
        return findings.warning(
            about,
            format!("The public function can read a credential that does more than read in customers' tenants: {}.", writing.join(", ")),
            "An attacker who takes over the function could use it in every tenant that approved the app.",
            format!(
                "Register a second app that only reads, and write verified_by = \"reader\" instead of {}'s credential; or {in_worker}.",
                verifier.profile.id
            ),
        );
    }
    let has_worker = in_serve || config.worker.has_queue();
    if able.is_empty() || !has_worker {
        return findings.fine(about, "Its credential, which the public function can read, only reads.");
    }
    findings.warning(
        about,
        format!(
            "The public function can read a credential that reads in customers' tenants: {}.",
            able.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
        "An attacker who takes over the function could read this in every tenant that approved the app.",
        format!("You have a worker: {in_worker}."),
    );
}
