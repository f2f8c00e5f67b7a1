//! Checks of a simulated tenant over real HTTP: granted and missing permissions, and all faults in between.

mod evidence;
mod graph;
mod memory;
mod silence;
mod token;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_consent::consent::permission_table;
use entra_consent::consent::profile::{ExpectedPermission, ExpectedResource, Need, PermissionKind, VerifiedBy, VerifyIn, Wording};
use entra_consent::consent::{AppProfile, Cloud, Finding, ProfileId, ResourceId, Verdict};
use entra_consent::entra::clients::Clients;
use entra_consent::entra::cloud::Endpoints;
use entra_consent::entra::credential::Credential;
use entra_consent::entra::verifier::{
    Asker, AskingApp, Check, CheckRequest, CredentialFuture, CredentialProvider, CredentialUnavailable, Verifier,
};
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::secret::Secret;
use entra_sandbox::{
    AppRegistration, Change, ClientId, ClientSecret, Control, Effect, Fault, FaultAt, Kind, PermissionSet, Sandbox, SandboxClock,
    SandboxOptions, Scenario, TenantId, TenantSetup, demo,
};
use time::macros::datetime;

pub(crate) const TENANT: TenantId = demo::CONTOSO;
/// An app without read permissions. Only the roles of its own tokens show the permissions that it was granted.
pub(crate) const MAIL: ClientId = demo::APP;
/// An app that may read the directory, in addition to Mail.Read.
pub(crate) const READER: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a2);
const READER_SECRET: &str = "sandbox-secret-of-the-reader";
const APPLE: ClientId = demo::APPLE;

use PermissionKind::{Application, Delegated};

use crate::support::same_id;

/// A sandbox with a stopped clock, and a verifier that uses the same clock.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) control: Control,
    verifier: Verifier,
    endpoints: Endpoints,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut scenario = Scenario::demo("http://127.0.0.1:8080/callback");
        scenario.apps.push(reader());
        Self::playing(scenario)
    }

    fn playing(scenario: Scenario) -> Self {
        let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock: clock.clone(), scenario }).unwrap();
        let base: url::Url = sandbox.url().parse().unwrap();
        let endpoints = Endpoints { authority: base.clone(), graph: base, extra_ca: None };
        let verifier = Verifier::new(Clients::new(Roots::Embedded, Rng::system()), Clock::new(move || clock.now()), Rng::system());
        Self { control: sandbox.control(), sandbox, verifier, endpoints }
    }

    pub(crate) fn grant(&self, app: ClientId) {
        self.change(Change::Grant { tenant: TENANT, app, permissions: None });
    }

    pub(crate) fn change(&self, change: Change) {
        self.control.apply(change).unwrap();
    }

    pub(crate) fn fault(&self, at: FaultAt, effect: Effect) {
        self.control.fault(Fault::new(at, effect)).unwrap();
    }

    pub(crate) fn fault_on_part(&self, path: &str, effect: Effect) {
        self.control.fault(Fault::new(FaultAt::Part, effect).on_path(path)).unwrap();
    }

    /// Advances the clock until the cached check expires.
    fn later(&self) {
        self.control.advance(Duration::from_secs(31));
    }

    fn tokens(&self) -> u64 {
        self.control.count(Kind::Token)
    }

    fn batches(&self) -> u64 {
        self.control.count(Kind::Batch)
    }

    /// The mail app verifies itself.
    pub(crate) async fn mail(&self) -> Check {
        self.check(&mail_profile(), MAIL, &secret(demo::APP_SECRET)).await
    }

    /// The reader verifies itself.
    pub(crate) async fn reader(&self) -> Check {
        self.check(&reader_profile(), READER, &secret(READER_SECRET)).await
    }

    /// The reader verifies Apple's app.
    async fn apple(&self) -> Check {
        self.check(&apple_profile(), READER, &secret(READER_SECRET)).await
    }

    async fn check(&self, profile: &AppProfile, verifier: ClientId, credential: &dyn CredentialProvider) -> Check {
        self.check_within(profile, verifier, credential, Duration::from_secs(3)).await
    }

    async fn check_within(&self, profile: &AppProfile, verifier: ClientId, credential: &dyn CredentialProvider, budget: Duration) -> Check {
        let request = CheckRequest {
            profile,
            endpoints: &self.endpoints,
            tenant: same_id(TENANT),
            asker: Asker::App(AskingApp { client: same_id(verifier), credential }),
            check_reason: entra_consent::entra::verifier::CheckReason::Overview,
            popular: false,
            budget,
        };
        self.verifier.check(request).await.unwrap()
    }
}

