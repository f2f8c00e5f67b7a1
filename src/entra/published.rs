//! Reads the permissions that an API publishes: any tenant with its service principal shows them.

use serde::Deserialize;

use super::cloud::Endpoints;
use super::graph::{Unread, get};
use super::http::{Http, UpstreamKind};
use crate::consent::profile::PermissionKind;
use crate::consent::{PermissionId, ResourceId};
use crate::secret::Secret;
use time::OffsetDateTime;

/// The published app roles and scopes of one API, by name and by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    permissions: Vec<(PermissionKind, Box<str>, PermissionId)>,
}

impl Published {
    /// Finds a permission's id by its name, in any letter case.
    pub(crate) fn id(&self, kind: PermissionKind, value: &str) -> Option<PermissionId> {
        self.permissions.iter().find(|(of, name, _)| *of == kind && name.eq_ignore_ascii_case(value)).map(|(_, _, id)| *id)
    }

    /// Finds a permission's name by its id.
    pub(crate) fn value(&self, kind: PermissionKind, id: PermissionId) -> Option<&str> {
        self.permissions.iter().find(|(of, _, other)| *of == kind && *other == id).map(|(_, name, _)| &**name)
    }
}

/// Largest answer that we read, in bytes. Microsoft Graph's own has about 700 KiB.
const CAP: usize = 4 * 1024 * 1024;

/// Reads the permissions of an API with a Graph token of a tenant that has the API. The token needs `Application.Read.All` there.
///
/// # Errors
/// [`Unread`]; [`Unread::NotFound`] if the tenant does not have the API.
pub(crate) async fn read(
    http: &Http,
    endpoints: &Endpoints,
    token: &Secret,
    resource: ResourceId,
    now: OffsetDateTime,
) -> Result<Published, Unread> {
    let mut url = endpoints.at_graph(&format!("v1.0/servicePrincipals(appId='{resource}')"));
    url.query_pairs_mut().append_pair("$select", "appId,appRoles,oauth2PermissionScopes");
    published(get(http, UpstreamKind::Registration, CAP, token, url, now).await?, resource)
}

fn published(wire: PublishedObject, resource: ResourceId) -> Result<Published, Unread> {
    if wire.app_id != resource {
        return Err(Unread::Unreadable);
    }
    let of =
        |kind| move |PublishedPermission { id, value }: PublishedPermission| Some((kind, value.filter(|value| !value.is_empty())?, id));
    let roles = wire.app_roles.into_iter().filter_map(of(PermissionKind::Application));
    let scopes = wire.oauth2_permission_scopes.into_iter().filter_map(of(PermissionKind::Delegated));
    Ok(Published { permissions: roles.chain(scopes).collect() })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublishedObject {
    app_id: ResourceId,
    app_roles: Vec<PublishedPermission>,
    oauth2_permission_scopes: Vec<PublishedPermission>,
}

#[derive(Deserialize)]
struct PublishedPermission {
    id: PermissionId,
    value: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_permission_is_known_by_name_and_by_id_and_only_in_its_kind() {
        let role = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d";
        let body = json!({
            "appId": ResourceId::GRAPH,
            "appRoles": [{ "id": role, "value": "Archive.Write" }, { "id": "00000000-0000-0000-0000-000000000001", "value": null }],
            "oauth2PermissionScopes": [],
        });
        let read = published(serde_json::from_value(body.clone()).unwrap(), ResourceId::GRAPH).unwrap();
        let id = PermissionId::parse(role).unwrap();
        assert_eq!(read.id(PermissionKind::Application, "archive.write"), Some(id));
        assert_eq!(read.id(PermissionKind::Delegated, "Archive.Write"), None);
        assert_eq!(read.value(PermissionKind::Application, id), Some("Archive.Write"));
        let another = ResourceId::EXCHANGE_ONLINE;
        assert_eq!(published(serde_json::from_value(body).unwrap(), another), Err(Unread::Unreadable));
    }
}
