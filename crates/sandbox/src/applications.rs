//! Application objects: the registrations, which Graph shows only in their home tenant.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ids::{ClientId, ObjectId, ResourceId, TenantId};

use super::graph::{Key, graph_time};
use super::state::{App, World};
use super::tenant::Grant;

/// The registration that a key names, if the tenant is its home.
pub(super) fn find<'w>(world: &'w World, tenant: TenantId, key: &Key) -> Option<(ClientId, &'w App)> {
    let is_it = |id: ClientId| match key {
        Key::AppId(text) => text.parse() == Ok(id),
        Key::ObjectId(text) => text.parse() == Ok(object_id(id)),
    };
    world.apps.iter().find(|(id, app)| app.home == Some(tenant) && is_it(**id)).map(|(id, app)| (*id, app))
}

/// An application object with the members that a check of the registration reads.
pub(super) fn application(world: &World, id: ClientId, app: &App) -> Value {
    let secrets: Vec<Value> = (app.secrets.iter().enumerate())
        .map(|(at, secret)| {
            json!({
                "customKeyIdentifier": null,
                "displayName": format!("secret {}", at + 1),
                "endDateTime": secret.expires.map(graph_time),
                // Graph returns the first three characters of a secret.
                "hint": secret.value.expose().chars().take(3).collect::<String>(),
                "keyId": derived(&format!("secret {at} of {id}")),
                "secretText": null,
                "startDateTime": null,
            })
        })
        .collect();
    let certificates: Vec<Value> = (app.certificates.iter())
        .map(|certificate| {
            json!({
                "customKeyIdentifier": certificate.sha1.as_ref().map(|sha1| STANDARD.encode(sha1)),
                "displayName": "CN=registered in the sandbox",
                "endDateTime": certificate.expires.map(graph_time),
                "key": null,
                "keyId": derived(&format!("certificate {} of {id}", super::certificate::hex(&certificate.sha256))),
                "startDateTime": null,
                "type": "AsymmetricX509Cert",
                "usage": "Verify",
            })
        })
        .collect();
    json!({
        "id": object_id(id),
        "appId": id,
        "displayName": app.name,
        "signInAudience": if app.multi_tenant { "AzureADMultipleOrgs" } else { "AzureADMyOrg" },
        "publisherDomain": app.publisher_domain,
        "verifiedPublisher": verified_publisher(Some(app)),
        "web": { "homePageUrl": null, "logoutUrl": null, "redirectUris": app.redirect_uris },
        "spa": { "redirectUris": [] },
        "publicClient": { "redirectUris": [] },
        "requiredResourceAccess": required(world, &app.permissions),
        "passwordCredentials": secrets,
        "keyCredentials": certificates,
    })
}

/// `verifiedPublisher` of an application or a service principal: an object of nulls for an unverified publisher.
pub(super) fn verified_publisher(app: Option<&App>) -> Value {
    let verified = app.and_then(|app| app.verified_publisher.as_ref());
    json!({
        "displayName": app.and_then(App::shown_publisher),
        "verifiedPublisherId": verified,
        "addedDateTime": verified.map(|_| "2026-01-01T00:00:00Z"),
    })
}

/// The federated identity credentials of a registration.
pub(super) fn federated_credentials(id: ClientId, app: &App) -> Vec<Value> {
    (app.federated.iter().enumerate())
        .map(|(at, federated)| {
            json!({
                "id": derived(&format!("federated {at} of {id}")),
                "name": format!("federated-{}", at + 1),
                "issuer": federated.issuer,
                "subject": federated.subject,
                "audiences": [federated.audience],
                "description": null,
            })
        })
        .collect()
}

/// `requiredResourceAccess`: the permissions of the registration, by ID.
fn required(world: &World, permissions: &Grant) -> Vec<Value> {
    let of = |resource: ResourceId| {
        let roles = permissions.roles.iter().filter(|(of, _)| *of == resource).map(|(_, role)| json!({ "id": role, "type": "Role" }));
        let published = world.resources.get(&resource).map_or(&[][..], |resource| &resource.scopes);
        let scopes = permissions.scopes.iter().filter(|(of, _)| *of == resource);
        let scopes = scopes.filter_map(|(_, value)| published.iter().find(|scope| scope.value == *value));
        let scopes = scopes.map(|scope| json!({ "id": scope.id, "type": "Scope" }));
        json!({ "resourceAppId": resource, "resourceAccess": roles.chain(scopes).collect::<Vec<_>>() })
    };
    permissions.resources().into_iter().map(of).collect()
}

fn object_id(id: ClientId) -> ObjectId {
    ObjectId::from_u128(derived(&format!("application {id}")).as_u128())
}

/// An ID that is the same for the same text in every run.
fn derived(text: &str) -> Uuid {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let bytes: [u8; 16] = hash.as_ref().first_chunk().copied().unwrap_or_default();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
