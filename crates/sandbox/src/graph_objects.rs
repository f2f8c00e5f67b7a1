//! Graph's objects as JSON (protocol reference §4.2 and §5.3).

use serde_json::{Value, json};

use super::ids::{ClientId, ObjectId, ResourceId, TenantId};

use super::applications::verified_publisher;
use super::graph::{Key, graph_time};
use super::scenario::Permission;
use super::state::World;
use super::tenant::{Eye, RequestState, Sight, Tenant};

/// Microsoft's own tenant, the owner of the built-in resources (protocol reference §8).
const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

/// A service principal that was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum FoundPrincipal {
    Client(ClientId, ObjectId),
    Resource(ResourceId, ObjectId),
}

impl FoundPrincipal {
    pub(super) fn client(self) -> Option<ClientId> {
        match self {
            Self::Client(id, _) => Some(id),
            Self::Resource(..) => None,
        }
    }
}

pub(super) fn find_principal(tenant: &Tenant, key: &Key, sight: Sight) -> Option<FoundPrincipal> {
    let clients = (tenant.principals.iter())
        .filter(|(_, principal)| sight.sees(Eye::Graph, principal.created))
        .map(|(id, principal)| FoundPrincipal::Client(*id, principal.id));
    let resources = tenant.resources.iter().map(|(id, object)| FoundPrincipal::Resource(*id, *object));
    let matches = |found: &FoundPrincipal| match (key, found) {
        (Key::AppId(text), FoundPrincipal::Client(id, _)) => text.parse() == Ok(*id),
        (Key::AppId(text), FoundPrincipal::Resource(id, _)) => text.parse() == Ok(*id),
        (Key::ObjectId(text), FoundPrincipal::Client(_, id) | FoundPrincipal::Resource(_, id)) => text.parse() == Ok(*id),
    };
    clients.chain(resources).find(matches)
}

pub(super) fn service_principal(world: &World, tenant: &Tenant, found: FoundPrincipal) -> Value {
    let published = |permissions: &[Permission], kind: &str| -> Vec<Value> {
        permissions
            .iter()
            .map(|permission| {
                let Permission { id, value, name } = permission;
                if kind == "role" {
                    json!({ "id": id, "value": value, "displayName": name, "description": name,
                        "allowedMemberTypes": ["Application"], "isEnabled": true, "origin": "Application" })
                } else {
                    json!({ "id": id, "value": value, "type": "Admin", "adminConsentDisplayName": name,
                        "userConsentDisplayName": name, "isEnabled": true })
                }
            })
            .collect()
    };
    match found {
        FoundPrincipal::Client(id, object) => {
            let app = world.apps.get(&id);
            let principal = tenant.principals.get(&id);
            let name = app.map(|app| app.name.clone());
            let multi_tenant = app.is_some_and(|app| app.multi_tenant);
            json!({
                "id": object,
                "accountEnabled": principal.is_some_and(|principal| principal.enabled),
                "appDisplayName": name,
                "appId": id,
                "appOwnerOrganizationId": app.and_then(|app| app.home),
                "appRoleAssignmentRequired": false,
                "displayName": name,
                "replyUrls": app.map(|app| app.redirect_uris.clone()),
                "servicePrincipalType": "Application",
                "signInAudience": if multi_tenant { "AzureADMultipleOrgs" } else { "AzureADMyOrg" },
                "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
                "verifiedPublisher": verified_publisher(app),
                "appRoles": [],
                "oauth2PermissionScopes": [],
            })
        }
        FoundPrincipal::Resource(id, object) => {
            let resource = world.resources.get(&id);
            let name = resource.map(|resource| resource.name.clone());
            json!({
                "id": object,
                "accountEnabled": true,
                "appDisplayName": name,
                "appId": id,
                "appOwnerOrganizationId": MICROSOFT,
                "appRoleAssignmentRequired": false,
                "displayName": name,
                "replyUrls": [],
                "servicePrincipalType": "Application",
                "signInAudience": "AzureADMultipleOrgs",
                "tags": [],
                "verifiedPublisher": { "displayName": null, "verifiedPublisherId": null, "addedDateTime": null },
                "appRoles": published(resource.map_or(&[], |resource| &resource.roles), "role"),
                "oauth2PermissionScopes": published(resource.map_or(&[], |resource| &resource.scopes), "scope"),
            })
        }
    }
}

