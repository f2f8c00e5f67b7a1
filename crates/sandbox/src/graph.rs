//! Microsoft Graph v1.0: paths, rights, and lists in pages (protocol reference §4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::ids::ResourceId;

use super::answer::{Answer, put};
use super::applications;
use super::graph_objects as objects;
use super::partners;
use super::request::Params;
use super::state::{IssuedToken, World};

/// A Graph call, alone or as a part of a batch.
#[derive(Debug)]
pub(super) struct GraphCall<'a> {
    /// The path after `/v1.0`, still escaped.
    pub(super) path: &'a str,
    pub(super) query: Params,
    /// This server's address in the spelling that the request used.
    pub(super) base: &'a str,
    pub(super) ids: &'a GraphIds,
}

/// The IDs of one answer of Graph.
#[derive(Debug, Clone)]
pub(super) struct GraphIds {
    pub(super) request: String,
    pub(super) client_request: String,
    pub(super) date: String,
}

impl GraphIds {
    pub(super) fn new(world: &mut World, client_request_id: Option<&str>) -> Self {
        let request = world.rng.uuid().to_string();
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let date = world.now().to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default();
        Self { client_request: client_request_id.unwrap_or(&request).to_owned(), request, date }
    }

    /// Graph's error body (protocol reference §4.2).
    pub(super) fn error(&self, status: u16, code: &str, message: &str) -> Answer {
        let inner = json!({ "date": self.date, "request-id": self.request, "client-request-id": self.client_request });
        let body = json!({ "error": { "code": code, "message": message, "innerError": inner } });
        let answer = Answer::json(status, &body);
        if status == 401 {
            return answer.with("www-authenticate", "Bearer realm=\"\", error=\"invalid_token\"");
        }
        answer
    }
}

/// The usual `error.code` and message for a status.
pub(super) fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("BadRequest", "The request is malformed or incorrect."),
        401 => ("InvalidAuthenticationToken", "Access token validation failure."),
        403 => ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
        404 => ("Request_ResourceNotFound", "Resource does not exist or one of its queried reference-property objects are not present."),
        429 => ("TooManyRequests", "Please retry again later."),
        503 => ("serviceNotAvailable", "The service is temporarily unavailable."),
        504 => ("GatewayTimeout", "The upstream did not answer in time."),
        _ => ("InternalServerError", "An internal server error occurred."),
    }
}

/// The token of a call, from the sandbox's memory. The sandbox finds a token by its text, so an opaque token or a token with wrong claims
/// works as well.
pub(super) fn caller(world: &World, authorization: Option<&str>, ids: &GraphIds) -> Result<IssuedToken, Box<Answer>> {
    let refused = |message: &str| Box::new(ids.error(401, "InvalidAuthenticationToken", message));
    let text = authorization.and_then(|value| value.split_once(' '));
    let Some((_, text)) = text.filter(|(scheme, text)| scheme.eq_ignore_ascii_case("bearer") && !text.is_empty()) else {
        return Err(refused("Access token is empty."));
    };
    let Some(token) = world.token(text.trim()) else {
        return Err(refused("CompactToken validation failed: the token was not issued here."));
    };
    if token.resource != ResourceId::GRAPH {
        return Err(refused("Access token validation failure. Invalid audience."));
    }
    if token.expires <= world.now().unix_timestamp() {
        return Err(refused("Lifetime validation failed, the token is expired."));
    }
    Ok(token.clone())
}

/// The object that a path names.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Organization,
    Principals,
    Principal(Key),
    Assignments(Key),
    GrantsOf(Key),
    Grants,
    ApprovalRequests,
    ApprovalPolicy,
    AuthorizationPolicy,
    TenantInformation(TenantKey),
    PartnerCustomers,
    Relationships,
    Contracts,
    Applications,
    Application(Key),
    FederatedCredentials(Key),
}

/// The key of a service principal or an application.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    AppId(String),
    ObjectId(String),
}

#[derive(Debug, PartialEq, Eq)]
enum TenantKey {
    Id(String),
    Domain(String),
}

