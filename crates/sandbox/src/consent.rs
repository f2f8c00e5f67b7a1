//! The admin consent endpoints: Entra's checks before the page, and the results of the decision (protocol reference §1).

use super::ids::{ClientId, ObjectId, ResourceId, TenantId};

use super::aadsts::{Aadsts, Ids};
use super::answer::Answer;
use super::callback::Callback;
use super::consent_page as pages;
use super::effects;
use super::fault::Effect;
use super::request::Params;
use super::scenario::UserRole;
use super::state::World;
use super::tenant::{ApprovalRequest, Grant, RequestState};
use super::token;

/// The three addresses that request consent (protocol reference §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `/adminconsent`: the permissions of the registration.
    V1,
    /// `/v2.0/adminconsent`: the permissions in `scope`.
    V2,
    /// `/oauth2/authorize?prompt=admin_consent`: the same as v1, and a code in the callback.
    Authorize,
}

/// The tenant whose administrator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    Tenant(TenantId),
    /// `organizations` and `common`: the home tenant of the user who signs in.
    Home,
}

/// The browser's destination after the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Landing {
    To(String),
    /// The app has no redirect URI. The page shows 500113, although Entra stored the consent.
    NoReplyAddress,
    /// The app is another company's, and the redirect URI is the operator's. The page shows 900561, although Entra stored the consent.
    NotOurs,
}

/// A request for consent that passed the checks before the page.
#[derive(Debug)]
pub(super) struct ConsentRequest {
    pub(super) form: Form,
    pub(super) authority: Authority,
    pub(super) client: ClientId,
    pub(super) grant: Grant,
    pub(super) landing: Landing,
    state: Option<String>,
    form_post: bool,
    /// The error that goes to the redirect URI instead of the page.
    refused: Option<Aadsts>,
}

/// Errors about the redirect address itself. They stay on Microsoft's page, because Microsoft has no address to redirect to (protocol
/// reference §1.7).
const ABOUT_THE_REDIRECT: [u32; 4] = [50_011, 500_113, 900_561, 900_971];

/// The user's decision on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Accept,
    Cancel,
    RequestApproval,
    /// "Return to the application without granting consent", for a user who is not an administrator.
    Back,
}

impl Decision {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "accept" => Some(Self::Accept),
            "cancel" => Some(Self::Cancel),
            "request" => Some(Self::RequestApproval),
            "back" => Some(Self::Back),
            _ => None,
        }
    }
}

