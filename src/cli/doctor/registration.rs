//! Compares an app's registration with `consent.toml`, in both directions.

use super::super::timestamp;
use super::context::DoctorContext;
use super::finding::{FindingSeverity, FindingSubject, Findings};
use crate::config::{ConfiguredApp, CredentialSource};
use crate::consent::DisplayText;
use crate::consent::permission_table;
use crate::consent::permissions::{is_sign_in_scope, is_user_read};
use crate::consent::profile::{ExpectedPermission, Need, PermissionKind};
use crate::consent::query::MAX_BYTES;
use crate::entra::registration::{NEEDS, Registration};
use crate::entra::scope::callback_bytes;
use crate::entra::verifier::RegistrationUnread;
use crate::expiry::Warning;
use crate::installation::CredentialEnd;
use crate::token::signer::MAX_CHARACTERS;

/// Checks the registration of one of the operator's own apps. A companion's registration belongs to another publisher, so it is not
/// checked.
pub(super) async fn check(context: &mut DoctorContext<'_>, app: &ConfiguredApp, findings: &mut Findings) {
    if app.companion.is_some() {
        return;
    }
    let about = FindingSubject::app("registration", &app.profile.id);
    if context.offline {
        // A certificate contains its own end date, so this part works offline too.
        if matches!(app.credential, Some(CredentialSource::Certificate(_))) {
            credential_end(context, app, Err(&RegistrationUnread::NobodyAsks), findings).await;
        }
        return findings.unseen(about, "Its registration was not read (--offline).", "", "Run doctor without --offline.");
    }
    let registration = context.registration(app).await;
    credential_end(context, app, registration.as_ref().as_ref(), findings).await;
    match registration.as_ref() {
        Ok(registration) => {
            findings.fine(about, "Its registration can be read.");
            redirect(context, app, registration, findings);
            audience(app, registration, findings);
            publisher(app, registration, findings);
            asked_for(context, app, registration, findings).await;
            expected(context, app, registration, findings).await;
            callback_length(context, app, registration, findings).await;
        }
        Err(unread) => not_read(context, app, unread, findings),
    }
}

fn not_read(context: &DoctorContext<'_>, app: &ConfiguredApp, unread: &RegistrationUnread, findings: &mut Findings) {
    let about = FindingSubject::app("registration", &app.profile.id);
    let why = "Only the registration shows whether Microsoft asks for what your page says, where it sends browsers, and when the credential ends.";
    let asker = context.installation.config.verifier_of(app).map(|verifier| verifier.profile.client_id);
    let remedy = match unread {
        RegistrationUnread::NoHomeTenant => "Set site.home_tenant; entra-consent tenant YOUR-DOMAIN shows its id.".to_owned(),
        RegistrationUnread::NotVisible => match asker {
            Some(asker) => format!(
                "{} → API permissions → Add a permission → Microsoft Graph → Application permissions → {NEEDS}, then Grant admin consent, \
                 in your own tenant. Customers who approve afterwards are asked for it too: a reader of its own, named in verified_by, spares them.",
                DoctorContext::registration_path(asker)
            ),
            None => "Name in verified_by an app that may read it.".to_owned(),
        },
        RegistrationUnread::NotRegisteredHere => {
            let what = format!("The registration {} is not in your own tenant.", app.profile.client_id);
            let remedy = "Compare client_id with the app registration's overview, and site.home_tenant with the tenant it is in.";
            return findings.wrong(about, what, "An app that does not exist cannot be approved.", remedy);
        }
        RegistrationUnread::NobodyAsks => "Give the app a credential, or name in verified_by one that has it.".to_owned(),
        RegistrationUnread::NoToken(_) => "See what is said of the credential.".to_owned(),
        RegistrationUnread::Unread(_) => "Check the network and run doctor again.".to_owned(),
    };
    findings.unseen(about, format!("Its registration was not read: {unread}."), why, remedy);
}

/// Makes a text from the registration safe for a terminal.
fn readable(text: &str) -> String {
    DisplayText::bounded(text, 256).map(|text| text.to_string()).unwrap_or_default()
}

