//! The scenario file: a sandbox's initial apps, tenants, users and faults. docs/sandbox.md has a complete example.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ids::{ClientId, ObjectId, PermissionId, ResourceId, TenantId};
use super::secret::Secret;

use super::catalogue;
use super::fault::Fault;
use super::sts::AwsSetup;

/// The initial state of a sandbox, from TOML, from JSON or from code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// The seed of ids, trace ids and the order of batch answers. The same seed and the same requests give the same run.
    pub seed: u64,
    /// Items on one page of a Graph list. At least 1.
    pub page_size: usize,
    /// APIs in addition to Microsoft Graph and Office 365 Exchange Online. An API with the id of one of these two replaces it.
    pub resources: Vec<ResourceApp>,
    /// App registrations, the operator's own and other companies'.
    pub apps: Vec<AppRegistration>,
    /// The tenants that exist in this simulated cloud.
    pub tenants: Vec<TenantSetup>,
    /// The AWS account whose STS the sandbox also simulates.
    pub aws: AwsSetup,
    /// Faults that are active from the start.
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

/// An API with its published permissions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceApp {
    /// The API's application id.
    pub app_id: ResourceId,
    /// The API's display name.
    pub name: String,
    /// The API's identifier URIs, such as `https://graph.microsoft.com`. In a scope, such a URI is the part before `/.default`.
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
    /// The text on the consent page.
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
    /// The publisher's name, which the consent page shows if the publisher is verified.
    pub publisher: Option<String>,
    /// The app's home tenant. Only a multi-tenant app works in other tenants.
    pub home: Option<TenantId>,
    /// Whether other tenants may consent to the app.
    #[serde(default = "yes")]
    pub multi_tenant: bool,
    /// Whether the app is another company's. Entra then stores a consent whose redirect URI is not registered, and ends on Microsoft's
    /// error page 900561 (protocol reference §1.7). For the operator's own app, Entra refuses such a request before the page, with 50011.
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
    /// Federated identity credentials: the outside issuers whose tokens Entra accepts as client assertions.
    #[serde(default)]
    pub federated: Vec<FederatedSetup>,
    /// The domain that the consent page shows under the name of an unverified publisher (`publisherDomain`).
    pub publisher_domain: Option<String>,
    /// The partner id of a verified publisher (`verifiedPublisherId`). Without this id, the publisher is not verified.
    pub verified_publisher: Option<String>,
    /// The permissions in the registration, which `.default` and the v1 endpoint request.
    #[serde(default)]
    pub permissions: Vec<PermissionSet>,
}

impl AppRegistration {
    /// A multi-tenant app of the operator's with a name, and the defaults of a scenario file.
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

/// A federated identity credential (protocol reference §3.4). Entra compares all three values exactly, case included.
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
    /// The value of the secret.
    pub value: Secret,
    /// The expiry (RFC 3339), after which the error is 7000222. Without it, the secret never expires.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
}

/// A certificate for client assertions, or only its public key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSetup {
    /// The certificate in PEM.
    Pem(String),
    /// The certificate in DER. Only tests use this; a scenario file has `pem`.
    #[serde(skip)]
    Der(Vec<u8>),
    /// The public key with the thumbprint of its certificate.
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
    /// The API. Microsoft Graph by default.
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
    /// The tenant's id.
    pub id: TenantId,
    /// The tenant's display name.
    pub name: String,
    /// The tenant's verified domains. The first is the default domain.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The discovery document's `tenant_region_scope`.
    #[serde(default = "region")]
    pub region: String,
    /// The discovery document's `tenant_region_sub_scope`, such as `GCC`.
    pub region_sub_scope: Option<String>,
    /// The users who can sign in. For an empty list, the sandbox creates an administrator and an ordinary user.
    #[serde(default)]
    pub users: Vec<UserSetup>,
    /// Whether the admin consent workflow is on, so that an ordinary user can request approval.
    #[serde(default = "yes")]
    pub workflow: bool,
    /// The consent policies assigned to ordinary users, such as `ManagePermissionGrantsForSelf.microsoft-user-default-low` (protocol
    /// reference §5.1). The default is Microsoft's default for new tenants. An empty list turns user consent off. Only Graph's answers
    /// depend on these policies.
    #[serde(default = "microsoft_managed")]
    pub user_consent: Vec<String>,
    /// The token endpoint's error for an app without a service principal in this tenant.
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
    /// Apps for which the tenant's first ordinary user has requested approval.
    #[serde(default)]
    pub requested: Vec<ClientId>,
    /// The customers that Graph lists, if the tenant is a partner.
    #[serde(default)]
    pub customers: Vec<PartnerCustomer>,
}