/// The checks before the consent page. An error stays on Entra's own page, because Entra does not trust any redirect address yet.
pub(super) fn check(world: &World, form: Form, segment: &str, params: &Params) -> Result<ConsentRequest, Aadsts> {
    if let Some(name) = params.duplicate() {
        return Err(token::duplicated(name));
    }
    let sent_client = params.get("client_id").ok_or_else(|| Aadsts::missing_parameter("client_id"))?;
    let authority = match segment.to_ascii_lowercase().as_str() {
        "organizations" | "common" => Authority::Home,
        _ => Authority::Tenant(world.tenant_named(segment).ok_or_else(|| Aadsts::no_such_tenant(segment))?),
    };
    let client = sent_client.parse::<ClientId>().ok();
    let Some((client, app)) = client.and_then(|client| Some((client, world.apps.get(&client)?))) else {
        let tenant = match authority {
            Authority::Tenant(id) => Some(id),
            Authority::Home => world.tenants.keys().next().copied(),
        };
        return Err(tenant.map_or_else(|| Aadsts::scripted(700_016, sent_client), |tenant| token::not_found(world, sent_client, tenant)));
    };
    match authority {
        Authority::Tenant(id) if !app.multi_tenant && app.home != Some(id) => {
            return Err(token::not_found(world, sent_client, id));
        }
        Authority::Home if !app.multi_tenant => {
            return Err(Aadsts::new(
                50_194,
                format!(
                    "Application '{client}'({}) is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps.",
                    app.name
                ),
            ));
        }
        _ => {}
    }
    let landing = match params.get("redirect_uri") {
        Some(uri) if app.redirect_uris.iter().any(|registered| registered == uri) => Landing::To(uri.to_owned()),
        Some(_) if app.third_party => Landing::NotOurs,
        Some(_) if app.redirect_uris.is_empty() => Landing::NoReplyAddress,
        Some(uri) => {
            return Err(Aadsts::new(
                50_011,
                format!(
                    "The redirect URI '{uri}' specified in the request does not match the redirect URIs configured for the application '{client}'."
                ),
            ));
        }
        None if form == Form::V2 => {
            return Err(Aadsts::new(900_971, "No reply address provided."));
        }
        None => app.redirect_uris.first().map_or(Landing::NoReplyAddress, |uri| Landing::To(uri.clone())),
    };
    let mut refused = None;
    if form == Form::Authorize {
        let response_type = params.get("response_type").ok_or_else(|| Aadsts::missing_parameter("response_type"))?;
        if response_type != "code" {
            let mut error = Aadsts::new(70_005, format!("The sandbox simulates response_type 'code', not '{response_type}'."));
            error.error = "unsupported_response_type".into();
            refused = Some(error);
        }
    }
    let grant = match form {
        Form::V1 | Form::Authorize => app.permissions.clone(),
        Form::V2 => {
            let scope = params.get("scope").ok_or_else(|| Aadsts::missing_parameter("scope"))?;
            match scopes(world, scope, &app.permissions) {
                Ok(grant) => grant,
                Err(error) => {
                    refused = Some(error);
                    Grant::default()
                }
            }
        }
    };
    if grant.is_empty() && refused.is_none() {
        return Err(Aadsts::new(
            650_056,
            format!(
                "Misconfigured application. The client has not listed any permissions in the requested permissions of application '{client}'."
            ),
        ));
    }
    let form_post = form == Form::Authorize && params.get("response_mode") == Some("form_post");
    let state = params.get("state").map(str::to_owned);
    Ok(ConsentRequest { form, authority, client, grant, landing, state, form_post, refused })
}

/// The permissions that `scope` requests: those of the registration (`.default`), or scopes by name. A name without a resource belongs to
/// Graph (protocol reference §1.1 and §2.1).
fn scopes(world: &World, scope: &str, registered: &Grant) -> Result<Grant, Aadsts> {
    let mut grant = Grant::default();
    let wanted: Vec<&str> = scope.split_ascii_whitespace().collect();
    for one in &wanted {
        let (resource_name, value) = match one.rsplit_once('/') {
            Some((resource, value)) => (resource, value),
            None => ("00000003-0000-0000-c000-000000000000", *one),
        };
        let resource = world
            .resource_named(resource_name)
            .ok_or_else(|| Aadsts::new(500_011, format!("The resource principal named {resource_name} was not found in the tenant.")))?;
        if value.eq_ignore_ascii_case(".default") {
            if wanted.len() > 1 {
                return Err(Aadsts::new(
                    70_011,
                    format!(
                        "The provided value for the input parameter 'scope' is not valid. .default scope can't be combined with resource-specific scopes: {scope}"
                    ),
                ));
            }
            return Ok(registered.clone());
        }
        let known = resource.scopes.iter().find(|known| known.value.eq_ignore_ascii_case(value));
        let known = known.ok_or_else(|| {
            Aadsts::new(
                650_053,
                format!(
                    "The application asked for scope '{value}' that doesn't exist on the resource '{}'. Contact the app vendor.",
                    resource.app_id
                ),
            )
        })?;
        grant.add_scope(resource.app_id, &known.value);
    }
    Ok(grant)
}

/// The consent page, or a redirect if Entra refuses before the page.
pub(super) fn show(world: &World, asked: &ConsentRequest, ids: &Ids) -> Answer {
    match &asked.refused {
        Some(error) => asked.finish(Callback::error(error, ids)),
        None => pages::consent(world, asked),
    }
}

