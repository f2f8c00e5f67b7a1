//! The requests with which a partner grants an approval in a customer's tenant. This program prints them and sends none.
//!
//! Sources: learn.microsoft.com/partner-center/developer/control-panel-vendor-apis (consent by Partner Center),
//! learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments, learn.microsoft.com/graph/api/oauth2permissiongrant-post.

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::ConfiguredApp;
use crate::consent::permission_table::PermissionKind;
use crate::consent::permissions::is_sign_in_scope;
use crate::consent::profile::{ExpectedPermission, ExpectedResource, Need};
use crate::consent::roles::known;
use crate::consent::{Cloud, TenantId};
use crate::file::{self, Readers};

/// One request, with the token that it needs. `{{name.response.body.id}}` is the `id` in the answer to the request of that name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct GdapRequest {
    /// The audience of the token.
    token_for: &'static str,
    name: String,
    method: &'static str,
    url: String,
    body: Option<Value>,
}

const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";
const GRAPH: &str = "Microsoft Graph in the customer's tenant";

/// The requests for all required and optional permissions of an app, in their order. Microsoft refuses one whose permission is there
/// already, which does no harm.
pub(super) fn requests(app: &ConfiguredApp, tenant: TenantId) -> Vec<GdapRequest> {
    let (profile, root) = (&app.profile, app.endpoints.at_graph("v1.0/"));
    let graph = |path: String| format!("{root}{path}");
    let client = profile.client_id;
    // Each resource has its own number for the names of requests.
    let of = |kind: PermissionKind| {
        let wanted = move |resource: &'_ ExpectedResource| -> Vec<ExpectedPermission> {
            let is_wanted = |one: &&ExpectedPermission| one.kind == kind && one.need != Need::Forbidden && !is_sign_in_scope(&one.value);
            resource.permissions.iter().filter(is_wanted).cloned().collect()
        };
        profile
            .expected
            .iter()
            .enumerate()
            .map(move |(at, resource)| (at, resource, wanted(resource)))
            .filter(|(.., list)| !list.is_empty())
    };
    let scopes = |list: &[ExpectedPermission], between: &str| list.iter().map(|one| &*one.value).collect::<Vec<_>>().join(between);
    let mut requests = Vec::new();
    let mut push = |token_for, name: String, method, url, body| requests.push(GdapRequest { token_for, name, method, url, body });
    // Partner Center grants only an app of the partner's own tenant.
    let by_partner_center = app.companion.is_none() && matches!(profile.cloud, Cloud::Global | Cloud::Custom(_));
    let delegated: Vec<_> = of(PermissionKind::Delegated).collect();
    if by_partner_center && !delegated.is_empty() {
        let grant = |(_, resource, list): &(usize, &ExpectedResource, Vec<_>)| json!({ "enterpriseApplicationId": resource.resource, "scope": scopes(list, ",") });
        let grants: Vec<_> = delegated.iter().map(grant).collect();
        let body = json!({ "applicationId": client, "displayName": profile.name, "applicationGrants": grants });
        push(PARTNER_CENTER, "consent".into(), "POST", format!("{PARTNER_CENTER}/v1/customers/{tenant}/applicationconsents"), Some(body));
        push(GRAPH, "app".into(), "GET", graph(format!("servicePrincipals(appId='{client}')?$select=id")), None);
    } else {
        push(GRAPH, "app".into(), "POST", graph("servicePrincipals".into()), Some(json!({ "appId": client })));
    }
    for (at, resource) in profile.expected.iter().enumerate() {
        push(GRAPH, format!("api{at}"), "GET", graph(format!("servicePrincipals(appId='{}')?$select=id", resource.resource)), None);
    }
    let id = |name: &str| format!("{{{{{name}.response.body.id}}}}");
    for (at, _, list) in delegated.iter().filter(|_| !by_partner_center) {
        let body = json!({ "clientId": id("app"), "consentType": "AllPrincipals", "resourceId": id(&format!("api{at}")),
            "scope": scopes(list, " ") });
        push(GRAPH, format!("grant{at}"), "POST", graph("oauth2PermissionGrants".into()), Some(body));
    }
    for (at, resource, list) in of(PermissionKind::Application) {
        for (number, permission) in list.iter().enumerate() {
            let known = || known(resource.resource, permission).map(|known| known.id);
            let role =
                permission.id.or_else(known).map_or_else(|| format!("the id of the app role {}", permission.value), |id| id.to_string());
            let body = json!({ "principalId": id("app"), "resourceId": id(&format!("api{at}")), "appRoleId": role });
            let url = graph(format!("servicePrincipals/{}/appRoleAssignments", id("app")));
            push(GRAPH, format!("role{at}_{number}"), "POST", url, Some(body));
        }
    }
    requests
}

/// Writes the requests of all customers in the format of REST clients (`.http`).
///
/// # Errors
/// Those of the disk.
pub(super) fn write_requests<'r>(path: &Path, all: impl Iterator<Item = (&'r str, &'r str, &'r [GdapRequest])>) -> io::Result<()> {
    let mut text = String::from(
        "# These requests approve apps in your customers' tenants. Send them one by one, in their order, with your own account.\n\
         # graphToken: a token of the customer's tenant for Microsoft Graph, with AppRoleAssignment.ReadWrite.All,\n\
         # Application.ReadWrite.All and DelegatedPermissionGrant.ReadWrite.All. partnerCenterToken: a token for Partner Center.\n",
    );
    for (customer, app, requests) in all {
        for GdapRequest { token_for, name, method, url, body } in requests {
            let token = if *token_for == PARTNER_CENTER { "partnerCenterToken" } else { "graphToken" };
            text.push_str(&format!("\n### {}: {app}, {name}\n# @name {name}\n{method} {url}\n", customer.replace(char::is_control, " ")));
            text.push_str(&format!("Authorization: Bearer {{{{{token}}}}}\n"));
            if let Some(body) = body {
                text.push_str(&format!("Content-Type: application/json\n\n{body}\n"));
            }
        }
    }
    let mut file = file::unfinished(path, Readers::Owner)?;
    file.write_all(text.as_bytes())?;
    file::finish(file, path)
}