fn redirect(context: &DoctorContext<'_>, app: &ConfiguredApp, registration: &Registration, findings: &mut Findings) {
    let about = FindingSubject::app("redirect_address", &app.profile.id);
    let ours = context.installation.redirect_address();
    let why = "Microsoft stops with AADSTS50011 before anybody can approve.";
    let add = || {
        let path = DoctorContext::registration_path(app.profile.client_id);
        let click = format!("{path} → Authentication → Add a platform → Web → {ours}");
        // The command replaces the whole list, so it must contain the existing addresses. A shell may misread an unusual address, so the
        // remedy is then only the click path.
        let is_plain = |uri: &str| uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?&=%+".contains(&byte));
        if !registration.redirect_uris.iter().all(|uri| is_plain(uri)) || !is_plain(&ours) {
            return format!("{click}. Wait 3 to 5 minutes.");
        }
        let all: Vec<&str> = registration.redirect_uris.iter().map(AsRef::as_ref).chain([ours.as_str()]).collect();
        format!("{click}, or:\naz ad app update --id {} --web-redirect-uris {}\nWait 3 to 5 minutes.", app.profile.client_id, all.join(" "))
    };
    if registration.redirect_uris.iter().any(|uri| **uri == *ours) {
        return findings.fine(about, format!("{ours} is registered."));
    }
    if registration.other_redirect_uris.iter().any(|uri| **uri == *ours) {
        let what = format!("{ours} is registered under another platform than Web.");
        return findings.wrong(about, what, "The answer may come behind a `#`, where no server can read it.", add());
    }
    let bare = |uri: &str| uri.trim_end_matches('/').to_ascii_lowercase();
    let what = match registration.redirect_uris.iter().find(|uri| bare(uri) == bare(&ours)) {
        Some(near) => format!("{} is registered, and that is not {ours} to the letter.", readable(near)),
        None => format!("{ours} is not registered."),
    };
    findings.wrong(about, what, why, add());
}

fn audience(app: &ConfiguredApp, registration: &Registration, findings: &mut Findings) {
    let about = FindingSubject::app("audience", &app.profile.id);
    let (client, path) = (app.profile.client_id, DoctorContext::registration_path(app.profile.client_id));
    let remedy = format!(
        "{path} → Authentication → Supported account types → Accounts in any organizational directory, or:\n\
         az ad app update --id {client} --sign-in-audience AzureADMultipleOrgs"
    );
    match registration.audience.is_multi_tenant() {
        Some(true) => findings.fine(about, "Any organisation can approve it."),
        Some(false) => {
            findings.wrong(about, "It works in your own tenant only.", "Every customer ends on AADSTS50194 or 700016.", remedy);
        }
        None => findings.unseen(about, "Microsoft does not say which tenants can approve it.", "", remedy),
    }
}

fn publisher(app: &ConfiguredApp, registration: &Registration, findings: &mut Findings) {
    let path = DoctorContext::registration_path(app.profile.client_id);
    let about = FindingSubject::app("publisher", &app.profile.id);
    let shown = registration.verified_publisher.as_ref().map(|name| name.as_str());
    match &registration.verified_publisher {
        _ if app.publisher.as_ref().is_some_and(|publisher| publisher.name() != shown) => {
            let shown = shown.unwrap_or("unverified");
            findings.warning(
                about,
                format!("Your page says that Microsoft shows another publisher than it does: {shown}."),
                "An administrator who compares both pages has to think of a forgery.",
                format!("Write publisher = {shown:?} for this app in consent.toml."),
            );
        }
        Some(name) => findings.fine(about, format!("Microsoft verified the publisher: {name}.")),
        None => findings.warning(
            about,
            "The publisher is not verified.",
            "Microsoft's page shows \"unverified\" next to your name, and where step-up consent is on, it stops users.",
            format!("{path} → Branding & properties → Add Partner One ID to verify publisher (docs/register.md, \"Say who you are\")."),
        ),
    }
    let about = FindingSubject::app("publisher_domain", &app.profile.id);
    let remedy = format!("{path} → Branding & properties → Publisher domain → a domain of yours that the tenant verified.");
    match &registration.publisher_domain {
        Some(domain) if !domain.as_str().to_ascii_lowercase().ends_with(".onmicrosoft.com") => {
            findings.fine(about, format!("The publisher domain is {domain}."));
        }
        Some(domain) => {
            let what = format!("The publisher domain is {domain}.");
            findings.warning(about, what, "Administrators read it, and it says nothing of you.", remedy);
        }
        None => findings.warning(about, "There is no publisher domain.", "Administrators look for it on Microsoft's page.", remedy),
    }
}

