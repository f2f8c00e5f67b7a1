//! One tenant: its users, its service principals, their grants, and when each of these becomes visible.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use super::ids::{ClientId, ObjectId, PermissionId, ResourceId};

use super::rng::SeededRng;
use super::scenario::{MissingApp, PartnerCustomer, Replication, TenantSetup, UserRole};

/// The permissions of a request or a grant, for each resource: roles by id and scopes by value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) roles: BTreeSet<(ResourceId, PermissionId)>,
    pub(super) scopes: BTreeSet<(ResourceId, String)>,
}

impl Grant {
    pub(super) fn add_role(&mut self, resource: ResourceId, role: PermissionId) {
        self.roles.insert((resource, role));
    }

    pub(super) fn add_scope(&mut self, resource: ResourceId, scope: &str) {
        self.scopes.insert((resource, scope.to_owned()));
    }

    pub(super) fn resources(&self) -> BTreeSet<ResourceId> {
        let roles = self.roles.iter().map(|(resource, _)| *resource);
        roles.chain(self.scopes.iter().map(|(resource, _)| *resource)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.scopes.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) name: String,
    pub(super) domains: Vec<String>,
    pub(super) region: String,
    pub(super) region_sub_scope: Option<String>,
    pub(super) workflow: bool,
    pub(super) user_consent: Vec<String>,
    pub(super) missing_app: MissingApp,
    pub(super) replication: Replication,
    pub(super) users: Vec<User>,
    /// Service principals of resources, each with its own object id in each tenant.
    pub(super) resources: BTreeMap<ResourceId, ObjectId>,
    pub(super) principals: BTreeMap<ClientId, ServicePrincipal>,
    pub(super) requests: Vec<ApprovalRequest>,
    pub(super) customers: Vec<PartnerCustomer>,
    /// The number of reads of an inconsistent state. Every second read gets the old state.
    looks: u64,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: ObjectId,
    pub(super) name: String,
    pub(super) upn: String,
    pub(super) role: UserRole,
}

#[derive(Debug)]
pub(super) struct ServicePrincipal {
    pub(super) id: ObjectId,
    pub(super) enabled: bool,
    pub(super) created: OffsetDateTime,
    pub(super) roles: Vec<RoleAssignment>,
    pub(super) grants: Vec<DelegatedGrant>,
}

#[derive(Debug, Clone)]
pub(super) struct RoleAssignment {
    pub(super) id: String,
    pub(super) resource: ResourceId,
    pub(super) role: PermissionId,
    pub(super) created: OffsetDateTime,
}

#[derive(Debug, Clone)]
pub(super) struct DelegatedGrant {
    pub(super) id: String,
    pub(super) resource: ResourceId,
    /// The user who consented for themselves; `None` for everyone (`AllPrincipals`).
    pub(super) user: Option<ObjectId>,
    pub(super) scopes: BTreeMap<String, OffsetDateTime>,
}

/// An admin consent request (protocol reference §5.3).
#[derive(Debug, Clone)]
pub(super) struct ApprovalRequest {
    pub(super) id: String,
    pub(super) app: ClientId,
    pub(super) scopes: Vec<String>,
    pub(super) user: ObjectId,
    pub(super) created: OffsetDateTime,
    pub(super) state: RequestState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestState {
    Open,
    Approved,
    Denied,
}

/// The part of Microsoft that reads. Each part sees a consent after another delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eye {
    /// The token endpoint, for service principals.
    Authority,
    /// The token endpoint, for roles.
    Roles,
    /// Graph.
    Graph,
}

/// The visible state for one request: objects created before `until`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    authority: OffsetDateTime,
    roles: OffsetDateTime,
    graph: OffsetDateTime,
}

impl Sight {
    pub(super) fn sees(&self, eye: Eye, created: OffsetDateTime) -> bool {
        created
            <= match eye {
                Eye::Authority => self.authority,
                Eye::Roles => self.roles,
                Eye::Graph => self.graph,
            }
    }
}

impl Tenant {
    pub(super) fn new(setup: &TenantSetup, resources: impl Iterator<Item = ResourceId>, rng: &mut SeededRng) -> Self {
        let domain = setup.domains.first().map_or("tenant.invalid", String::as_str);
        let mut users: Vec<User> = (setup.users.iter())
            .map(|user| User {
                id: user.id.unwrap_or_else(|| object_id(rng)),
                name: user.name.clone(),
                upn: user.upn.clone(),
                role: user.role,
            })
            .collect();
        if users.is_empty() {
            let mut made = |name: &str, role| User {
                id: object_id(rng),
                name: name.into(),
                upn: format!("{}@{domain}", name.to_ascii_lowercase()),
                role,
            };
            users = vec![made("Admin", UserRole::Administrator), made("User", UserRole::User)];
        }
        Self {
            name: setup.name.clone(),
            domains: setup.domains.clone(),
            region: setup.region.clone(),
            region_sub_scope: setup.region_sub_scope.clone(),
            workflow: setup.workflow,
            user_consent: setup.user_consent.clone(),
            missing_app: setup.missing_app,
            replication: setup.replication,
            users,
            resources: resources.filter(|id| !setup.missing_resources.contains(id)).map(|id| (id, object_id(rng))).collect(),
            principals: BTreeMap::new(),
            customers: setup.customers.clone(),
            requests: Vec::new(),
            looks: 0,
        }
    }

