//! The installation under examination, with a cache of what `doctor` has read from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::finding::{FindingSubject, Findings};
use crate::config::{ConfiguredApp, CredentialSource};
use crate::consent::aadsts::{self, Obstacle};
use crate::consent::profile::PermissionKind;
use crate::consent::{ClientId, PermissionId, ProfileId, ResourceId, TenantId, permission_table};
use crate::entra::credential::CertificateKey;
use crate::entra::published::{self, Published};
use crate::entra::registration::Registration;
use crate::entra::token::{AccessToken, Refused, TokenRefusal};
use crate::entra::verifier::{NoToken, RegistrationUnread};
use crate::installation::{BulkVerifier, Installation};

/// Most cached tokens: the home tenant's and one customer's, for each of a few verifiers.
const MAX_TOKENS: usize = 16;

/// The installation under examination.
pub(super) struct DoctorContext<'s> {
    pub(super) installation: &'s Installation,
    pub(super) bulk_verifier: BulkVerifier<'s>,
    /// No network calls.
    pub(super) offline: bool,
    registrations: BTreeMap<ProfileId, Arc<Result<Registration, RegistrationUnread>>>,
    tokens: BTreeMap<ProfileId, AccessToken>,
    published: BTreeMap<ResourceId, Option<Published>>,
}

impl<'s> DoctorContext<'s> {
    pub(super) fn new(installation: &'s Installation, offline: bool) -> Self {
        let bulk_verifier = installation.bulk_verifier(MAX_TOKENS);
        Self { installation, bulk_verifier, offline, registrations: BTreeMap::new(), tokens: BTreeMap::new(), published: BTreeMap::new() }
    }

    /// The registration of an app, or why it is unreadable. The registration is read only once.
    pub(super) async fn registration(&mut self, app: &ConfiguredApp) -> Arc<Result<Registration, RegistrationUnread>> {
        if let Some(known) = self.registrations.get(&app.profile.id) {
            return Arc::clone(known);
        }
        let read = Arc::new(self.installation.registration(app).await);
        self.registrations.insert(app.profile.id.clone(), Arc::clone(&read));
        read
    }

    /// Checks that a credential is readable and valid, and that the home tenant issues a token for it.
    pub(super) async fn credential(&mut self, verifier: &ConfiguredApp, findings: &mut Findings) {
        let id = &verifier.profile.id;
        let about = FindingSubject::app("credential", id);
        let why = "Without it no approval of this app can be verified: every outcome is `operator_fault`.";
        let Some(source) = &verifier.credential else { return };
        if let Some(place) = source.kept_in() {
            let secret = match self.installation.secrets().get(place).await {
                Ok(secret) => secret,
                Err(error) => {
                    let remedy = format!("Put it where consent.toml says, {place}; docs/register.md, \"Give it a credential\", makes one.");
                    return findings.wrong(about, format!("The credential cannot be read: {}.", error.reason), why, remedy);
                }
            };
            if let CredentialSource::Certificate(_) = source
                && let Err(error) = CertificateKey::from_pem(&secret)
            {
                let what = format!("The certificate cannot be used: {error}.");
                return findings.wrong(about, what, why, "docs/register.md, \"Give it a credential\".");
            }
        }
        if self.offline {
            let what = "Microsoft was not asked whether it takes the credential (--offline).";
            return findings.unseen(about, what, "", "Run doctor without --offline.");
        }
        let Some(home) = self.installation.config.site.home_tenant else {
            let remedy = "Set site.home_tenant (entra-consent tenant YOUR-DOMAIN shows it), or prove it with --tenant CUSTOMER.";
            return findings.unseen(about, "The credential was not tried: no tenant is known to try it in.", why, remedy);
        };
        match self.bulk_verifier.graph_token(verifier, home).await {
            Ok(token) => {
                findings.fine(about, "Microsoft takes the credential: a token was minted in the home tenant.");
                self.tokens.insert(id.clone(), token);
            }
            Err(NoToken::Refused(refusal)) => refused(about, &refusal, home, why, findings),
            Err(error) => findings.wrong(about, format!("No token: {error}."), why, "docs/register.md, \"Give it a credential\"."),
        }
    }

