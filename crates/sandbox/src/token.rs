//! The token endpoint, for the client credentials grant (protocol reference §3).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::ids::{ClientId, ResourceId, TenantId};

use super::aadsts::{Aadsts, Ids};
use super::answer::Answer;
use super::assertion;
use super::fault::Effect;
use super::federated;
use super::request::Params;
use super::scenario::MissingApp;
use super::state::{App, IssuedToken, World};
use super::tenant::Eye;

/// The parts of a token request that decide its answer.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    /// The tenant as the path spells it.
    pub(super) tenant: &'a str,
    pub(super) params: Params,
    /// The header `Authorization`.
    pub(super) authorization: Option<&'a str>,
    /// The token URL in all spellings of this server's host: the allowed `aud` values of a client assertion.
    pub(super) audiences: Vec<String>,
}

impl TokenRequest<'_> {
    /// The app that sends the request, if the request names one.
    pub(super) fn client(&self) -> Option<ClientId> {
        let basic = self.basic().map(|(id, _)| id);
        let id = self.params.get("client_id").map(str::to_owned).or(basic)?;
        id.parse().ok()
    }

    /// Client id and secret of HTTP Basic, form-decoded as RFC 6749 §2.3.1 requires.
    fn basic(&self) -> Option<(String, String)> {
        let (scheme, text) = self.authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        let plain = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        Some((plain(id), plain(secret)))
    }
}

