//! The scenario file: which apps, tenants, users and faults a sandbox starts with. docs/sandbox.md shows one in full.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{ClientId, ObjectId, PermissionId, ResourceId, TenantId};
use super::secret::Secret;

use super::catalogue;
use super::fault::Fault;
use super::sts::AwsSetup;

/// The initial state of a sandbox. Read from TOML or JSON, or built in code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Where ids, trace ids and the order of batch answers come from: the same seed and the same requests give the same run.
    pub seed: u64,
    /// Items on one page of a Graph list. At least 1.
    pub page_size: usize,
    /// APIs besides Microsoft Graph and Office 365 Exchange Online. One with the id of those replaces it.
    pub resources: Vec<ResourceApp>,
    /// App registrations, the operator's own and other companies'.
    pub apps: Vec<AppRegistration>,
    /// The tenants that exist in this simulated cloud.
    pub tenants: Vec<TenantSetup>,
    /// The AWS account whose STS the sandbox also simulates.
    pub aws: AwsSetup,
    /// Faults that are in force from the start.
    pub faults: Vec<Fault>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            page_size: 100,
            resources: Vec::new(),
            apps: Vec::new(),
            tenants: Vec::new(),
            aws: AwsSetup::default(),
            faults: Vec::new(),
        }
    }
}

/// An API with the permissions it publishes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceApp {
    /// Its application id.
    pub app_id: ResourceId,
    /// Its display name.
    pub name: String,
    /// Its identifier URIs, such as `https://graph.microsoft.com`: the part of a scope before `/.default`.
    #[serde(default)]
    pub identifiers: Vec<String>,
    /// App roles: application permissions.
    #[serde(default)]
    pub roles: Vec<Permission>,
    /// Scopes: delegated permissions.
    #[serde(default)]
    pub scopes: Vec<Permission>,
}

/// An app role or a scope as its resource publishes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The id that app role assignments carry.
    pub id: PermissionId,
    /// The name that tokens and delegated grants carry, such as `Mail.Read`.
    pub value: String,
    /// The line on the consent page.
    #[serde(default)]
    pub name: String,
}

/// An app registration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRegistration {
    /// The application (client) id.
    pub client_id: ClientId,
    /// The display name.
    pub name: String,
    /// The publisher's name on the consent page.
    #[serde(default)]
    pub publisher: Option<String>,
    /// The tenant it is registered in: where it works when it is not multi-tenant.
    #[serde(default)]
    pub home: Option<TenantId>,
    /// Whether other tenants may consent to it.
    #[serde(default = "yes")]
    pub multi_tenant: bool,
    /// Another company's app: a consent whose redirect URI is not registered is stored all the same and ends on Microsoft's
    /// error page 900561 (protocol reference §1.7). With an app of the operator's own it is refused with 50011 beforehand.
    #[serde(default)]
    pub third_party: bool,
    /// The registered redirect URIs, compared exactly.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Client secrets.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// Certificates for client assertions.
    #[serde(default)]
    pub certificates: Vec<CertificateSetup>,
    /// Federated identity credentials: issuers elsewhere whose tokens are taken as client assertions.
    #[serde(default)]
    pub federated: Vec<FederatedSetup>,
    /// The domain that the consent page shows under the name of an unverified publisher (`publisherDomain`).
    #[serde(default)]
    pub publisher_domain: Option<String>,
    /// The partner id of a verified publisher (`verifiedPublisherId`); without one the publisher is not verified.
    #[serde(default)]
    pub verified_publisher: Option<String>,
    /// The permissions listed in the registration: what `.default` and the v1 endpoint ask for.
    #[serde(default)]
    pub permissions: Vec<PermissionSet>,
}

impl AppRegistration {
    /// A multi-tenant app of the operator's with nothing but a name; everything else as a scenario file leaves it.
    #[must_use]
    pub fn new(client_id: ClientId, name: &str) -> Self {
        Self {
            client_id,
            name: name.into(),
            publisher: None,
            home: None,
            multi_tenant: true,
            third_party: false,
            redirect_uris: Vec::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            publisher_domain: None,
            verified_publisher: None,
            permissions: Vec::new(),
        }
    }
}

/// A federated identity credential (protocol reference §3.4). All three are compared exactly, in case as well.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedSetup {
    /// The issuer, as its tokens spell it in `iss`.
    pub issuer: String,
    /// The subject, as its tokens spell it in `sub`.
    pub subject: String,
    /// The audience.
    #[serde(default = "token_exchange")]
    pub audience: String,
}

/// A client secret of an app registration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// The secret itself.
    pub value: Secret,
    /// Its end (RFC 3339), after which the answer is 7000222. None if absent.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
}

