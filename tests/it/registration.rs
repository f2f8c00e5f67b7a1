//! Registrations, read in the operator's own tenant.

use entra_consent::consent::profile::PermissionKind;
use entra_consent::entra::graph::Unread;
use entra_consent::entra::registration::SignInAudience;
use entra_consent::entra::verifier::RegistrationUnread;
use entra_consent::secret::Secret;
use entra_sandbox::{Change, ClientSecret, Effect, Fault, FaultAt, PermissionSet, demo};
use time::macros::datetime;

use crate::support::northwind::APP_SECRET;
use crate::support::stage::{Options, Stage};

/// A stage with a configured home tenant, whose app has `rights` for reading registrations there.
async fn stage(rights: &[&str]) -> Stage {
    let stage = Stage::with(Options { home_tenant: true, ..Options::default() }).await;
    stage.change(Change::Grant { tenant: demo::HOME, app: demo::APP, permissions: Some(vec![PermissionSet::graph(rights, &[])]) });
    stage
}

#[tokio::test]
async fn a_registration_has_addresses_permissions_and_expiries() {
    let stage = stage(&["Application.Read.All"]).await;
    let ends = datetime!(2027-01-31 00:00 UTC);
    let secret = |value: &str, expires| ClientSecret { value: value.into(), expires };
    stage.change(Change::SetSecrets {
        app: demo::APP,
        secrets: vec![secret(APP_SECRET, Some(ends)), secret("other-secret-of-mail-backup", None)],
    });
    let registration = stage.installation.registration(&stage.installation.config.apps[0]).await.unwrap();
    assert_eq!(registration.audience, SignInAudience::AnyOrganization);
    assert_eq!(registration.redirect_uris, [Box::from(format!("{}/callback", stage.base))]);
    let kinds: Vec<_> = registration.required.iter().map(|required| required.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == PermissionKind::Application).count(), 2, "{kinds:?}");
    let ours = Secret::new(APP_SECRET.into());
    let said: Vec<_> = registration.secrets.iter().map(|secret| (secret.may_be(&ours), secret.ends)).collect();
    assert_eq!(said, [(Some(true), Some(ends)), (Some(false), None)]);
    assert_eq!(registration.publisher_domain.unwrap().as_str(), "northwind.example");
    assert_eq!(registration.verified_publisher, None);
}

async fn said(stage: &Stage) -> RegistrationUnread {
    stage.installation.registration(&stage.installation.config.apps[0]).await.unwrap_err()
}

#[tokio::test]
async fn the_reasons_for_a_hidden_registration_differ() {
    let stage = stage(&["User.Read.All"]).await;
    assert!(matches!(said(&stage).await, RegistrationUnread::NotVisible));

    stage.change(Change::Grant {
        tenant: demo::HOME,
        app: demo::APP,
        permissions: Some(vec![PermissionSet::graph(&["Application.Read.All"], &[])]),
    });
    stage.control.fault(Fault::new(FaultAt::Graph, Effect::Status { status: 503, code: None, retry_after: None }).times(1)).unwrap();
    assert!(matches!(said(&stage).await, RegistrationUnread::Unread(Unread::Unwell { status: 503, .. })));
    stage.control.fault(Fault::new(FaultAt::Graph, Effect::Html { status: 200 }).times(1)).unwrap();
    assert!(matches!(said(&stage).await, RegistrationUnread::Unread(Unread::Unreadable)));

    stage.change(Change::Delete { tenant: demo::HOME, app: demo::APP });
    let unread = stage.installation.registration(&stage.installation.config.apps[0]).await.unwrap_err();
    assert!(unread.to_string().contains("AADSTS7000229"), "{unread}");
    let unresolved_resources = Stage::new().await;
    let unread = unresolved_resources.installation.registration(&unresolved_resources.installation.config.apps[0]).await.unwrap_err();
    assert!(matches!(unread, RegistrationUnread::NoHomeTenant), "{unread}");
}
