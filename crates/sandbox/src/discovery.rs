//! The discovery document of a tenant (protocol reference §6).

use serde_json::json;

use super::aadsts::{Aadsts, Ids};
use super::answer::{Answer, put};
use super::state::World;

/// The document for a tenant's GUID, one of its domains, or a placeholder authority such as `common`. `v2` is true if the path has `/v2.0`.
pub(super) fn answer(world: &World, tenant: &str, v2: bool, base: &str, ids: &Ids) -> Answer {
    let placeholder = ["common", "organizations", "consumers"].iter().find(|name| tenant.eq_ignore_ascii_case(name));
    let (segment, issuer_tenant, found) = match (placeholder, world.tenant_named(tenant)) {
        // The issuer of a placeholder authority contains no tenant. A client that reads a tenant from it has a bug, and fails here.
        (Some(name), _) => ((*name).to_owned(), "{tenantid}".to_owned(), None),
        (None, Some(id)) => (id.to_string(), id.to_string(), world.tenants.get(&id)),
        (None, None) => {
            let mut error = Aadsts::no_such_tenant(tenant);
            // Discovery returns `invalid_tenant`, the token endpoint `invalid_request` (protocol reference §2.2).
            error.error = "invalid_tenant".into();
            return error.answer(ids);
        }
    };
    let (issuer, version) =
        if v2 { (format!("{base}/{issuer_tenant}/v2.0"), "/v2.0") } else { (format!("https://sts.windows.net/{issuer_tenant}/"), "") };
    let host = base.trim_start_matches("http://");
    let mut document = json!({
        "token_endpoint": format!("{base}/{segment}/oauth2{version}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{segment}/discovery{version}/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "authorization_endpoint": format!("{base}/{segment}/oauth2{version}/authorize"),
        "device_authorization_endpoint": format!("{base}/{segment}/oauth2{version}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{segment}/oauth2{version}/logout"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver", "name", "preferred_username"],
        "kerberos_endpoint": format!("{base}/{segment}/kerberos"),
        "tenant_region_scope": found.map(|tenant| tenant.region.clone()),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": host,
        "rbac_url": "https://pas.windows.net",
    });
    if let Some(sub_scope) = found.and_then(|tenant| tenant.region_sub_scope.as_ref()) {
        put(&mut document, "tenant_region_sub_scope", json!(sub_scope));
    }
    Answer::json(200, &document).with("cache-control", "max-age=86400, private")
}