    pub(super) fn user(&self, id: ObjectId) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The visible state for a request at this time. If a state is inconsistent, this counts as a read.
    pub(super) fn sight(&mut self, now: OffsetDateTime) -> Sight {
        let stale = self.replication.flapping > 0 && {
            self.looks += 1;
            self.looks % 2 == 1
        };
        self.sight_of(now, stale)
    }

    /// The visible state of the newest replica.
    pub(super) fn steady_sight(&self, now: OffsetDateTime) -> Sight {
        self.sight_of(now, false)
    }

    fn sight_of(&self, now: OffsetDateTime, stale: bool) -> Sight {
        let Replication { service_principal, roles, graph, flapping } = self.replication;
        let until = |delay: u32| {
            let late = i64::from(delay) + if stale { i64::from(flapping) } else { 0 };
            now.saturating_sub(Duration::seconds(late))
        };
        Sight { authority: until(service_principal), roles: until(roles), graph: until(graph) }
    }

    /// Stores a tenant-wide consent. This creates the service principal, and revokes earlier tenant-wide grants that the consent does not
    /// contain (protocol reference §1.9). Users' own consents stay.
    pub(super) fn consent(&mut self, app: ClientId, grant: &Grant, now: OffsetDateTime, rng: &mut SeededRng) {
        let principal = self.principal(app, now, rng);
        principal.roles.retain(|assignment| grant.roles.contains(&(assignment.resource, assignment.role)));
        principal.grants.retain_mut(|delegated| {
            if delegated.user.is_none() {
                delegated.scopes.retain(|scope, _| grant.scopes.contains(&(delegated.resource, scope.clone())));
            }
            !delegated.scopes.is_empty()
        });
        principal.add(grant, None, now, rng);
        for request in self.requests.iter_mut().filter(|request| request.app == app) {
            if request.state == RequestState::Open {
                request.state = RequestState::Approved;
            }
        }
    }

    /// Adds permissions to the current ones, for all users or for one.
    pub(super) fn add(&mut self, app: ClientId, grant: &Grant, user: Option<ObjectId>, now: OffsetDateTime, rng: &mut SeededRng) {
        self.principal(app, now, rng).add(grant, user, now, rng);
    }

    /// Revokes tenant-wide permissions, all of them if `grant` is `None`. The service principal stays.
    pub(super) fn take(&mut self, app: ClientId, grant: Option<&Grant>) -> bool {
        let Some(principal) = self.principals.get_mut(&app) else { return false };
        principal.roles.retain(|assignment| grant.is_some_and(|grant| !grant.roles.contains(&(assignment.resource, assignment.role))));
        principal.grants.retain_mut(|delegated| {
            if delegated.user.is_none() {
                delegated.scopes.retain(|scope, _| grant.is_some_and(|grant| !grant.scopes.contains(&(delegated.resource, scope.clone()))));
            }
            !delegated.scopes.is_empty()
        });
        true
    }

    pub(super) fn set_enabled(&mut self, app: ClientId, enabled: bool) -> bool {
        self.principals.get_mut(&app).map(|principal| principal.enabled = enabled).is_some()
    }

    fn principal(&mut self, app: ClientId, now: OffsetDateTime, rng: &mut SeededRng) -> &mut ServicePrincipal {
        self.principals.entry(app).or_insert_with(|| ServicePrincipal {
            id: object_id(rng),
            enabled: true,
            created: now,
            roles: Vec::new(),
            grants: Vec::new(),
        })
    }
}

impl ServicePrincipal {
    fn add(&mut self, grant: &Grant, user: Option<ObjectId>, now: OffsetDateTime, rng: &mut SeededRng) {
        if user.is_none() {
            for &(resource, role) in &grant.roles {
                if !self.roles.iter().any(|held| held.resource == resource && held.role == role) {
                    self.roles.push(RoleAssignment { id: opaque_id(rng), resource, role, created: now });
                }
            }
        }
        for (resource, scope) in &grant.scopes {
            let of_these = |held: &DelegatedGrant| held.resource == *resource && held.user == user;
            if !self.grants.iter().any(of_these) {
                let scopes = BTreeMap::new();
                self.grants.push(DelegatedGrant { id: opaque_id(rng), resource: *resource, user, scopes });
            }
            for held in self.grants.iter_mut().filter(|held| of_these(held)) {
                held.scopes.entry(scope.clone()).or_insert(now);
            }
        }
    }
}

pub(super) fn object_id(rng: &mut SeededRng) -> ObjectId {
    ObjectId::from_u128(rng.uuid().as_u128())
}

/// IDs of assignments and grants are opaque texts, not GUIDs.
fn opaque_id(rng: &mut SeededRng) -> String {
    use base64::Engine as _;
    let bytes = [*rng.uuid().as_bytes(), *rng.uuid().as_bytes()].concat();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