/// The answer to a decision of `user`.
pub(super) fn decide(
    world: &mut World,
    asked: &ConsentRequest,
    user: Option<&str>,
    decision: Decision,
    scripted: &[Effect],
    ids: &Ids,
) -> Answer {
    if let Some(error) = &asked.refused {
        return asked.finish(Callback::error(error, ids));
    }
    let Some((user, home)) = signed_in(world, asked, user) else {
        return pages::error(&Aadsts::new(50_034, "The user account does not exist in the directory."), ids);
    };
    let tenant = match asked.authority {
        Authority::Tenant(tenant) if tenant != home => {
            let name = world.tenants.get(&tenant).map_or_else(String::new, |tenant| tenant.name.clone());
            let app = world.apps.get(&asked.client).map_or_else(String::new, |app| app.name.clone());
            let error = Aadsts::new(
                50_020,
                format!(
                    "User account '{{EmailHidden}}' from identity provider 'https://sts.windows.net/{home}/' does not exist in tenant '{name}' and cannot access the application '{}'({app}) in that tenant. The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different Azure Active Directory user account.",
                    asked.client
                ),
            );
            return asked.finish(Callback::error(&error, ids));
        }
        Authority::Tenant(tenant) => tenant,
        Authority::Home => home,
    };
    let scripted_error = scripted.iter().find(|effect| matches!(effect, Effect::Aadsts { .. }));
    match decision {
        Decision::Cancel if asked.form == Form::Authorize => asked.finish(Callback::cancelled(true)),
        Decision::Cancel => {
            let declined = Aadsts::new(65_004, "User declined to consent to access the app.");
            asked.finish(Callback::error(&declined, ids))
        }
        Decision::Back => asked.finish(Callback::cancelled(false)),
        Decision::RequestApproval => request_approval(world, asked, tenant, user, ids),
        Decision::Accept => {
            if let Some(effect @ Effect::Aadsts { granted, .. }) = scripted_error {
                if *granted {
                    store(world, asked, tenant);
                }
                let Some(error) = effects::scripted_error(effect, &asked.client.to_string()) else { return Answer::redirect(303, "/") };
                let stays = ABOUT_THE_REDIRECT.contains(&error.code) || !matches!(asked.landing, Landing::To(_));
                return if stays { pages::plain_error(&error) } else { asked.finish(Callback::error(&error, ids)) };
            }
            accept(world, asked, tenant, user, ids)
        }
    }
}

fn accept(world: &mut World, asked: &ConsentRequest, tenant: TenantId, user: ObjectId, ids: &Ids) -> Answer {
    let Some(here) = world.tenants.get(&tenant) else {
        return pages::error(&Aadsts::no_such_tenant(&tenant.to_string()), ids);
    };
    let graph_roles = asked.grant.roles.iter().any(|(resource, _)| *resource == ResourceId::GRAPH);
    let may = match here.user(user).map(|user| user.role) {
        Some(UserRole::Administrator) => true,
        Some(UserRole::AppAdministrator) => !graph_roles,
        Some(UserRole::User) | None => false,
    };
    if !may {
        return pages::needs_administrator(world, asked, tenant, user, ids);
    }
    let missing = asked.grant.resources().into_iter().find(|resource| !here.resources.contains_key(resource));
    if let Some(missing) = missing {
        let error = Aadsts::new(
            650_052,
            format!(
                "The app is trying to access a service '{missing}' that your organization '{}' lacks a service principal for. Contact your IT Admin to review the configuration of your service subscriptions or consent to the application in order to create the required service principal.",
                here.name
            ),
        );
        return asked.finish(Callback::error(&error, ids));
    }
    store(world, asked, tenant);
    match asked.form {
        Form::Authorize => {
            let code = format!("0.{}.{}", world.rng.uuid().simple(), world.rng.uuid().simple());
            let session = world.rng.uuid().to_string();
            asked.finish(Callback::code(&code, &session))
        }
        Form::V1 => asked.finish(Callback::granted(tenant, None)),
        Form::V2 => asked.finish(Callback::granted(tenant, Some(&granted_scopes(world, &asked.grant)))),
    }
}