pub(super) fn assignments(world: &World, tenant: &Tenant, found: FoundPrincipal, sight: Sight) -> Vec<Value> {
    let FoundPrincipal::Client(client, object) = found else { return Vec::new() };
    let Some(principal) = tenant.principals.get(&client) else { return Vec::new() };
    (principal.roles.iter())
        .filter(|held| sight.sees(Eye::Graph, held.created))
        .map(|held| {
            json!({
                "id": held.id,
                "deletedDateTime": null,
                "appRoleId": held.role,
                "createdDateTime": graph_time(held.created),
                "principalDisplayName": world.apps.get(&client).map(|app| app.name.clone()),
                "principalId": object,
                "principalType": "ServicePrincipal",
                "resourceDisplayName": world.resources.get(&held.resource).map(|resource| resource.name.clone()),
                "resourceId": tenant.resources.get(&held.resource),
            })
        })
        .collect()
}

pub(super) fn delegated_grants(tenant: &Tenant, client: Option<ClientId>, sight: Sight) -> Vec<Value> {
    let Some(principal) = client.and_then(|client| tenant.principals.get(&client)) else { return Vec::new() };
    let mut grants = Vec::new();
    for held in &principal.grants {
        let seen = held.scopes.iter().filter(|(_, created)| sight.sees(Eye::Graph, **created));
        let scopes: Vec<&str> = seen.map(|(scope, _)| scope.as_str()).collect();
        if scopes.is_empty() {
            continue;
        }
        grants.push(json!({
            "id": held.id,
            "clientId": principal.id,
            "consentType": if held.user.is_none() { "AllPrincipals" } else { "Principal" },
            "principalId": held.user,
            "resourceId": tenant.resources.get(&held.resource),
            // Real values may start with a space (protocol reference §4.2), so clients have to split on white space.
            "scope": format!(" {}", scopes.join(" ")),
        }));
    }
    grants
}

pub(super) fn organization(id: TenantId, tenant: &Tenant, all: bool) -> Value {
    let domains: Vec<Value> = (tenant.domains.iter().enumerate())
        .map(|(at, name)| {
            json!({ "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": at == 0,
                "isInitial": at + 1 == tenant.domains.len(), "name": name, "type": "Managed" })
        })
        .collect();
    let only = |value: Value| if all { value } else { Value::Null };
    json!({
        "id": id,
        "displayName": tenant.name,
        "verifiedDomains": domains,
        "tenantType": only(json!("AAD")),
        "countryLetterCode": only(json!("DE")),
        "partnerTenantType": null,
        "technicalNotificationMails": only(json!([])),
        "createdDateTime": only(json!("2019-03-04T08:00:00Z")),
    })
}

pub(super) fn approval_requests(world: &World, tenant: &Tenant, only_open: bool) -> Vec<Value> {
    let requests = tenant.requests.iter().filter(|request| !only_open || request.state == RequestState::Open);
    requests
        .map(|request| {
            let pending: Vec<Value> = request.scopes.iter().map(|scope| json!({ "displayName": scope })).collect();
            let user = tenant.user(request.user);
            let status = if request.state == RequestState::Open { "InProgress" } else { "Completed" };
            json!({
                "id": request.id,
                "appId": request.app,
                "appDisplayName": world.apps.get(&request.app).map(|app| app.name.clone()),
                "consentType": "Static",
                "pendingScopes": pending,
                "userConsentRequests": [{
                    "id": request.id,
                    "status": status,
                    "reason": "Requested in the sandbox",
                    "createdDateTime": graph_time(request.created),
                    "createdBy": { "user": {
                        "id": request.user,
                        "displayName": user.map(|user| user.name.clone()),
                        "userPrincipalName": user.map(|user| user.upn.clone()),
                    } },
                }],
            })
        })
        .collect()
}

pub(super) fn approval_policy(tenant: &Tenant) -> Value {
    let on = tenant.workflow;
    json!({
        "isEnabled": on, "notifyReviewers": on, "remindersEnabled": on,
        "requestDurationInDays": if on { 30 } else { 0 }, "version": 0, "reviewers": [],
    })
}

/// The rights of users (protocol reference §5.1). A scenario can set only the assigned consent policies.
pub(super) fn authorization_policy(tenant: &Tenant) -> Value {
    json!({
        "id": "authorizationPolicy",
        "displayName": "Authorization Policy",
        "allowInvitesFrom": "everyone",
        "allowUserConsentForRiskyApps": null,
        "blockMsolPowerShell": false,
        "defaultUserRolePermissions": {
            "allowedToCreateApps": true,
            "allowedToCreateSecurityGroups": true,
            "allowedToReadOtherUsers": true,
            "permissionGrantPoliciesAssigned": tenant.user_consent,
        },
    })
}