/// A customer of a partner. The sandbox may have no tenant with this id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerCustomer {
    /// The customer's tenant id.
    pub tenant: TenantId,
    /// The customer's name, which may be any text.
    pub name: String,
    /// The customer's default domain.
    #[serde(default)]
    pub domain: String,
    /// Whether `delegatedAdminCustomers` lists the customer.
    #[serde(default = "yes")]
    pub gdap: bool,
    /// The customer's `contractType` in `contracts`, such as `ResellerPartner`. Without one, `contracts` omits the customer.
    pub contract: Option<String>,
    /// The template ids of the administrator roles that `delegatedAdminRelationships` shows. Without one, it omits the customer.
    #[serde(default)]
    pub gdap_roles: Vec<String>,
    /// The days until the relationship ends. Default: 400.
    #[serde(default = "four_hundred")]
    pub gdap_ends_in: u16,
    /// Whether Microsoft extends the relationship by itself.
    #[serde(default)]
    pub gdap_extends: bool,
}

impl PartnerCustomer {
    /// A customer with GDAP and a reseller contract, and no role.
    #[must_use]
    pub fn new(tenant: TenantId, name: &str, domain: &str) -> Self {
        Self {
            tenant,
            name: name.into(),
            domain: domain.into(),
            gdap: true,
            contract: Some("ResellerPartner".into()),
            gdap_roles: Vec::new(),
            gdap_ends_in: four_hundred(),
            gdap_extends: false,
        }
    }
}

impl TenantSetup {
    /// A tenant with one domain, and the defaults of a scenario file.
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
            requested: Vec::new(),
            customers: Vec::new(),
        }
    }
}

/// A user who can sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSetup {
    /// The user's object id. Without one, the sandbox generates an id from the seed.
    pub id: Option<ObjectId>,
    /// The display name.
    pub name: String,
    /// The user principal name, such as `admin@contoso.example`.
    pub upn: String,
    /// The role, which limits the user's consent.
    #[serde(default)]
    pub role: UserRole,
}

/// The permissions that a user may consent to (protocol reference §1.9).
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

/// The token endpoint's error for an app without a service principal in the tenant (protocol reference §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub enum MissingApp {
    /// 401 `invalid_client`, 7000229: the most common error.
    #[default]
    #[serde(rename = "7000229")]
    MissingServicePrincipal,
    /// 400 `unauthorized_client`, 700016: the older wording.
    #[serde(rename = "700016")]
    NotFoundInDirectory,
}

/// Seconds from a consent until each part of Microsoft shows it (protocol reference §4.6). A revocation takes effect at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replication {
    /// Seconds until the token endpoint knows the service principal.
    pub service_principal: u32,
    /// Seconds until new tokens carry the roles. An earlier token never gets them.
    pub roles: u32,
    /// Seconds until Graph shows the service principal, assignments and grants.
    pub graph: u32,
    /// For this number of seconds after each of these moments, every second request still gets the old state.
    pub flapping: u32,
}

/// A consent given before the sandbox started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSetup {
    /// The app.
    pub app: ClientId,
    /// The granted permissions. Without them, those of the registration. An empty list creates only the service principal.
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
    /// The file is not TOML, or not a scenario. The text names line and key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// The file is not JSON, or not a scenario. The text names line and column.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The scenario contradicts itself. The text names the place.
    #[error("{0}")]
    Contradiction(String),
}

impl Scenario {
    /// Reads a scenario file: JSON if the name ends in `.json`, else TOML.
    ///
    /// # Errors
    /// [`ScenarioError`] with the problem and its place.
    pub fn from_path(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable(path.display().to_string(), error))?;
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            Self::from_json(&text)
        } else {
            Self::from_toml(&text)
        }
    }

    /// # Errors
    /// [`ScenarioError`] if the text is not TOML, is not a scenario, or contradicts itself.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str::<Self>(text)?.checked()
    }

    /// # Errors
    /// [`ScenarioError`] if the text is not JSON, is not a scenario, or contradicts itself.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        serde_json::from_str::<Self>(text)?.checked()
    }

    /// The built-in resources and the scenario's own.
    pub(super) fn all_resources(&self) -> Vec<ResourceApp> {
        let own = |id: ResourceId| self.resources.iter().any(|resource| resource.app_id == id);
        let built_in = catalogue::built_in().into_iter().filter(|resource| !own(resource.app_id));
        built_in.chain(self.resources.iter().cloned()).collect()
    }

    /// Checks the list as a whole. The state checks each tenant and each app when it is added, because the control address adds them too.
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

fn four_hundred() -> u16 {
    400
}

fn region() -> String {
    "EU".into()
}

/// The policies of "Let Microsoft manage your consent settings" (protocol reference §5.2).
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