fn reader() -> AppRegistration {
    AppRegistration {
        home: Some(demo::HOME),
        secrets: vec![ClientSecret { value: READER_SECRET.into(), expires: None }],
        permissions: vec![PermissionSet::graph(&["Directory.Read.All", "Mail.Read"], &["User.Read"])],
        ..AppRegistration::new(READER, "Northwind Reader")
    }
}

fn profile(client: ClientId, id: &str, expected: &[(ResourceId, PermissionKind, &str, Need)]) -> AppProfile {
    let mut resources: Vec<ExpectedResource> = Vec::new();
    for (resource, kind, value, need) in expected {
        let permission = ExpectedPermission {
            kind: *kind,
            value: (*value).into(),
            id: permission_table::by_value(*resource, *kind, value).map(|known| known.id),
            need: *need,
        };
        match resources.iter_mut().find(|known| known.resource == *resource) {
            Some(known) => known.permissions.push(permission),
            None => resources.push(ExpectedResource {
                resource: *resource,
                name: permission_table::resource_name(*resource).unwrap_or("An API").into(),
                permissions: vec![permission],
            }),
        }
    }
    AppProfile {
        id: ProfileId::parse(id).unwrap(),
        client_id: same_id(client),
        name: id.into(),
        cloud: Cloud::Custom("sandbox".into()),
        verified_by: VerifiedBy::Itself,
        verify_in: VerifyIn::Callback,
        expected: resources,
        wording: Wording::default(),
    }
}

pub(crate) fn mail_profile() -> AppProfile {
    let graph = ResourceId::GRAPH;
    profile(MAIL, "mail", &[(graph, Application, "Mail.Read", Need::Required), (graph, Application, "User.Read.All", Need::Required)])
}

pub(crate) fn reader_profile() -> AppProfile {
    let graph = ResourceId::GRAPH;
    profile(
        READER,
        "reader",
        &[
            (graph, Application, "Directory.Read.All", Need::Required),
            (graph, Application, "Mail.Read", Need::Required),
            (graph, Delegated, "User.Read", Need::Required),
        ],
    )
}

fn apple_profile() -> AppProfile {
    let exchange = ResourceId::EXCHANGE_ONLINE;
    profile(
        APPLE,
        "apple",
        &[
            (exchange, Delegated, "EAS.AccessAsUser.All", Need::Required),
            (exchange, Delegated, "EWS.AccessAsUser.All", Need::Required),
            (ResourceId::GRAPH, Delegated, "User.Read", Need::Required),
        ],
    )
}

fn secret(value: &str) -> Arc<Credential> {
    Arc::new(Credential::ClientSecret(Secret::new(value.into())))
}

pub(crate) fn verdict(check: &Check, profile: &AppProfile) -> Verdict {
    check.finding.assess(profile).verdict
}

fn missing(finding: &Finding, profile: &AppProfile) -> Vec<String> {
    finding.assess(profile).difference.missing.iter().map(ToString::to_string).collect()
}

/// A secret store that returns one secret first and another secret from the second read on, and counts reads.
struct Store {
    first: Option<&'static str>,
    rotated: Mutex<Option<&'static str>>,
    asked: AtomicUsize,
}

impl Store {
    fn of(first: Option<&'static str>, rotated: Option<&'static str>) -> Self {
        Self { first, rotated: Mutex::new(rotated), asked: AtomicUsize::new(0) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl CredentialProvider for Store {
    fn credential<'a>(&'a self, refused: &'a [Arc<Credential>]) -> CredentialFuture<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let value = if refused.is_empty() { self.first } else { *self.rotated.lock().unwrap() };
            let credential = value.map(secret).ok_or(CredentialUnavailable)?;
            if refused.iter().any(|refused| refused.is_same_as(&credential)) { Err(CredentialUnavailable) } else { Ok(credential) }
        })
    }
}

fn bare_tenant(id: TenantId) -> TenantSetup {
    TenantSetup::new(id, "Bare", "bare.example")
}
