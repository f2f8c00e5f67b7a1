//! The handle that changes the simulated cloud and reads the requests that the cloud received. Tests, the demo and the control address use
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::ids::{ClientId, ObjectId, TenantId};

use super::change::{self, Change};
use super::clock::SandboxClock;
use super::fault::Fault;
use super::log::{Kind, LoggedRequest};
use super::scenario::UserRole;
use super::serve::Shared;
use super::state::World;
use super::tenant::{Eye, RequestState, Tenant};

/// Controls a running sandbox. Clones control the same sandbox, and no call blocks.
#[derive(Debug, Clone)]
pub struct Control(pub(super) Arc<Shared>);

/// Why a change was refused: it names something that does not exist, or it makes no sense. The state is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// The state of one app in one tenant, including changes that no request can see yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppState {
    /// The service principal's object id; `None` if there is no service principal.
    pub service_principal: Option<ObjectId>,
    /// Whether the service principal is enabled.
    pub enabled: bool,
    /// Whether the token endpoint already knows the service principal.
    pub visible: bool,
    /// Granted application permissions, by value.
    pub application: Vec<String>,
    /// Tenant-wide delegated permissions, by value.
    pub delegated: Vec<String>,
    /// Open approval requests.
    pub open_requests: usize,
}

impl Control {
    fn world<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        act(&mut self.0.world())
    }

    /// The sandbox's clock.
    #[must_use]
    pub fn clock(&self) -> SandboxClock {
        self.world(|world| world.clock.clone())
    }

    /// Moves the sandbox's clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock().advance(by);
    }

    /// Applies one change.
    ///
    /// # Errors
    /// [`Refused`] with the reason. The state is then unchanged.
    pub fn apply(&self, change: Change) -> Result<(), Refused> {
        self.world(|world| change::apply(world, change)).map_err(Refused)
    }

    /// Adds a fault.
    ///
    /// # Errors
    /// [`Refused`] if the effect is impossible at this place.
    pub fn fault(&self, fault: Fault) -> Result<(), Refused> {
        self.apply(Change::AddFault(Box::new(fault)))
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.world(|world| world.faults.clear());
    }

    /// The active faults, each with the number of occurrences that are left.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.world(|world| world.faults.in_force())
    }

    /// The last 20,000 received requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.world(|world| world.log.all())
    }

    /// The number of received requests of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.world(|world| world.log.count(kind))
    }

    /// The number of requests that a service sends: for discovery, for tokens, batches and single requests to Graph. Requests for pages and
    /// to the control address do not count.
    #[must_use]
    pub fn upstream_calls(&self) -> u64 {
        self.world(|world| world.log.counts().iter().filter(|(kind, _)| kind.is_upstream()).map(|(_, n)| n).sum())
    }

    /// The number of connections so far, with or without a request.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Clears the request log and its counts.
    pub fn forget_requests(&self) {
        self.world(|world| world.log.clear());
    }

    /// The first user with this role in a tenant, as a value for the consent page's field `user`.
    #[must_use]
    pub fn user(&self, tenant: TenantId, role: UserRole) -> Option<ObjectId> {
        self.world(|world| world.tenants.get(&tenant)?.users.iter().find(|user| user.role == role).map(|user| user.id))
    }

    /// The state of an app in a tenant; `None` if there is no such tenant.
    #[must_use]
    pub fn app_state(&self, tenant: TenantId, app: ClientId) -> Option<AppState> {
        self.world(|world| {
            let mut state = state_of(world, tenant)?;
            Some(state.remove(&app).unwrap_or_else(|| empty(world, tenant, app)))
        })
    }

    /// The state of every app with a consent, by tenant.
    #[must_use]
    pub fn state(&self) -> BTreeMap<TenantId, BTreeMap<ClientId, AppState>> {
        self.world(|world| {
            let tenants: Vec<TenantId> = world.tenants.keys().copied().collect();
            tenants.into_iter().filter_map(|id| Some((id, state_of(world, id)?))).collect()
        })
    }
}

fn empty(world: &World, tenant: TenantId, app: ClientId) -> AppState {
    AppState {
        service_principal: None,
        enabled: false,
        visible: false,
        application: Vec::new(),
        delegated: Vec::new(),
        open_requests: world.tenants.get(&tenant).map_or(0, |here| open_requests(here, app)),
    }
}

pub(super) fn open_requests(tenant: &Tenant, app: ClientId) -> usize {
    tenant.requests.iter().filter(|request| request.app == app && request.state == RequestState::Open).count()
}

fn state_of(world: &World, id: TenantId) -> Option<BTreeMap<ClientId, AppState>> {
    let tenant = world.tenants.get(&id)?;
    let sight = tenant.steady_sight(world.now());
    let states = tenant.principals.iter().map(|(app, principal)| {
        let application = principal.roles.iter().filter_map(|held| Some(world.role(held.resource, held.role)?.value.clone()));
        let wide = principal.grants.iter().filter(|grant| grant.user.is_none());
        let state = AppState {
            service_principal: Some(principal.id),
            enabled: principal.enabled,
            visible: sight.sees(Eye::Authority, principal.created),
            application: application.collect(),
            delegated: wide.flat_map(|grant| grant.scopes.keys().cloned()).collect(),
            open_requests: open_requests(tenant, *app),
        };
        (*app, state)
    });
    Some(states.collect())
}