/// Answers a token request.
pub(super) fn answer(world: &mut World, request: &TokenRequest<'_>, effects: &[Effect], ids: &Ids) -> Result<Answer, Aadsts> {
    let now = world.now();
    for reserved in ["common", "organizations", "consumers"] {
        if request.tenant.eq_ignore_ascii_case(reserved) {
            return Err(Aadsts::new(
                9_001_023,
                format!(
                    "The grant type 'client_credentials' is not supported over the /{reserved} endpoint. Please use a tenant-specific endpoint."
                ),
            ));
        }
    }
    let tenant = world.tenant_named(request.tenant).ok_or_else(|| Aadsts::no_such_tenant(request.tenant))?;
    if let Some(name) = request.params.duplicate() {
        return Err(duplicated(name));
    }
    match request.params.get("grant_type") {
        None => return Err(Aadsts::missing_parameter("grant_type")),
        Some("client_credentials") => {}
        Some(other) => {
            return Err(Aadsts::new(70_003, format!("The app requested an unsupported grant type '{other}'.")));
        }
    }
    let sent_client = request.params.get("client_id").map(str::to_owned).or_else(|| request.basic().map(|(id, _)| id));
    let sent_client = sent_client.ok_or_else(|| Aadsts::missing_parameter("client_id"))?;
    let not_found = |world: &World| not_found(world, &sent_client, tenant);
    let client = request.client().ok_or_else(|| not_found(world))?;
    let app = world.apps.get(&client).filter(|app| app.multi_tenant || app.home == Some(tenant));
    let app = app.ok_or_else(|| not_found(world))?.clone();

    let Some(here) = world.tenants.get_mut(&tenant) else { return Err(Aadsts::no_such_tenant(request.tenant)) };
    let sight = here.sight(now);
    let style = here.missing_app;
    let principal = here.principals.get(&client).filter(|principal| sight.sees(Eye::Authority, principal.created));
    let principal = principal.map(|principal| (principal.id, principal.enabled));
    // If this tenant answers 700016, its directory does not know the app, so there is no credential to check. If it answers 7000229, the
    // directory knows the app, and Entra checks the credential before it returns the error.
    if principal.is_none() && style == MissingApp::NotFoundInDirectory {
        return Err(not_found(world));
    }
    let appidacr = authenticate(world, request, client, &app, now)?;
    let Some((principal_id, enabled)) = principal else {
        return Err(Aadsts::new(
            7_000_229,
            format!("The client application {client} is missing service principal in the tenant {tenant}."),
        ));
    };
    if !enabled {
        return Err(Aadsts::new(7_000_112, format!("Application '{client}'({}) is disabled.", app.name)));
    }
    let (resource, audience) = resource(world, request, tenant)?;

    let roles: Vec<String> = (world.tenants.get(&tenant).and_then(|here| here.principals.get(&client)))
        .map(|principal| {
            let seen = principal.roles.iter().filter(|role| role.resource == resource);
            let seen = seen.filter(|role| sight.sees(Eye::Roles, role.created));
            seen.filter_map(|held| world.role(resource, held.role)).map(|role| role.value.clone()).collect()
        })
        .unwrap_or_default();

    let issued = now.unix_timestamp();
    // Tokens are valid for about 65 minutes and start 5 minutes in the past (protocol reference §3.6); `expires_in` is 3599 seconds.
    let (not_before, expires) = (issued - 300, issued + 3600);
    let mut claims = Map::new();
    let region = world.tenants.get(&tenant).map(|here| here.region.clone());
    for (name, value) in [
        ("aud", json!(audience)),
        ("iss", json!(format!("https://sts.windows.net/{tenant}/"))),
        ("iat", json!(not_before)),
        ("nbf", json!(not_before)),
        ("exp", json!(expires)),
        ("aio", json!(URL_SAFE_NO_PAD.encode(world.rng.uuid().as_bytes()))),
        ("app_displayname", json!(app.name)),
        ("appid", json!(client)),
        ("appidacr", json!(appidacr)),
        ("idp", json!(format!("https://sts.windows.net/{tenant}/"))),
        ("idtyp", json!("app")),
        ("oid", json!(principal_id)),
        ("roles", json!(roles)),
        ("sub", json!(principal_id)),
        ("tenant_region_scope", json!(region)),
        ("tid", json!(tenant)),
        ("uti", json!(URL_SAFE_NO_PAD.encode(world.rng.uuid().as_bytes()))),
        ("ver", json!("1.0")),
        ("wids", json!(["0997a1d0-0d1d-4acb-b408-d5ca73121e90"])),
    ] {
        claims.insert(name.into(), value);
    }
    if roles.is_empty() {
        claims.remove("roles");
    }
    let mut opaque = false;
    for effect in effects {
        match effect {
            Effect::OpaqueToken => opaque = true,
            Effect::Claim { name, json } => {
                claims.remove(name);
                if let Some(value) = json.as_deref().and_then(|json| serde_json::from_str(json).ok()) {
                    claims.insert(name.clone(), value);
                }
            }
            _ => {}
        }
    }
    let nonce = world.rng.uuid().to_string();
    let text = if opaque { format!("opaque.{}", nonce.replace('-', "")) } else { sign(&Value::Object(claims), &nonce)? };
    world.remember_token(&text, IssuedToken { tenant, resource, roles, expires }, issued);
    Ok(Answer::json(200, &json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": text }))
        .with("x-ms-request-id", &ids.trace)
        .with("client-request-id", &ids.correlation))
}

pub(super) fn duplicated(name: &str) -> Aadsts {
    Aadsts::new(9_000_411, format!("The request is not properly formatted. The parameter '{name}' is duplicated."))
}

/// Error 700016. The token endpoint and the consent endpoint use the same text.
pub(super) fn not_found(world: &World, client: &str, tenant: TenantId) -> Aadsts {
    let directory = world.tenants.get(&tenant).map_or_else(|| tenant.to_string(), |here| here.name.clone());
    Aadsts::new(
        700_016,
        format!(
            "Application with identifier '{client}' was not found in the directory '{directory}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
        ),
    )
}

/// Checks the credential and returns the claim `appidacr`: 1 for a secret, 2 for an assertion.
fn authenticate(
    world: &mut World,
    request: &TokenRequest<'_>,
    client: ClientId,
    app: &App,
    now: OffsetDateTime,
) -> Result<&'static str, Aadsts> {
    if let Some(assertion) = request.params.get("client_assertion") {
        match request.params.get("client_assertion_type") {
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") => {}
            Some(_) => {
                return Err(Aadsts::new(50_027, "The value of 'client_assertion_type' is not supported."));
            }
            None => return Err(Aadsts::missing_parameter("client_assertion_type")),
        }
        if federated::is_federated(assertion) {
            federated::verify(world, assertion, &app.federated, now)?;
            return Ok("2");
        }
        let verified = assertion::verify(assertion, client, &app.certificates, &request.audiences, now)?;
        if !world.first_use(client, verified, now.unix_timestamp()) {
            return Err(Aadsts::new(50_013, "Assertion failed validation for various reasons: it was used before, its 'jti' is known."));
        }
        return Ok("2");
    }
    let sent = request.params.get("client_secret").map(str::to_owned).or_else(|| request.basic().map(|(_, s)| s));
    let Some(sent) = sent else {
        return Err(Aadsts::new(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    };
    let Some(secret) = app.secrets.iter().find(|secret| secret.value.expose() == sent) else {
        return Err(Aadsts::new(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
            ),
        ));
    };
    if secret.expires.is_some_and(|expires| expires <= now) {
        return Err(Aadsts::new(
            7_000_222,
            format!("The provided client secret keys for app '{client}' are expired. Create new keys for your app."),
        ));
    }
    Ok("1")
}

/// The resource in the scope, and the audience of a token for that resource. The audience is the resource in the client's spelling.
fn resource(world: &World, request: &TokenRequest<'_>, tenant: TenantId) -> Result<(ResourceId, String), Aadsts> {
    let scope = request.params.get("scope").ok_or_else(|| Aadsts::missing_parameter("scope"))?;
    let mut scopes = scope.split_ascii_whitespace();
    let (Some(one), None) = (scopes.next(), scopes.next()) else {
        return Err(Aadsts::new(
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        ));
    };
    let Some(name) = one.strip_suffix("/.default") else {
        return Err(Aadsts::new(
            1_002_012,
            format!(
                "The provided value for scope {one} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    let found = world.resource_named(name).map(|resource| resource.app_id);
    let here = world.tenants.get(&tenant);
    let present = found.filter(|id| here.is_some_and(|here| here.resources.contains_key(id)));
    match present {
        Some(id) => Ok((id, name.to_owned())),
        None => Err(resource_missing(world, name, tenant)),
    }
}

/// Error 500011, with the text of the token endpoint.
pub(super) fn resource_missing(world: &World, name: &str, tenant: TenantId) -> Aadsts {
    let directory = world.tenants.get(&tenant).map_or_else(|| tenant.to_string(), |here| here.name.clone());
    Aadsts::new(
        500_011,
        format!(
            "The resource principal named {name} was not found in the tenant named {directory}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."
        ),
    )
}

/// A JWT in the form of Entra's. The sandbox discards the key at once, because a client must not verify an access token for another API
/// (protocol reference §3.6).
fn sign(claims: &Value, nonce: &str) -> Result<String, Aadsts> {
    let failed = |_| Aadsts::new(90_033, "A transient error has occurred. Please try again.");
    let header = json!({ "typ": "JWT", "nonce": nonce, "alg": "ES256", "kid": "thrown-away" });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&header), encode(claims));
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(failed)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}
