//! The simulated cloud: apps, resources, tenants, and the tokens it has issued.

use std::collections::{BTreeMap, HashMap};

use time::OffsetDateTime;

use super::ids::{ClientId, ObjectId, PermissionId, ResourceId, TenantId};

use super::assertion::VerifiedAssertion;
use super::certificate::RegisteredCertificate;
use super::clock::SandboxClock;
use super::consent::permission_names;
use super::fault::{Effect, FaultTarget, Faults};
use super::log::RequestLog;
use super::rng::SeededRng;
use super::scenario::{
    AppRegistration, ClientSecret, FederatedSetup, Permission, PermissionSet, ResourceApp, Scenario, ScenarioError, TenantSetup, UserRole,
};
use super::sts::AwsSetup;
use super::tenant::{ApprovalRequest, Grant, RequestState, Tenant};

/// The whole state. One lock protects it.
#[derive(Debug)]
pub(super) struct World {
    /// The address `http://localhost:PORT`.
    pub(super) base: String,
    pub(super) aws: AwsSetup,
    pub(super) clock: SandboxClock,
    pub(super) rng: SeededRng,
    pub(super) page_size: usize,
    pub(super) resources: BTreeMap<ResourceId, ResourceApp>,
    pub(super) apps: BTreeMap<ClientId, App>,
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    /// Tenants by lower-case domain, because a lookup must stay fast with 100,000 tenants.
    domains: HashMap<String, TenantId>,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    /// Keyed by SHA-256, because 100,000 complete tokens would be large.
    tokens: HashMap<Vec<u8>, IssuedToken>,
    /// The `jti` values of client assertions. The value is the Unix second until which the sandbox remembers the `jti`.
    assertions: HashMap<(ClientId, String), i64>,
}

/// An app registration with its credentials parsed.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) publisher: Option<String>,
    pub(super) home: Option<TenantId>,
    pub(super) multi_tenant: bool,
    pub(super) third_party: bool,
    pub(super) redirect_uris: Vec<String>,
    pub(super) secrets: Vec<ClientSecret>,
    pub(super) certificates: Vec<RegisteredCertificate>,
    pub(super) federated: Vec<FederatedSetup>,
    pub(super) publisher_domain: Option<String>,
    pub(super) verified_publisher: Option<String>,
    pub(super) permissions: Grant,
}

impl App {
    /// The publisher's name, which Microsoft shows only if it has verified the publisher.
    pub(super) fn shown_publisher(&self) -> Option<&str> {
        self.verified_publisher.as_ref().map(|_| self.publisher.as_deref().unwrap_or(&self.name))
    }
}

/// An issued access token, as Graph remembers it.
#[derive(Debug, Clone)]
pub(super) struct IssuedToken {
    pub(super) tenant: TenantId,
    pub(super) resource: ResourceId,
    /// The roles at issue time, which decide Graph's answers for the token's whole life.
    pub(super) roles: Vec<String>,
    pub(super) expires: i64,
}