/// Checks when the credential in use ends.
async fn credential_end(
    context: &DoctorContext<'_>,
    app: &ConfiguredApp,
    registration: Result<&Registration, &RegistrationUnread>,
    findings: &mut Findings,
) {
    let (Some(source), Some(end)) = (&app.credential, context.installation.credential_end_with(app, registration).await) else { return };
    let (kind, place) = match source {
        CredentialSource::ClientSecret(place) => ("client secret", place.to_string()),
        CredentialSource::Certificate(place) => ("certificate", place.to_string()),
        CredentialSource::Federated { .. } => ("federated credential", String::new()),
    };
    let about = FindingSubject::app("credential_end", &app.profile.id);
    let now = context.installation.clock.now();
    let why = "From then on no approval can be verified: every outcome is `operator_fault`.";
    let remedy = format!(
        "{} → Certificates & secrets: add a new one, put it where consent.toml says ({place}), and remove the old one after a day.",
        DoctorContext::registration_path(app.profile.client_id)
    );
    match end {
        CredentialEnd::Never => findings.fine(about, format!("The {kind} does not end.")),
        CredentialEnd::Unseen(reason) => {
            findings.unseen(about, format!("The end of the {kind} is unknown: {}.", readable(&reason)), why, remedy);
        }
        CredentialEnd::At(end, _) => {
            let when = timestamp::in_words(end, now);
            match Warning::of(end, now) {
                Some(Warning::Ended) => findings.wrong(about, format!("The {kind} ended {when}."), why, remedy),
                Some(_) => findings.warning(about, format!("The {kind} ends {when}."), why, remedy),
                None => findings.fine(about, format!("The {kind} ends {when}.")),
            }
        }
    }
}

/// Checks that the page announces every permission that Microsoft will ask for.
async fn asked_for(context: &mut DoctorContext<'_>, app: &ConfiguredApp, registration: &Registration, findings: &mut Findings) {
    let about = FindingSubject::app("asked_for", &app.profile.id);
    let path = DoctorContext::registration_path(app.profile.client_id);
    if app.scope.names_each() {
        return findings.fine(about, "Links ask for each permission by name: Microsoft's page lists what yours does (`scopes`).");
    }
    let mut surprises = 0_usize;
    for access in &registration.required {
        let configured = app.profile.on(access.resource);
        let name = context.name_of(app, access.resource, access.kind, access.permission).await;
        let name = readable(&name);
        if access.kind == PermissionKind::Delegated && is_sign_in_scope(&name) {
            continue;
        }
        let is_it = |one: &&ExpectedPermission| {
            one.kind == access.kind && (one.id == Some(access.permission) || one.value.eq_ignore_ascii_case(&name))
        };
        let known = || permission_table::resource_name(access.resource).map_or_else(|| access.resource.to_string(), str::to_owned);
        let resource = configured.map_or_else(known, |on| on.name.to_string());
        let kind = access.kind.name();
        match configured.and_then(|on| on.permissions.iter().find(is_it)).map(|one| one.need) {
            Some(Need::Required | Need::Optional) => {}
            Some(Need::Forbidden) => {
                surprises += 1;
                findings.wrong(
                    about,
                    format!("Microsoft will ask for {name} ({resource}, {kind}), which consent.toml forbids."),
                    "Each approval grants it, so each approval is `granted_in_excess`.",
                    format!("{path} → API permissions: remove {name}; or take it out of forbidden."),
                );
            }
            None => {
                surprises += 1;
                let what = format!("Microsoft will ask for {name} ({resource}, {kind}); your page does not mention it.");
                let place = format!("[apps.permissions.\"{resource}\"] {kind}, as required or optional");
                let remedy = format!("Add {name:?} under {place}; or remove it: {path} → API permissions.");
                if access.kind == PermissionKind::Delegated && is_user_read(access.resource, &name) {
                    let why = "Administrators compare the two lists. The portal adds it by itself, so the outcome stays `granted`.";
                    findings.warning(about, what, why, remedy);
                } else {
                    let why = "Administrators compare the two lists. Approved, it is unexpected, and the outcome `granted_in_excess`.";
                    findings.wrong(about, what, why, remedy);
                }
            }
        }
    }
    if registration.required.is_empty() {
        findings.wrong(
            about,
            "The registration lists no permission.",
            "Microsoft stops with AADSTS650056 or 90008.",
            format!("{path} → API permissions → Add a permission."),
        );
    } else if surprises == 0 {
        findings.fine(about, "Microsoft asks for nothing that your page does not mention.");
    }
}

