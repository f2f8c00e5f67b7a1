//! Changes of the simulated cloud, which tests, the demo and the control address make.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::ids::{ClientId, ObjectId, ResourceId, TenantId};

use super::certificate::{RegisteredCertificate, hex, unhex};
use super::control::open_requests;
use super::fault::Fault;
use super::scenario::{
    AppRegistration, CertificateSetup, ClientSecret, FederatedSetup, MissingApp, PermissionSet, Replication, TenantSetup,
};
use super::state::{App, World, check_redirect_uris};
use super::sts::AwsSetup;
use super::tenant::{Grant, RequestState, Tenant, object_id};

/// One change of the simulated cloud, for [`Control::apply`](super::Control::apply) and the control address.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Grants tenant-wide consent without the page. Like every consent, it replaces earlier tenant-wide grants.
    Grant {
        /// In this tenant.
        tenant: TenantId,
        /// To this app.
        app: ClientId,
        /// The permissions. Without them, those of the registration.
        permissions: Option<Vec<PermissionSet>>,
    },
    /// Adds tenant-wide permissions to the granted ones.
    Enlarge {
        /// In this tenant.
        tenant: TenantId,
        /// For this app.
        app: ClientId,
        /// The added permissions.
        permissions: Vec<PermissionSet>,
    },
    /// Revokes some tenant-wide permissions.
    Reduce {
        /// In this tenant.
        tenant: TenantId,
        /// From this app.
        app: ClientId,
        /// The revoked permissions.
        permissions: Vec<PermissionSet>,
    },
    /// Revokes all tenant-wide permissions. The service principal stays.
    Revoke {
        /// In this tenant.
        tenant: TenantId,
        /// From this app.
        app: ClientId,
    },
    /// A user consents for themselves: a grant with `consentType` `Principal`.
    UserConsent {
        /// In this tenant.
        tenant: TenantId,
        /// To this app.
        app: ClientId,
        /// The user.
        user: ObjectId,
        /// Delegated permissions.
        permissions: Vec<PermissionSet>,
    },
    /// Disables the service principal.
    Disable {
        /// In this tenant.
        tenant: TenantId,
        /// Of this app.
        app: ClientId,
    },
    /// Enables the service principal again.
    Enable {
        /// In this tenant.
        tenant: TenantId,
        /// Of this app.
        app: ClientId,
    },
    /// Deletes the service principal with all its grants. Tokens that the app already has stay valid.
    Delete {
        /// In this tenant.
        tenant: TenantId,
        /// Of this app.
        app: ClientId,
    },
    /// A reviewer decides the open approval requests for an app.
    Review {
        /// In this tenant.
        tenant: TenantId,
        /// For this app.
        app: ClientId,
        /// The reviewer's decision.
        decision: ReviewDecision,
    },
    /// Adds an app registration, or replaces the one with this client id.
    SetApp(Box<AppRegistration>),
    /// Replaces the permissions of a registration. Grants in tenants stay.
    SetPermissions {
        /// Of this app.
        app: ClientId,
        /// The new list.
        permissions: Vec<PermissionSet>,
    },
    /// Replaces the redirect URIs of a registration.
    SetRedirectUris {
        /// Of this app.
        app: ClientId,
        /// The new list.
        uris: Vec<String>,
    },
    /// Replaces all client secrets of a registration: a rotation, or an expiry.
    SetSecrets {
        /// Of this app.
        app: ClientId,
        /// The new secrets.
        secrets: Vec<ClientSecret>,
    },
    /// Adds a certificate to a registration.
    AddCertificate {
        /// For this app.
        app: ClientId,
        /// The certificate.
        certificate: CertificateSetup,
    },
    /// Removes a certificate from a registration.
    RemoveCertificate {
        /// From this app.
        app: ClientId,
        /// Its SHA-256 thumbprint in hex.
        sha256: String,
    },
    /// Replaces all federated identity credentials of a registration.
    SetFederated {
        /// Of this app.
        app: ClientId,
        /// The new credentials.
        credentials: Vec<FederatedSetup>,
    },
    /// Renames an app to any text.
    RenameApp {
        /// The app.
        app: ClientId,
        /// Its new name.
        name: String,
    },
    /// Adds a tenant.
    AddTenant(Box<TenantSetup>),
    /// Removes a tenant. The authority then answers 90002.
    RemoveTenant {
        /// The tenant.
        tenant: TenantId,
    },
    /// Renames a tenant to any text.
    RenameTenant {
        /// The tenant.
        tenant: TenantId,
        /// Its new name.
        name: String,
    },
    /// Sets the replication delays of a tenant.
    SetReplication {
        /// In this tenant.
        tenant: TenantId,
        /// The delays.
        replication: Replication,
    },
    /// Turns the admin consent workflow on or off.
    SetWorkflow {
        /// In this tenant.
        tenant: TenantId,
        /// Whether the workflow is on.
        enabled: bool,
    },
    /// Assigns consent policies to ordinary users. An empty list turns user consent off.
    SetUserConsent {
        /// In this tenant.
        tenant: TenantId,
        /// The policies, as in `TenantSetup::user_consent`.
        policies: Vec<String>,
    },
    /// Sets the token endpoint's error for an app without a service principal.
    SetMissingApp {
        /// In this tenant.
        tenant: TenantId,
        /// The error.
        answer: MissingApp,
    },
    /// Adds or removes a resource's service principal in a tenant.
    SetResource {
        /// In this tenant.
        tenant: TenantId,
        /// The resource.
        resource: ResourceId,
        /// Whether the tenant has the resource's service principal.
        present: bool,
    },
    /// Sets the number of items on one page of a Graph list.
    SetPageSize {
        /// At least 1.
        items: usize,
    },
    /// Replaces the simulated AWS account.
    SetAws(AwsSetup),
    /// Adds a fault.
    AddFault(Box<Fault>),
    /// Removes all faults.
    ClearFaults,
    /// Moves the sandbox's clock forward.
    Advance {
        /// The number of seconds.
        seconds: u32,
    },
}

