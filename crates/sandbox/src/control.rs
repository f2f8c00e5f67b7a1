//! The handle by which a test, the demo or the control address changes the simulated cloud and reads what was asked of it.

use std::collections::BTreeMap;
use std::sync::Arc;
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

/// Controls a running sandbox. Clones control the same one; the calls wait for nothing.
#[derive(Debug, Clone)]
pub struct Control(pub(super) Arc<Shared>);

/// Why a change was refused: something it names does not exist, or it makes no sense. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// What the simulated cloud holds of one app in one tenant, whether or not it is visible yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppState {
    /// The service principal's object id; `None` without one.
    pub service_principal: Option<ObjectId>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether the token endpoint knows it by now.
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
    /// [`Refused`] with the reason; nothing was changed then.
    pub fn apply(&self, change: Change) -> Result<(), Refused> {
        self.world(|world| change::apply(world, change)).map_err(Refused)
    }

    /// Puts a fault in force.
    ///
    /// # Errors
    /// [`Refused`] when the effect cannot happen where the fault strikes.
    pub fn fault(&self, fault: Fault) -> Result<(), Refused> {
        self.apply(Change::AddFault(Box::new(fault)))
    }

    /// Takes all faults out of force.
    pub fn clear_faults(&self) {
        self.world(|world| world.faults.clear());
    }

    /// The faults still in force, with the times they have left.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.world(|world| world.faults.in_force())
    }

    /// The requests received, oldest first; of very many the last 20 000.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.world(|world| world.log.all())
    }

    /// How many requests of a kind were received.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.world(|world| world.log.count(kind))
    }

    /// How many calls a service made: discovery, token endpoint, batches and Graph calls. Pages and the control address do
    /// not count.
    #[must_use]
    pub fn upstream_calls(&self) -> u64 {
        self.world(|world| world.log.counts().iter().filter(|(kind, _)| kind.is_upstream()).map(|(_, n)| n).sum())
    }

    /// Forgets the requests and starts counting at 0.
    pub fn forget_requests(&self) {
        self.world(|world| world.log.clear());
    }

    /// The first user of a tenant with that role: what the consent page's field `user` takes.
    #[must_use]
    pub fn user(&self, tenant: TenantId, role: UserRole) -> Option<ObjectId> {
        self.world(|world| world.tenants.get(&tenant)?.users.iter().find(|user| user.role == role).map(|user| user.id))
    }

    /// What a tenant holds of an app; `None` where there is no such tenant.
    #[must_use]
    pub fn app_state(&self, tenant: TenantId, app: ClientId) -> Option<AppState> {
        self.world(|world| {
            let mut state = state_of(world, tenant)?;
            Some(state.remove(&app).unwrap_or_else(|| empty(world, tenant, app)))
        })
    }

    /// What every tenant holds of every app that was ever consented to there.
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