    /// The name of a permission in a registration, or its id if the name is unknown.
    pub(super) async fn name_of(&mut self, app: &ConfiguredApp, resource: ResourceId, kind: PermissionKind, id: PermissionId) -> String {
        if let Some(known) = permission_table::by_id(resource, kind, id) {
            return known.value.to_owned();
        }
        let configured = app.profile.on(resource).and_then(|on| on.permissions.iter().find(|one| one.kind == kind && one.id == Some(id)));
        if let Some(configured) = configured {
            return configured.value.to_string();
        }
        let published = self.published(app, resource).await;
        published.and_then(|published| published.value(kind, id).map(str::to_owned)).unwrap_or_else(|| id.to_string())
    }

    /// The permissions of a resource, as the home tenant shows them to the app's verifier. `None` if the home tenant does not show them.
    pub(super) async fn published(&mut self, app: &ConfiguredApp, resource: ResourceId) -> Option<&Published> {
        if !self.published.contains_key(&resource) {
            let read = self.read_published(app, resource).await;
            self.published.insert(resource, read);
        }
        self.published.get(&resource)?.as_ref()
    }

    async fn read_published(&self, app: &ConfiguredApp, resource: ResourceId) -> Option<Published> {
        let verifier = self.installation.config.verifier_of(app)?;
        let token = self.tokens.get(&verifier.profile.id)?;
        let http = self.bulk_verifier.http(app).ok()?;
        published::read(&http, &app.endpoints, &token.secret, resource, self.installation.clock.now()).await.ok()
    }

    /// The click path to an app's registration.
    pub(super) fn registration_path(client: ClientId) -> String {
        format!("Entra admin centre → App registrations → {client}")
    }
}

/// Reports a refusal of the home tenant's token endpoint.
fn refused(about: FindingSubject<'_>, refusal: &TokenRefusal, home: TenantId, why: &'static str, findings: &mut Findings) {
    let code = refusal.code.map(|code| format!(" ({code})")).unwrap_or_default();
    match &refusal.refused {
        Refused::Meaning(Obstacle::OperatorFault | Obstacle::OwnCredential | Obstacle::StaleCredential) | Refused::CannotSign => {
            let means = refusal.code.map(|code| format!("{} ", aadsts::lookup(code).operator())).unwrap_or_default();
            let remedy = format!("{means}docs/register.md, \"What goes wrong\", lists the codes.");
            findings.wrong(about, format!("Microsoft refuses the credential{code}."), why, remedy);
        }
        Refused::Meaning(Obstacle::NotGranted) => findings.unseen(
            about,
            format!("The app is not approved in your own tenant{code}, so the credential cannot be proved there."),
            "A token is given only where the app has a service principal.",
            format!(
                "Approve it for yourselves: Entra admin centre → App registrations → the app → API permissions → Grant admin consent. \
                 Or prove it with --tenant CUSTOMER. (Your own tenant: {home}.)"
            ),
        ),
        Refused::Meaning(Obstacle::TenantNotFound) => findings.wrong(
            about,
            format!("Your own tenant {home} does not exist in this cloud{code}."),
            why,
            "entra-consent tenant YOUR-DOMAIN shows its id, for site.home_tenant.",
        ),
        Refused::Meaning(meaning) => findings.unseen(
            about,
            format!("Microsoft gives no token in your own tenant{code}: {}.", meaning.name()),
            why,
            "Run doctor again later; docs/aadsts.md explains the code.",
        ),
        Refused::NoAnswer(reason) => {
            findings.unseen(about, format!("Microsoft does not answer: {reason}."), why, "Check the network and run doctor again.");
        }
    }
}