/// Checks that Microsoft will ask for every permission that the page announces.
async fn expected(context: &mut DoctorContext<'_>, app: &ConfiguredApp, registration: &Registration, findings: &mut Findings) {
    if app.scope.names_each() {
        return;
    }
    let about = FindingSubject::app("expected", &app.profile.id);
    let path = DoctorContext::registration_path(app.profile.client_id);
    let mut never_asked = 0_usize;
    let mut unknown: Vec<String> = Vec::new();
    for on in &app.profile.expected {
        for permission in on.permissions.iter().filter(|permission| permission.need != Need::Forbidden) {
            if is_sign_in_scope(&permission.value) {
                continue;
            }
            let in_table = || permission_table::by_value(on.resource, permission.kind, &permission.value).map(|known| known.id);
            let known = match permission.id.or_else(in_table) {
                Some(id) => Some(id),
                None => context.published(app, on.resource).await.and_then(|api| api.id(permission.kind, &permission.value)),
            };
            let Some(id) = known else {
                unknown.push(format!("{} ({}, {})", permission.value, on.name, permission.kind.name()));
                continue;
            };
            let wanted = (on.resource, permission.kind, id);
            if registration.required.iter().any(|access| (access.resource, access.kind, access.permission) == wanted) {
                continue;
            }
            never_asked += 1;
            let (severity, why) = match permission.need {
                Need::Required => (FindingSeverity::Wrong, "It is never granted: every approval stays `granted_in_part`."),
                Need::Optional | Need::Forbidden => (FindingSeverity::Warning, "Your page names something that Microsoft's does not."),
            };
            let (name, kind) = (&permission.value, permission.kind.name());
            let flag = if permission.kind == PermissionKind::Application { "Role" } else { "Scope" };
            let (client, resource, app_id) = (app.profile.client_id, on.resource, &app.profile.id);
            let remedy = format!(
                "az ad app permission add --id {client} --api {resource} --api-permissions {id}={flag}\nor take it out of the app {app_id} in consent.toml."
            );
            let what = format!("Your page says {name} ({}, {kind}); Microsoft will not ask for it.", on.name);
            findings.note(severity, about, what, why, remedy);
        }
    }
    if !unknown.is_empty() {
        return findings.unseen(
            about,
            format!(
                "Whether Microsoft will ask for {} is not known: the registration lists ids, and no source names this one.",
                unknown.join(", ")
            ),
            "What is required and not asked for is never granted: every approval stays `granted_in_part`.",
            format!(
                "Look at {path} → API permissions. doctor finds it out where the API is in your own tenant and the verifier has \
                 Application.Read.All there."
            ),
        );
    }
    if never_asked == 0 {
        findings.fine(about, "Microsoft asks for everything that your page mentions.");
    }
}

/// Checks that API Gateway accepts a callback that names every permission.
async fn callback_length(context: &mut DoctorContext<'_>, app: &ConfiguredApp, registration: &Registration, findings: &mut Findings) {
    /// The other bytes of such a request: the longest ticket, the other parameters, and the headers of a usual browser.
    const AROUND: usize = MAX_CHARACTERS + 200 + 1_000;
    if app.scope.names_each() || registration.required.is_empty() {
        return;
    }
    let about = FindingSubject::app("callback_length", &app.profile.id);
    let mut lengths = Vec::new();
    for access in &registration.required {
        let name = context.name_of(app, access.resource, access.kind, access.permission).await;
        lengths.push(callback_bytes(&app.endpoints, access.resource, &name));
    }
    let (count, longest) = (lengths.len(), lengths.iter().max().copied().unwrap_or(1));
    let room = MAX_BYTES.saturating_sub(AROUND);
    let total = AROUND + lengths.iter().sum::<usize>();
    let what = format!(
        "The registration lists {count} permissions: a callback with their names has up to {total} of the {MAX_BYTES} bytes that API Gateway \
         lets through. With names like the longest, it is too long from {} on.",
        room / longest + 1
    );
    if total <= MAX_BYTES {
        return findings.fine(about, what);
    }
    findings.warning(
        about,
        what,
        "API Gateway then refuses the callback: Microsoft stores the approval, but the administrator gets an error page and no result.",
        format!(
            "{} → API permissions: remove what the app can do without, or split the app in two.",
            DoctorContext::registration_path(app.profile.client_id)
        ),
    );
}