fn store(world: &mut World, asked: &ConsentRequest, tenant: TenantId) {
    let now = world.now();
    if let Some(here) = world.tenants.get_mut(&tenant) {
        here.consent(asked.client, &asked.grant, now, &mut world.rng);
    }
}

fn request_approval(world: &mut World, asked: &ConsentRequest, tenant: TenantId, user: ObjectId, ids: &Ids) -> Answer {
    let now = world.now();
    let id = world.rng.uuid().to_string();
    let scopes = permission_names(world, &asked.grant);
    let open = world.tenants.get_mut(&tenant).filter(|here| here.workflow);
    let Some(here) = open else { return pages::needs_administrator(world, asked, tenant, user, ids) };
    let again = |request: &ApprovalRequest| request.app == asked.client && request.user == user && request.state == RequestState::Open;
    if !here.requests.iter().any(again) {
        let state = RequestState::Open;
        here.requests.push(ApprovalRequest { id, app: asked.client, scopes, user, created: now, state });
    }
    asked.finish(Callback::cancelled(true))
}

/// The user with the object id or user principal name in the form. Without either, the first administrator of the tenant.
fn signed_in(world: &World, asked: &ConsentRequest, user: Option<&str>) -> Option<(ObjectId, TenantId)> {
    match user {
        None => {
            let tenant = match asked.authority {
                Authority::Tenant(tenant) => tenant,
                Authority::Home => *world.tenants.keys().next()?,
            };
            let users = &world.tenants.get(&tenant)?.users;
            let administrator = users.iter().find(|user| user.role == UserRole::Administrator)?;
            Some((administrator.id, tenant))
        }
        Some(text) => {
            let id = match text.parse::<ObjectId>() {
                Ok(id) => id,
                Err(_) => world
                    .tenants
                    .values()
                    .flat_map(|tenant| &tenant.users)
                    .find(|user| user.upn.eq_ignore_ascii_case(text))
                    .map(|user| user.id)?,
            };
            Some((id, world.user_tenant(id)?))
        }
    }
}

/// The granted permissions as the v2 endpoint returns them: full URIs.
fn granted_scopes(world: &World, grant: &Grant) -> String {
    let full = |resource: &ResourceId, value: &str| {
        let uri = world.resources.get(resource).and_then(|resource| resource.identifiers.first().cloned());
        format!("{}/{value}", uri.unwrap_or_else(|| resource.to_string()))
    };
    let scopes = grant.scopes.iter().map(|(resource, value)| full(resource, value));
    let roles = grant.roles.iter().filter_map(|(resource, id)| Some(full(resource, &world.role(*resource, *id)?.value)));
    scopes.chain(roles).collect::<Vec<_>>().join(" ")
}

pub(super) fn permission_names(world: &World, grant: &Grant) -> Vec<String> {
    let roles = grant.roles.iter().filter_map(|(resource, id)| Some(world.role(*resource, *id)?.value.clone()));
    grant.scopes.iter().map(|(_, value)| value.clone()).chain(roles).collect()
}

impl ConsentRequest {
    /// Redirects the browser, or shows Microsoft's error page if no redirect is possible.
    fn finish(&self, callback: Callback) -> Answer {
        match &self.landing {
            Landing::To(uri) => callback.with_state(self.state.as_deref()).answer(uri, self.form_post),
            Landing::NoReplyAddress => pages::plain_error(&Aadsts::new(500_113, "No reply address is registered for the application.")),
            Landing::NotOurs => {
                pages::plain_error(&Aadsts::new(900_561, "The endpoint only accepts POST requests. Received a GET request."))
            }
        }
    }
}