impl Wanted {
    fn read(path: &str) -> Option<Self> {
        let decoded: Vec<String> = (path.trim_matches('/').split('/'))
            .map(|segment| percent_decode_str(segment).decode_utf8().map(std::borrow::Cow::into_owned))
            .collect::<Result<_, _>>()
            .ok()?;
        let lower: Vec<String> = decoded.iter().map(|segment| segment.to_lowercase()).collect();
        let names: Vec<&str> = lower.iter().map(String::as_str).collect();
        if let Some((key, rest)) = application_key(&names) {
            return match rest {
                [] => Some(Self::Application(key)),
                ["federatedidentitycredentials"] => Some(Self::FederatedCredentials(key)),
                _ => None,
            };
        }
        let (key, rest) = match names.as_slice() {
            ["applications"] => return Some(Self::Applications),
            ["organization"] => return Some(Self::Organization),
            ["oauth2permissiongrants"] => return Some(Self::Grants),
            ["serviceprincipals"] => return Some(Self::Principals),
            ["identitygovernance", "appconsent", "appconsentrequests"] => return Some(Self::ApprovalRequests),
            ["policies", "adminconsentrequestpolicy"] => return Some(Self::ApprovalPolicy),
            ["policies", "authorizationpolicy"] => return Some(Self::AuthorizationPolicy),
            ["contracts"] => return Some(Self::Contracts),
            ["tenantrelationships", "delegatedadmincustomers"] => return Some(Self::PartnerCustomers),
            ["tenantrelationships", "delegatedadminrelationships"] => return Some(Self::Relationships),
            ["tenantrelationships", function] => {
                let id = argument(function, "findtenantinformationbytenantid", "tenantid").map(TenantKey::Id);
                let domain = || argument(function, "findtenantinformationbydomainname", "domainname");
                return id.or_else(|| domain().map(TenantKey::Domain)).map(Self::TenantInformation);
            }
            ["serviceprincipals", id, rest @ ..] => (Key::ObjectId((*id).to_owned()), rest),
            [first, rest @ ..] => (Key::AppId(argument(first, "serviceprincipals", "appid")?), rest),
            [] => return None,
        };
        match rest {
            [] => Some(Self::Principal(key)),
            ["approleassignments"] => Some(Self::Assignments(key)),
            ["oauth2permissiongrants"] => Some(Self::GrantsOf(key)),
            _ => None,
        }
    }

    /// The application permissions for this object. A caller needs one of them (protocol reference §4.1).
    fn rights(&self) -> &'static [&'static str] {
        match self {
            Self::Organization => {
                &["Directory.Read.All", "Directory.ReadWrite.All", "Organization.Read.All", "Organization.ReadWrite.All", "User.Read.All"]
            }
            Self::Principals | Self::Principal(_) | Self::Assignments(_) => &[
                "Application.Read.All",
                "Application.ReadWrite.All",
                "Application.ReadWrite.OwnedBy",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::GrantsOf(_) | Self::Grants => {
                &["Directory.Read.All", "Directory.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"]
            }
            Self::ApprovalRequests => &["ConsentRequest.Read.All", "ConsentRequest.ReadWrite.All"],
            Self::ApprovalPolicy => &["Policy.Read.All", "Directory.Read.All", "Policy.ReadWrite.ConsentRequest"],
            Self::AuthorizationPolicy => &["Policy.Read.All"],
            Self::TenantInformation(_) => &["CrossTenantInformation.ReadBasic.All"],
            Self::PartnerCustomers | Self::Relationships => {
                &["DelegatedAdminRelationship.Read.All", "DelegatedAdminRelationship.ReadWrite.All"]
            }
            Self::Contracts => &["Directory.Read.All", "Directory.ReadWrite.All"],
            Self::Applications | Self::Application(_) | Self::FederatedCredentials(_) => {
                &["Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All"]
            }
        }
    }
}