/// A certificate, or only its public key, that client assertions may be signed for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSetup {
    /// The certificate in PEM.
    Pem(String),
    /// The certificate in DER. For tests; a scenario file has `pem`.
    #[serde(skip)]
    Der(Vec<u8>),
    /// The public key alone, with the thumbprint of the certificate it is said to come from.
    #[serde(rename = "key")]
    Key(PublicKeySetup),
}

/// A public key registered without its certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeySetup {
    /// The `SubjectPublicKeyInfo` in DER, base64.
    pub spki: String,
    /// The SHA-256 thumbprint of the certificate, 64 hex digits.
    pub sha256: String,
}

/// Permissions of one resource, by value (`Mail.Read`) or by id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// The API. Microsoft Graph where it is left out.
    #[serde(default = "graph")]
    pub resource: ResourceId,
    /// Application permissions.
    #[serde(default)]
    pub application: Vec<String>,
    /// Delegated permissions.
    #[serde(default)]
    pub delegated: Vec<String>,
}

impl PermissionSet {
    /// Permissions of Microsoft Graph.
    #[must_use]
    pub fn graph(application: &[&str], delegated: &[&str]) -> Self {
        Self::of(ResourceId::GRAPH, application, delegated)
    }

    /// Permissions of any resource.
    #[must_use]
    pub fn of(resource: ResourceId, application: &[&str], delegated: &[&str]) -> Self {
        let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        Self { resource, application: owned(application), delegated: owned(delegated) }
    }
}

/// A tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSetup {
    /// Its id.
    pub id: TenantId,
    /// Its display name.
    pub name: String,
    /// Its verified domains; the first is the default one.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The discovery document's `tenant_region_scope`.
    #[serde(default = "region")]
    pub region: String,
    /// The discovery document's `tenant_region_sub_scope`, such as `GCC`.
    #[serde(default)]
    pub region_sub_scope: Option<String>,
    /// Who can sign in. When empty, an administrator and an ordinary user are made.
    #[serde(default)]
    pub users: Vec<UserSetup>,
    /// Whether the admin consent workflow is on, so that an ordinary user can request approval.
    #[serde(default = "yes")]
    pub workflow: bool,
    /// The consent policies assigned to ordinary users, such as `ManagePermissionGrantsForSelf.microsoft-user-default-low` (protocol
    /// reference §5.1). Microsoft's default for new tenants if absent; an empty list turns user consent off. Only
    /// Graph's answers depend on it.
    #[serde(default = "microsoft_managed")]
    pub user_consent: Vec<String>,
    /// How the token endpoint says that an app has no service principal here.
    #[serde(default)]
    pub missing_app: MissingApp,
    /// Resources without a service principal in this tenant: consent and tokens for them fail with 500011.
    #[serde(default)]
    pub missing_resources: Vec<ResourceId>,
    /// The replication delays.
    #[serde(default)]
    pub replication: Replication,
    /// Consents from long before the sandbox started.
    #[serde(default)]
    pub granted: Vec<GrantSetup>,
    /// If the tenant is a partner: its customers, as Graph lists them.
    #[serde(default)]
    pub customers: Vec<PartnerCustomer>,
}

/// A customer of a partner. The sandbox may have no tenant with this id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerCustomer {
    /// The customer's tenant id.
    pub tenant: TenantId,
    /// Its name, any text.
    pub name: String,
    /// Its default domain.
    #[serde(default)]
    pub domain: String,
    /// Whether it is among `delegatedAdminCustomers`.
    #[serde(default = "yes")]
    pub gdap: bool,
    /// The `contractType` with which it is among `contracts`, such as `ResellerPartner`.
    #[serde(default)]
    pub contract: Option<String>,
}

impl TenantSetup {
    /// A tenant with one domain and everything else as a scenario file leaves it.
    #[must_use]
    pub fn new(id: TenantId, name: &str, domain: &str) -> Self {
        Self {
            id,
            name: name.into(),
            domains: vec![domain.into()],
            region: region(),
            region_sub_scope: None,
            users: Vec::new(),
            workflow: true,
            user_consent: microsoft_managed(),
            missing_app: MissingApp::default(),
            missing_resources: Vec::new(),
            replication: Replication::default(),
            granted: Vec::new(),
            customers: Vec::new(),
        }
    }
}

/// A user who can sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSetup {
    /// The user's object id; made from the seed when absent.
    #[serde(default)]
    pub id: Option<ObjectId>,
    /// The display name.
    pub name: String,
    /// The user principal name, such as `admin@contoso.example`.
    pub upn: String,
    /// What the user may consent to.
    #[serde(default)]
    pub role: UserRole,
}

