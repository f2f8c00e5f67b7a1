//! The sandbox's pages: plain, with few scripts, and clearly different from Microsoft's.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::ids::{ObjectId, TenantId};

use super::aadsts::{Aadsts, Ids};
use super::answer::Answer;
use super::consent::{Authority, ConsentRequest, Form, Landing};
use super::scenario::UserRole;
use super::state::{App, World};
use super::tenant::{Tenant, User};

/// The number of users from other tenants that the page offers for signing in.
const OTHERS: usize = 12;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f3f2f1;color:#1b1a19}\
.sim{background:#5c2e91;color:#fff;padding:.5rem 1rem;text-align:center}\
main{max-width:36rem;margin:2rem auto;background:#fff;padding:1.5rem 2rem;border:1px solid #d2d0ce}\
h1{font-size:1.4rem;margin:.2rem 0 1rem}fieldset{border:1px solid #d2d0ce;margin:1rem 0}label{display:block;padding:.15rem 0}\
button{font:inherit;padding:.5rem 1.2rem;margin:.25rem .5rem .25rem 0}dt{font-weight:600}dd{margin:0 0 .6rem}\
code{overflow-wrap:anywhere}small{color:#605e5c}";

fn page(title: &str, name: &str, aadsts: Option<u32>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - simulated Microsoft Entra" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                div.sim { "Simulation. This is not Microsoft, and nothing here is real." }
                main data-page=(name) data-aadsts=[aadsts] { (content) }
            }
        }
    }
}

/// The start page, which explains the sandbox to a visitor.
pub(super) fn index(world: &World) -> Answer {
    Answer::html(
        200,
        page(
            "Sandbox",
            "index",
            None,
            &html! {
                h1 { "Simulated Microsoft Entra and Graph" }
                p { (world.tenants.len()) " tenants, " (world.apps.len()) " apps." }
                ul { @for (id, tenant) in world.tenants.iter().take(OTHERS) { li { (tenant.name) " " code { (id) } } } }
                p { "State: " a href="/_sandbox/state" { "/_sandbox/state" } ". Requests: " a href="/_sandbox/requests" { "/_sandbox/requests" } "." }
            },
        ),
    )
}

/// The consent page with its buttons.
pub(super) fn consent(world: &World, asked: &ConsentRequest) -> Answer {
    let app = world.apps.get(&asked.client);
    let name = app.map_or("", |app| app.name.as_str());
    let tenant = match asked.authority {
        Authority::Tenant(id) => world.tenants.get(&id).map(|tenant| (id, tenant)),
        Authority::Home => None,
    };
    let content = html! {
        h1 { "Permissions requested" }
        p { "Review for " strong { (tenant.map_or("your organization", |(_, tenant)| tenant.name.as_str())) } }
        dl {
            dt { "App" } dd { (name) br; code { (asked.client) } }
            dt { "Publisher" } dd { (app.and_then(App::shown_publisher).unwrap_or("unverified")) }
            dt { "Tenant" }
            dd { @match tenant { Some((id, _)) => code { (id) }, None => "the home tenant of the user who signs in" } }
            @if let Landing::To(uri) = &asked.landing { dt { "Returns to" } dd { code { (uri) } } }
        }
        p { "This app would like to:" }
        ul { @for line in lines(world, asked) { li { (line) } } }
        p { "If you accept, this app will get access to the specified resources for all users in your organization." }
        form method="post" {
            fieldset {
                legend { "Sign in as" }
                @for (at, (user, tenant)) in people(world, asked).into_iter().enumerate() {
                    label {
                        input type="radio" name="user" value=(user.id) checked[at == 0];
                        " " (role(user.role)) " of " (tenant.name) " " small { (user.name) ", " (user.upn) }
                    }
                }
            }
            button name="do" value="accept" { "Accept" }
            button name="do" value="cancel" { "Cancel" }
            // For `organizations`, the tenant follows from the user, so only the decision shows whether the tenant has the workflow.
            @if tenant.is_none_or(|(_, tenant)| tenant.workflow) { button name="do" value="request" { "Request approval" } }
        }
    };
    Answer::html(200, page("Permissions requested", "consent", None, &content))
}

/// The page for a user without the right to consent.
pub(super) fn needs_administrator(world: &World, asked: &ConsentRequest, tenant: TenantId, user: ObjectId, ids: &Ids) -> Answer {
    let name = world.apps.get(&asked.client).map_or("", |app| app.name.as_str());
    let workflow = world.tenants.get(&tenant).is_some_and(|tenant| tenant.workflow);
    let (title, code) = if workflow { ("Approval required", 90_095) } else { ("Need admin approval", 90_094) };
    let content = html! {
        h1 { (title) }
        p {
            strong { (name) } " needs permission to access resources in your organization that only an admin can grant. "
            "Please ask an admin to grant permission to this app before you can use it."
        }
        form method="post" {
            input type="hidden" name="user" value=(user);
            @if workflow {
                button name="do" value="request" { "Request approval" }
            }
            button name="do" value="back" { "Return to the application without granting consent" }
        }
        p { small { "AADSTS" (code) br; "Trace ID: " (ids.trace) br; "Correlation ID: " (ids.correlation) br; "Timestamp: " (ids.timestamp) } }
    };
    Answer::html(200, page(title, "needs-administrator", Some(code), &content))
}

/// Microsoft's own error page, for errors without an address to redirect to.
pub(super) fn error(error: &Aadsts, ids: &Ids) -> Answer {
    error_page(error, Some(ids))
}

/// The error page for an answer without IDs.
pub(super) fn plain_error(error: &Aadsts) -> Answer {
    error_page(error, None)
}

fn error_page(error: &Aadsts, ids: Option<&Ids>) -> Answer {
    let content = html! {
        h1 { "Sorry, but we’re having trouble signing you in." }
        p { "AADSTS" (error.code) ": " (error.text) }
        @if let Some(ids) = ids {
            p { small { "Trace ID: " (ids.trace) br; "Correlation ID: " (ids.correlation) br; "Timestamp: " (ids.timestamp) } }
        }
    };
    Answer::html(400, page("Sign in to your account", "error", Some(error.code), &content))
}

/// `response_mode=form_post`: the parameters travel in the body of a POST.
pub(super) fn form_post(target: &str, params: &[(&'static str, String)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Working... - simulated Microsoft Entra" } }
            body {
                form method="post" action=(target) {
                    @for (name, value) in params { input type="hidden" name=(name) value=(value); }
                    p { "Simulation. Without scripts, press the button." }
                    button { "Continue" }
                }
                script { (PreEscaped("document.forms[0].submit()")) }
            }
        }
    }
}

fn lines(world: &World, asked: &ConsentRequest) -> Vec<String> {
    let line = |name: &str, value: &str| if name.is_empty() { value.to_owned() } else { format!("{name} ({value})") };
    let scopes = asked.grant.scopes.iter().filter_map(|(resource, value)| {
        let known = &world.resources.get(resource)?.scopes;
        known.iter().find(|scope| scope.value == *value).map(|scope| line(&scope.name, value))
    });
    let roles = asked.grant.roles.iter().filter_map(|(resource, id)| world.role(*resource, *id).map(|role| line(&role.name, &role.value)));
    roles.chain(scopes).collect()
}

/// Users who can sign in: those of the tenant first, then others.
fn people<'a>(world: &'a World, asked: &ConsentRequest) -> Vec<(&'a User, &'a Tenant)> {
    let own = match asked.authority {
        Authority::Tenant(id) => Some(id),
        Authority::Home => None,
    };
    let others = world.tenants.iter().filter(|(id, _)| Some(**id) != own).take(OTHERS).map(|(_, tenant)| tenant);
    let tenants = own.and_then(|id| world.tenants.get(&id)).into_iter().chain(others);
    tenants.flat_map(|tenant| tenant.users.iter().map(move |user| (user, tenant))).collect()
}

fn role(role: UserRole) -> &'static str {
    match role {
        UserRole::Administrator => "Administrator",
        UserRole::AppAdministrator => "Cloud application administrator",
        UserRole::User => "Ordinary user",
    }
}

impl Form {
    /// The form of consent that an address of the authority requests. `segments` are the segments after the tenant, in lower case.
    pub(super) fn read(segments: &[&str], prompt: Option<&str>) -> Option<Self> {
        match segments {
            ["adminconsent"] => Some(Self::V1),
            ["v2.0", "adminconsent"] => Some(Self::V2),
            ["oauth2", "authorize"] if prompt == Some("admin_consent") => Some(Self::Authorize),
            _ => None,
        }
    }
}