fn tenant(tenants: &mut BTreeMap<TenantId, Tenant>, id: TenantId) -> Result<&mut Tenant, String> {
    tenants.get_mut(&id).ok_or_else(|| format!("there is no tenant {id}"))
}

fn app(world: &mut World, id: ClientId) -> Result<&mut App, String> {
    world.apps.get_mut(&id).ok_or_else(|| format!("there is no app {id}"))
}

/// Applies a change. After an error, the state is unchanged.
pub(super) fn apply(world: &mut World, change: Change) -> Result<(), String> {
    let now = world.now();
    let no_principal = |at: TenantId, id: ClientId| format!("tenant {at} has no service principal of app {id}");
    match change {
        Change::Grant { tenant: at, app: id, permissions } => {
            let registered = app(world, id)?.permissions.clone();
            let grant = permissions.map_or(Ok(registered), |sets| world.resolve(&sets))?;
            tenant(&mut world.tenants, at)?.consent(id, &grant, now, &mut world.rng);
        }
        Change::Enlarge { tenant: at, app: id, permissions } => {
            app(world, id)?;
            let grant = world.resolve(&permissions)?;
            tenant(&mut world.tenants, at)?.add(id, &grant, None, now, &mut world.rng);
        }
        Change::UserConsent { tenant: at, app: id, user, permissions } => {
            app(world, id)?;
            let grant = world.resolve(&permissions)?;
            let here = tenant(&mut world.tenants, at)?;
            if here.user(user).is_none() {
                return Err(format!("tenant {at} has no user {user}"));
            }
            here.add(id, &grant, Some(user), now, &mut world.rng);
        }
        Change::Reduce { tenant: at, app: id, permissions } => {
            let grant = world.resolve(&permissions)?;
            tenant(&mut world.tenants, at)?.take(id, Some(&grant)).then_some(()).ok_or_else(|| no_principal(at, id))?;
        }
        Change::Revoke { tenant: at, app: id } => {
            tenant(&mut world.tenants, at)?.take(id, None).then_some(()).ok_or_else(|| no_principal(at, id))?;
        }
        Change::Disable { tenant: at, app: id } => {
            tenant(&mut world.tenants, at)?.set_enabled(id, false).then_some(()).ok_or_else(|| no_principal(at, id))?;
        }
        Change::Enable { tenant: at, app: id } => {
            tenant(&mut world.tenants, at)?.set_enabled(id, true).then_some(()).ok_or_else(|| no_principal(at, id))?;
        }
        Change::Delete { tenant: at, app: id } => {
            tenant(&mut world.tenants, at)?.principals.remove(&id).ok_or_else(|| no_principal(at, id))?;
        }
        Change::Review { tenant: at, app: id, decision } => review(world, at, id, decision)?,
        Change::SetApp(setup) => world.add_app(&setup)?,
        Change::SetPermissions { app: id, permissions } => {
            let grant = world.resolve(&permissions)?;
            app(world, id)?.permissions = grant;
        }
        Change::SetRedirectUris { app: id, uris } => {
            check_redirect_uris(&uris)?;
            app(world, id)?.redirect_uris = uris;
        }
        Change::SetSecrets { app: id, secrets } => app(world, id)?.secrets = secrets,
        Change::AddCertificate { app: id, certificate } => {
            let certificate = RegisteredCertificate::read(&certificate)?;
            app(world, id)?.certificates.push(certificate);
        }
        Change::RemoveCertificate { app: id, sha256 } => {
            let thumbprint = unhex(&sha256).ok_or("sha256 is not hex")?;
            let certificates = &mut app(world, id)?.certificates;
            let before = certificates.len();
            certificates.retain(|certificate| certificate.sha256 != thumbprint);
            if certificates.len() == before {
                return Err(format!("app {id} has no certificate {}", hex(&thumbprint)));
            }
        }
        Change::SetFederated { app: id, credentials } => app(world, id)?.federated = credentials,
        Change::RenameApp { app: id, name } => app(world, id)?.name = name,
        Change::AddTenant(setup) => world.add_tenant(&setup)?,
        Change::RemoveTenant { tenant: id } => {
            world.remove_tenant(id).then_some(()).ok_or_else(|| format!("there is no tenant {id}"))?;
        }
        Change::RenameTenant { tenant: id, name } => tenant(&mut world.tenants, id)?.name = name,
        Change::SetReplication { tenant: id, replication } => tenant(&mut world.tenants, id)?.replication = replication,
        Change::SetWorkflow { tenant: id, enabled } => tenant(&mut world.tenants, id)?.workflow = enabled,
        Change::SetUserConsent { tenant: id, policies } => tenant(&mut world.tenants, id)?.user_consent = policies,
        Change::SetMissingApp { tenant: id, answer } => tenant(&mut world.tenants, id)?.missing_app = answer,
        Change::SetResource { tenant: id, resource, present } => {
            if !world.resources.contains_key(&resource) {
                return Err(format!("there is no resource {resource}"));
            }
            let object = object_id(&mut world.rng);
            let resources = &mut tenant(&mut world.tenants, id)?.resources;
            if present {
                resources.entry(resource).or_insert(object);
            } else {
                resources.remove(&resource);
            }
        }
        Change::SetPageSize { items } => world.page_size = items.max(1),
        Change::SetAws(setup) => world.aws = setup,
        Change::AddFault(fault) => world.faults.add(*fault, now)?,
        Change::ClearFaults => world.faults.clear(),
        Change::Advance { seconds } => world.clock.advance(Duration::from_secs(u64::from(seconds))),
    }
    Ok(())
}

/// What a reviewer does with approval requests (entra-docs, "Review admin consent requests").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// Approves the requests.
    Approve,
    /// Denies the requests. Only their status changes, and users may ask again.
    Deny,
    /// Denies the requests and creates a disabled service principal.
    Block,
}

fn review(world: &mut World, at: TenantId, id: ClientId, decision: ReviewDecision) -> Result<(), String> {
    let now = world.now();
    let grant = app(world, id)?.permissions.clone();
    let here = tenant(&mut world.tenants, at)?;
    if open_requests(here, id) == 0 {
        return Err(format!("tenant {at} has no open approval request for app {id}"));
    }
    if decision == ReviewDecision::Approve {
        here.consent(id, &grant, now, &mut world.rng);
        return Ok(());
    }
    if decision == ReviewDecision::Block {
        here.add(id, &Grant::default(), None, now, &mut world.rng);
        here.set_enabled(id, false);
    }
    for request in here.requests.iter_mut().filter(|request| request.app == id) {
        request.state = RequestState::Denied;
    }
    Ok(())
}