/// An application by object id or `appId`, and the rest of the path.
fn application_key<'a>(names: &'a [&'a str]) -> Option<(Key, &'a [&'a str])> {
    match names {
        ["applications", id, rest @ ..] => Some((Key::ObjectId((*id).to_owned()), rest)),
        [first, rest @ ..] => Some((Key::AppId(argument(first, "applications", "appid")?), rest)),
        [] => None,
    }
}

/// Returns the argument if `text` is `function(name='argument')` in lower case, else `None`.
fn argument(text: &str, function: &str, name: &str) -> Option<String> {
    let inner = text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
    let value = inner.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start();
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    (!value.contains('\'')).then(|| value.to_owned())
}

/// Answers one GET for the holder of `token`.
pub(super) fn answer(world: &mut World, token: &IssuedToken, call: &GraphCall<'_>) -> Answer {
    answer_or_error(world, token, call).unwrap_or_else(|error| *error)
}

fn answer_or_error(world: &mut World, token: &IssuedToken, call: &GraphCall<'_>) -> Result<Answer, Box<Answer>> {
    let ids = call.ids;
    let error = |status, code: &str, message: &str| Box::new(ids.error(status, code, message));
    let unknown = || error(400, "BadRequest", "Resource not found for the segment.");
    let wanted = Wanted::read(call.path).ok_or_else(unknown)?;
    for (name, _) in call.query.iter() {
        let known = ["$select", "$filter", "$top", "$skiptoken", "$count"];
        if name.starts_with('$') && !known.contains(&name) {
            return Err(error(400, "BadRequest", &format!("The query option '{name}' is not simulated.")));
        }
    }
    let held = |right: &&str| token.roles.iter().any(|role| role.eq_ignore_ascii_case(right));
    if !wanted.rights().iter().any(held) {
        return Err(error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."));
    }
    let now = world.now();
    let gone = || error(401, "Authorization_IdentityNotFound", "The identity of the calling application could not be established.");
    let sight = world.tenants.get_mut(&token.tenant).ok_or_else(gone)?.sight(now);
    let tenant = world.tenants.get(&token.tenant).ok_or_else(gone)?;
    let bad_filter = || error(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.");
    let filter = call.query.get("$filter");

    let listed = |context: &str, items: Vec<Value>| page(world, call, context, items);
    let not_found = |(Key::AppId(name) | Key::ObjectId(name)): &Key| {
        let message = format!("Resource '{name}' does not exist or one of its queried reference-property objects are not present.");
        error(404, "Request_ResourceNotFound", &message)
    };
    let principal = |key: &Key| objects::find_principal(tenant, key, sight).ok_or_else(|| not_found(key));
    let application = |key: &Key| applications::find(world, token.tenant, key).ok_or_else(|| not_found(key));
    match &wanted {
        Wanted::Applications => {
            let filter = filter.ok_or_else(bad_filter)?;
            let id = equal_to(filter, "appId").ok_or_else(bad_filter)?;
            let found = applications::find(world, token.tenant, &Key::AppId(id.to_lowercase()));
            Ok(listed("applications", found.map(|(id, app)| applications::application(world, id, app)).into_iter().collect()))
        }
        Wanted::Application(key) => {
            let (id, app) = application(key)?;
            let mut object = selected(applications::application(world, id, app), call.query.get("$select"));
            put(&mut object, "@odata.context", json!(format!("{}/v1.0/$metadata#applications/$entity", call.base)));
            Ok(Answer::json(200, &object))
        }
        Wanted::FederatedCredentials(key) => {
            let (id, app) = application(key)?;
            Ok(listed("federatedIdentityCredentials", applications::federated_credentials(id, app)))
        }
        Wanted::Organization => {
            // A token without directory or organisation rights gets only a few members (protocol reference §4.2).
            let all = token.roles.iter().any(|role| role.starts_with("Directory.") || role.starts_with("Organization."));
            Ok(listed("organization", vec![objects::organization(token.tenant, tenant, all)]))
        }
        Wanted::Principals => {
            let filter = filter.ok_or_else(bad_filter)?;
            let id = equal_to(filter, "appId").ok_or_else(bad_filter)?;
            let found = objects::find_principal(tenant, &Key::AppId(id.to_lowercase()), sight);
            let items = found.into_iter().map(|found| objects::service_principal(world, tenant, found)).collect();
            Ok(listed("servicePrincipals", items))
        }
        Wanted::Principal(key) => {
            let object = objects::service_principal(world, tenant, principal(key)?);
            let mut object = selected(object, call.query.get("$select"));
            let context = format!("{}/v1.0/$metadata#servicePrincipals/$entity", call.base);
            put(&mut object, "@odata.context", json!(context));
            Ok(Answer::json(200, &object))
        }
        Wanted::Assignments(key) => {
            let items = objects::assignments(world, tenant, principal(key)?, sight);
            Ok(listed("appRoleAssignments", items))
        }
        Wanted::GrantsOf(key) => {
            let items = objects::delegated_grants(tenant, principal(key)?.client(), sight);
            Ok(listed("oauth2PermissionGrants", items))
        }
        Wanted::Grants => {
            let clients = tenant.principals.keys().copied();
            let mut items: Vec<Value> = clients.flat_map(|client| objects::delegated_grants(tenant, Some(client), sight)).collect();
            for clause in filter.into_iter().flat_map(|filter| filter.split(" and ")) {
                let known = ["clientId", "consentType", "principalId", "resourceId"];
                let clause = known.iter().find_map(|name| Some((*name, equal_to(clause, name)?)));
                let (name, value) = clause.ok_or_else(bad_filter)?;
                items.retain(|item| item.get(name).and_then(Value::as_str).is_some_and(|have| have.eq_ignore_ascii_case(&value)));
            }
            Ok(listed("oauth2PermissionGrants", items))
        }
        Wanted::ApprovalRequests => {
            let squeezed = filter.map(|filter| filter.replace(' ', "").to_lowercase());
            let only_open = match squeezed.as_deref() {
                None => false,
                Some("userconsentrequests/any(u:u/statuseq'inprogress')") => true,
                Some(_) => return Err(bad_filter()),
            };
            let items = objects::approval_requests(world, tenant, only_open);
            Ok(listed("identityGovernance/appConsent/appConsentRequests", items))
        }
        Wanted::PartnerCustomers => Ok(listed("tenantRelationships/delegatedAdminCustomers", partners::delegated_admin_customers(tenant))),
        Wanted::Relationships => Ok(listed(
            "tenantRelationships/delegatedAdminRelationships",
            partners::delegated_admin_relationships(tenant, world.clock.now()),
        )),
        Wanted::Contracts => Ok(listed("contracts", partners::contracts(tenant))),
        Wanted::ApprovalPolicy => Ok(Answer::json(200, &objects::approval_policy(tenant))),
        Wanted::AuthorizationPolicy => Ok(Answer::json(200, &objects::authorization_policy(tenant))),
        Wanted::TenantInformation(key) => {
            let found = match key {
                TenantKey::Id(id) => id.parse().ok().filter(|id| world.tenants.contains_key(id)),
                TenantKey::Domain(domain) => world.tenant_named(domain),
            };
            let found = found.and_then(|id| Some((id, world.tenants.get(&id)?)));
            let (id, about) = found.ok_or_else(|| error(404, "TenantNotFound", "Cannot find tenant information."))?;
            let domain = about.domains.first();
            Ok(Answer::json(
                200,
                &json!({
                    "@odata.context": format!("{}/v1.0/$metadata#microsoft.graph.tenantInformation", call.base),
                    "tenantId": id, "displayName": about.name, "defaultDomainName": domain, "federationBrandName": null,
                }),
            ))
        }
    }
}

/// The value of `name eq 'value'`.
fn equal_to(clause: &str, name: &str) -> Option<String> {
    let mut words = clause.trim().splitn(3, ' ');
    let matches = words.next()?.eq_ignore_ascii_case(name) && words.next()?.eq_ignore_ascii_case("eq");
    let value = words.next()?.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    (matches && !value.contains('\'')).then(|| value.to_owned())
}

/// Keeps the members that `$select` names.
fn selected(object: Value, select: Option<&str>) -> Value {
    let (Value::Object(mut members), Some(select)) = (object.clone(), select) else { return object };
    let names: Vec<&str> = select.split(',').map(str::trim).collect();
    members.retain(|name, _| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)));
    Value::Object(members)
}

/// One page of a list, with a link to the next page if there is one.
fn page(world: &World, call: &GraphCall<'_>, context: &str, items: Vec<Value>) -> Answer {
    let top = call.query.get("$top").and_then(|top| top.parse::<usize>().ok()).filter(|top| *top > 0);
    let size = top.unwrap_or(usize::MAX).min(world.page_size);
    let offset = match call.query.get("$skiptoken") {
        None => 0,
        Some(token) => match URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| offset_of(&bytes)) {
            Some(offset) => offset,
            None => {
                return call.ids.error(400, "Directory_ExpiredPageToken", "The specified page token value is invalid.");
            }
        },
    };
    let all = items.len();
    let select = call.query.get("$select");
    let items: Vec<Value> = items.into_iter().skip(offset).take(size).map(|item| selected(item, select)).collect();
    let end = offset.saturating_add(items.len());
    let mut body = json!({ "@odata.context": format!("{}/v1.0/$metadata#{context}", call.base), "value": items });
    if end < all {
        let token = URL_SAFE_NO_PAD.encode(format!("offset {end}"));
        let kept = call.query.iter().filter(|(name, _)| *name != "$skiptoken");
        let query: String = kept.map(|(name, value)| format!("{}={}&", encoded(name), encoded(value))).collect();
        let path = call.path.trim_start_matches('/');
        let link = format!("{}/v1.0/{path}?{query}$skiptoken={token}", call.base);
        put(&mut body, "@odata.nextLink", json!(link));
    }
    Answer::json(200, &body)
}

fn offset_of(token: &[u8]) -> Option<usize> {
    std::str::from_utf8(token).ok()?.strip_prefix("offset ")?.parse().ok()
}

fn encoded(text: &str) -> String {
    const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'=').add(b'<').add(b'>');
    utf8_percent_encode(text, QUERY).to_string()
}

/// RFC 3339 in the form Graph uses.
pub(super) fn graph_time(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_default()
}