impl World {
    pub(super) fn new(scenario: &Scenario, clock: SandboxClock, base: &str) -> Result<Self, ScenarioError> {
        scenario.check_lists()?;
        let mut world = Self {
            base: base.to_owned(),
            aws: scenario.aws.clone(),
            clock,
            rng: SeededRng::new(scenario.seed),
            page_size: scenario.page_size.max(1),
            resources: BTreeMap::new(),
            apps: BTreeMap::new(),
            tenants: BTreeMap::new(),
            domains: HashMap::new(),
            faults: Faults::default(),
            log: RequestLog::default(),
            tokens: HashMap::new(),
            assertions: HashMap::new(),
        };
        for mut resource in scenario.all_resources() {
            if resource.app_id == ResourceId::GRAPH {
                // The sandbox simulates Graph, so the sandbox's own address is Graph's identifier, in both spellings.
                let loopback = base.replacen("//localhost", "//127.0.0.1", 1);
                resource.identifiers.splice(0..0, [base.to_owned(), loopback]);
            }
            world.resources.insert(resource.app_id, resource);
        }
        for app in &scenario.apps {
            world.add_app(app).map_err(ScenarioError::Contradiction)?;
        }
        for tenant in &scenario.tenants {
            world.add_tenant(tenant).map_err(ScenarioError::Contradiction)?;
        }
        let now = world.now();
        for (at, fault) in scenario.faults.iter().enumerate() {
            let refused = |reason| ScenarioError::Contradiction(format!("faults[{at}]: {reason}"));
            world.faults.add(fault.clone(), now).map_err(refused)?;
        }
        Ok(world)
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(super) fn add_app(&mut self, setup: &AppRegistration) -> Result<(), String> {
        let of = |reason: String| format!("app {} ({}): {reason}", setup.client_id, setup.name);
        let mut certificates = Vec::new();
        for certificate in &setup.certificates {
            certificates.push(RegisteredCertificate::read(certificate).map_err(of)?);
        }
        if !setup.multi_tenant && setup.home.is_none() {
            return Err(of("an app that is not multi-tenant needs its home".into()));
        }
        check_redirect_uris(&setup.redirect_uris).map_err(of)?;
        let app = App {
            name: setup.name.clone(),
            publisher: setup.publisher.clone(),
            home: setup.home,
            multi_tenant: setup.multi_tenant,
            third_party: setup.third_party,
            redirect_uris: setup.redirect_uris.clone(),
            secrets: setup.secrets.clone(),
            certificates,
            federated: setup.federated.clone(),
            publisher_domain: setup.publisher_domain.clone(),
            verified_publisher: setup.verified_publisher.clone(),
            permissions: self.resolve(&setup.permissions).map_err(of)?,
        };
        self.apps.insert(setup.client_id, app);
        Ok(())
    }

    pub(super) fn add_tenant(&mut self, setup: &TenantSetup) -> Result<(), String> {
        let of = |reason: String| format!("tenant {} ({}): {reason}", setup.id, setup.name);
        if self.tenants.contains_key(&setup.id) {
            return Err(of("it exists already".into()));
        }
        if let Some(taken) = setup.domains.iter().find(|domain| self.domains.contains_key(&domain.to_ascii_lowercase())) {
            return Err(of(format!("the domain {taken} belongs to another tenant")));
        }
        let mut tenant = Tenant::new(setup, self.resources.keys().copied(), &mut self.rng);
        for granted in &setup.granted {
            let app = self.apps.get(&granted.app).ok_or_else(|| of(format!("no app {} is described", granted.app)))?;
            let grant = match &granted.permissions {
                Some(sets) => self.resolve(sets).map_err(of)?,
                None => app.permissions.clone(),
            };
            tenant.consent(granted.app, &grant, OffsetDateTime::UNIX_EPOCH, &mut self.rng);
            tenant.set_enabled(granted.app, granted.enabled);
        }
        for &app in &setup.requested {
            let grant = &self.apps.get(&app).ok_or_else(|| of(format!("no app {app} is described")))?.permissions;
            let scopes = permission_names(self, grant);
            let user = tenant.users.iter().find(|user| user.role == UserRole::User);
            let user = user.ok_or_else(|| of("it has no ordinary user, who could request approval".into()))?.id;
            let (id, created) = (self.rng.uuid().to_string(), self.now());
            tenant.requests.push(ApprovalRequest { id, app, scopes, user, created, state: RequestState::Open });
        }
        for domain in &setup.domains {
            self.domains.insert(domain.to_ascii_lowercase(), setup.id);
        }
        self.tenants.insert(setup.id, tenant);
        Ok(())
    }

    pub(super) fn remove_tenant(&mut self, id: TenantId) -> bool {
        self.domains.retain(|_, tenant| *tenant != id);
        self.tenants.remove(&id).is_some()
    }

    /// The tenant that a GUID or a verified domain names.
    pub(super) fn tenant_named(&self, name: &str) -> Option<TenantId> {
        match name.parse() {
            Ok(id) => self.tenants.contains_key(&id).then_some(id),
            Err(_) => self.domains.get(&name.to_ascii_lowercase()).copied(),
        }
    }

    /// Permissions by value or id, looked up in their resources.
    pub(super) fn resolve(&self, sets: &[PermissionSet]) -> Result<Grant, String> {
        let mut grant = Grant::default();
        for set in sets {
            let id = set.resource;
            let resource = self.resources.get(&id).ok_or_else(|| format!("no resource {id} is described"))?;
            for wanted in &set.application {
                let role =
                    find(&resource.roles, wanted).ok_or_else(|| format!("{} has no application permission {wanted:?}", resource.name))?;
                grant.add_role(id, role.id);
            }
            for wanted in &set.delegated {
                let scope =
                    find(&resource.scopes, wanted).ok_or_else(|| format!("{} has no delegated permission {wanted:?}", resource.name))?;
                grant.add_scope(id, &scope.value);
            }
        }
        Ok(grant)
    }

    pub(super) fn role(&self, resource: ResourceId, role: PermissionId) -> Option<&Permission> {
        self.resources.get(&resource)?.roles.iter().find(|candidate| candidate.id == role)
    }

    /// The resource that an identifier URI or an application id names.
    pub(super) fn resource_named(&self, name: &str) -> Option<&ResourceApp> {
        match name.parse::<ResourceId>() {
            Ok(id) => self.resources.get(&id),
            Err(_) => {
                let name = name.trim_end_matches('/');
                self.resources.values().find(|resource| resource.identifiers.iter().any(|uri| uri.trim_end_matches('/') == name))
            }
        }
    }

    /// The effects of all faults that match this request now.
    pub(super) fn strike(&mut self, target: FaultTarget<'_>) -> Vec<Effect> {
        let now = self.now();
        self.faults.strike(target, now)
    }

    pub(super) fn remember_token(&mut self, text: &str, token: IssuedToken, now: i64) {
        // A run may have many thousands of tenants, so the sandbox drops tokens that Graph would refuse anyway.
        if self.tokens.len() >= 10_000 && self.tokens.len().is_power_of_two() {
            self.tokens.retain(|_, token| token.expires > now);
        }
        self.tokens.insert(token_key(text), token);
    }

    /// The issued token with this text.
    pub(super) fn token(&self, text: &str) -> Option<&IssuedToken> {
        self.tokens.get(&token_key(text))
    }

    /// Whether this is the first use of a client assertion.
    pub(super) fn first_use(&mut self, client: ClientId, assertion: VerifiedAssertion, now: i64) -> bool {
        if self.assertions.len() >= 10_000 && self.assertions.len().is_power_of_two() {
            self.assertions.retain(|_, until| *until > now);
        }
        self.assertions.insert((client, assertion.jti), assertion.until).is_none()
    }

    pub(super) fn user_tenant(&self, user: ObjectId) -> Option<TenantId> {
        self.tenants.iter().find(|(_, tenant)| tenant.user(user).is_some()).map(|(id, _)| *id)
    }
}

fn token_key(text: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Checks that redirect URIs are valid in a header, because an answer copies them into a header unchanged.
pub(super) fn check_redirect_uris(uris: &[String]) -> Result<(), String> {
    let bad = |uri: &&String| url::Url::parse(uri).is_err() || !uri.bytes().all(|byte| byte.is_ascii_graphic());
    uris.iter().find(bad).map_or(Ok(()), |uri| Err(format!("the redirect URI {uri:?} is not a URI in ASCII")))
}

fn find<'a>(permissions: &'a [Permission], wanted: &str) -> Option<&'a Permission> {
    let id = wanted.parse::<PermissionId>().ok();
    permissions.iter().find(|permission| permission.value.eq_ignore_ascii_case(wanted) || Some(permission.id) == id)
}