/// What a user may consent to (protocol reference §1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UserRole {
    /// Global or Privileged Role Administrator: anything.
    Administrator,
    /// Cloud Application Administrator: anything but Microsoft Graph application permissions.
    AppAdministrator,
    /// An ordinary user: nothing tenant-wide.
    #[default]
    User,
}

/// How the token endpoint says that an app has no service principal in a tenant (protocol reference §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub enum MissingApp {
    /// 401 `invalid_client`, 7000229: the answer seen most.
    #[default]
    #[serde(rename = "7000229")]
    MissingServicePrincipal,
    /// 400 `unauthorized_client`, 700016: the older wording.
    #[serde(rename = "700016")]
    NotFoundInDirectory,
}

/// Seconds from a consent until each part of Microsoft sees it (protocol reference §4.6). A revocation takes effect at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replication {
    /// Until the token endpoint knows the service principal.
    pub service_principal: u32,
    /// Until new tokens carry the roles. A token minted earlier stays without them for its whole life.
    pub roles: u32,
    /// Until Graph shows the service principal, assignments and grants.
    pub graph: u32,
    /// For that long after each of these moments, every second request still gets the old state.
    pub flapping: u32,
}

/// A consent given before the sandbox started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSetup {
    /// The app.
    pub app: ClientId,
    /// What was granted; the permissions of the registration where it is left out. An empty list leaves a bare service
    /// principal.
    #[serde(default)]
    pub permissions: Option<Vec<PermissionSet>>,
    /// Whether the service principal is enabled.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// Why a scenario is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("{0}: {1}")]
    Unreadable(String, #[source] std::io::Error),
    /// Not TOML, or not of the form of a scenario. The text names line and key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Not JSON, or not of the form of a scenario. The text names line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It contradicts itself; the text says where.
    #[error("{0}")]
    Contradiction(String),
}

impl Scenario {
    /// Reads a scenario file: JSON where the name ends in `.json`, else TOML.
    ///
    /// # Errors
    /// [`ScenarioError`] says what is wrong, and where.
    pub fn from_path(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable(path.display().to_string(), error))?;
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            Self::from_json(&text)
        } else {
            Self::from_toml(&text)
        }
    }

    /// # Errors
    /// [`ScenarioError`] when it is not TOML, not of the form of a scenario, or contradicts itself.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str::<Self>(text)?.checked()
    }

    /// # Errors
    /// [`ScenarioError`] when it is not JSON, not of the form of a scenario, or contradicts itself.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        serde_json::from_str::<Self>(text)?.checked()
    }

    /// The resources: the built-in ones and the scenario's own.
    pub(super) fn all_resources(&self) -> Vec<ResourceApp> {
        let own = |id: ResourceId| self.resources.iter().any(|resource| resource.app_id == id);
        let built_in = catalogue::built_in().into_iter().filter(|resource| !own(resource.app_id));
        built_in.chain(self.resources.iter().cloned()).collect()
    }

    /// What can be said wrong about one tenant or app on its own is found where it enters the sandbox's state, since the
    /// control address adds them too; here only what concerns the list.
    fn checked(self) -> Result<Self, ScenarioError> {
        super::state::World::new(&self, super::clock::SandboxClock::system(), "http://localhost")?;
        Ok(self)
    }

    pub(super) fn check_lists(&self) -> Result<(), ScenarioError> {
        let mut seen = BTreeSet::new();
        let ids = (self.apps.iter().map(|app| format!("app {}", app.client_id)))
            .chain(self.tenants.iter().map(|tenant| format!("tenant {}", tenant.id)))
            .chain(self.resources.iter().map(|resource| format!("resource {}", resource.app_id)))
            .chain(
                self.tenants
                    .iter()
                    .flat_map(|tenant| tenant.domains.iter().map(|domain| format!("domain {}", domain.to_ascii_lowercase()))),
            );
        for id in ids {
            if let Some(twice) = seen.replace(id) {
                return Err(ScenarioError::Contradiction(format!("{twice} is described twice")));
            }
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

fn region() -> String {
    "EU".into()
}

/// "Let Microsoft manage your consent settings" (protocol reference §5.2).
fn microsoft_managed() -> Vec<String> {
    ["microsoft-user-default-recommended", "microsoft-user-default-allow-consent-apps"]
        .map(|policy| format!("ManagePermissionGrantsForSelf.{policy}"))
        .into()
}

fn token_exchange() -> String {
    "api://AzureADTokenExchange".into()
}

fn graph() -> ResourceId {
    ResourceId::GRAPH
}
