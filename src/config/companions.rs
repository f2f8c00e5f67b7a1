//! Reads companion apps: those from the catalogue, and those that the file describes.

use url::Url;

use super::Companion;
use super::app_draft::{AppDraft, RegistrationTable, client_id, cloud, id, profile_id, wording};
use super::permissions::permissions;
use super::reader::{Item, Reader, Section, address, closest_or};
use super::sections::Clouds;
use crate::consent::profile::VerifyIn;
use crate::consent::{ClientId, ProfileId, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::companion::{self, CATALOGUE, CatalogueEntry, TENANT_PLACEHOLDER};
use crate::entra::scope::ConsentScope;

pub(super) const COMPANION_KEYS: &[&str] = &[
    "catalogue",
    "id",
    "client_id",
    "name",
    "publisher",
    "cloud",
    "verified_by",
    "consent_url",
    "permissions",
    "users_may_approve",
    "uses_ews",
    "purpose",
    "afterwards",
];

/// Keys whose value only the catalogue may set.
const SAID_BY_THE_CATALOGUE: [&str; 3] = ["client_id", "name", "publisher"];

/// The tables `[[companions]]`. `None` if the key has a value of another kind.
pub(super) fn items<'t>(reader: &mut Reader<'t>, root: &Section<'t>) -> Option<Vec<Item<'t>>> {
    let Some(item) = root.get("companions") else { return Some(Vec::new()) };
    reader.list(&item, "it is not a list of tables", "describe each companion app in a table [[companions]]")
}

pub(super) fn draft<'t>(reader: &mut Reader<'t>, item: &Item<'t>, clouds: &Clouds) -> Option<AppDraft> {
    let app = reader.table(item)?;
    reader.refuse_unknown_keys(&app, &[COMPANION_KEYS, &["scopes"]].concat());
    if let Some(item) = app.get("scopes") {
        let remedy = "remove the key; its registration is not yours, and Microsoft's page lists what the registration has";
        reader.refuse(&item.at, "what a companion asks for cannot be chosen", remedy);
    }
    let entry = app.get("catalogue").map_or(Some(None), |item| Some(Some((item.at.clone(), entry(reader, &item)?))))?;
    let cloud = cloud(reader, &app, clouds);
    let (id, client_id, name) = match &entry {
        Some((at, entry)) => {
            refuse_what_the_catalogue_says(reader, &app);
            // A key of the catalogue is also a valid app id.
            let id = if app.get("id").is_some() { id(reader, &app) } else { ProfileId::parse(entry.key).ok().map(|id| (at.clone(), id)) };
            (id, Some((at.clone(), entry.client_id)), Some(entry.name.into()))
        }
        None => {
            let name =
                reader.required_text(&app, "name", 80, "write the name that Microsoft's consent screen shows, or name a catalogue entry");
            (id(reader, &app), client_id(reader, &app), name.map(Box::from))
        }
    };
    let entry = entry.map(|(_, entry)| entry);
    let companion = match (&client_id, &cloud) {
        (Some((_, client_id)), Some((_, endpoints))) => companion(reader, &app, entry, *client_id, endpoints),
        _ => None,
    };
    let expected = match (app.get("permissions"), entry) {
        (Some(_), _) => permissions(reader, &app),
        (None, Some(entry)) => Some(entry.expected()),
        // If the permissions are unknown, any tenant-wide grant shows the approval.
        (None, None) => Some(Vec::new()),
    };
    Some(AppDraft {
        id,
        client_id,
        at: item.at.clone(),
        name,
        scope: cloud.as_ref().map(|(_, endpoints)| ConsentScope::registration(endpoints)),
        cloud,
        credential: None,
        verified_by: app.get("verified_by").map(|item| (item.at.clone(), profile_id(reader, &item))),
        verify_in: Some(VerifyIn::Callback),
        expected,
        wording: wording(reader, &app),
        registration: RegistrationTable::Companion(companion),
    })
}

fn entry<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<&'static CatalogueEntry> {
    let key = reader.text(item, 64)?;
    let entry = companion::by_key(key);
    if entry.is_none() {
        let keys: Vec<&str> = CATALOGUE.iter().map(|entry| entry.key).collect();
        let describe =
            || format!("write one of {}, or leave catalogue out and describe the app by id, client_id and name", keys.join(", "));
        let remedy = closest_or(key, &keys, describe);
        reader.refuse(&item.at, format!("the catalogue has no entry {key:?}"), remedy);
    }
    entry
}

fn refuse_what_the_catalogue_says(reader: &mut Reader<'_>, app: &Section<'_>) {
    for item in SAID_BY_THE_CATALOGUE.iter().filter_map(|key| app.get(key)) {
        reader.refuse(&item.at, "the catalogue says this already", "remove it, or remove catalogue and describe the app in full");
    }
}

fn companion<'t>(
    reader: &mut Reader<'t>,
    app: &Section<'t>,
    entry: Option<&'static CatalogueEntry>,
    client_id: ClientId,
    endpoints: &Endpoints,
) -> Option<Companion> {
    let publisher = match (entry, app.get("publisher")) {
        (Some(entry), _) => entry.publisher.map(Box::from),
        (None, Some(item)) => Some(reader.text(&item, 80)?.into()),
        (None, None) => None,
    };
    let consent_url = match app.get("consent_url") {
        Some(item) => consent_url(reader, &item, client_id, endpoints),
        None => {
            let form = entry.map_or(companion::PUBLISHED_CONSENT_ADDRESS, |entry| entry.consent_address);
            Some(companion::consent_address(form, endpoints, client_id))
        }
    };
    let users_may_approve = reader.flag(app, "users_may_approve", entry.is_some_and(|entry| entry.users_may_approve));
    let uses_ews = reader.flag(app, "uses_ews", entry.is_some_and(|entry| entry.uses_ews));
    Some(Companion { publisher, consent_url: consent_url?, users_may_approve: users_may_approve?, uses_ews: uses_ews? })
}

/// The page sends administrators to this address and says that they can trust it. So the address must be Microsoft's own, and for exactly
/// this app.
fn consent_url<'t>(reader: &mut Reader<'t>, item: &Item<'t>, client_id: ClientId, endpoints: &Endpoints) -> Option<Box<str>> {
    let text = reader.text(item, 300)?;
    let example = || companion::consent_address(companion::PUBLISHED_CONSENT_ADDRESS, endpoints, client_id);
    let (what, remedy) = match consent_problem(text, client_id, endpoints) {
        None => return Some(text.into()),
        Some(problem) => problem,
    };
    reader.fail(&item.at, what, remedy.map_or_else(|| format!("write it as {}, or leave it out", example()), str::to_owned))
}

/// The fault of a consent address, and a specific remedy if the usual one does not help.
fn consent_problem(text: &str, client_id: ClientId, endpoints: &Endpoints) -> Option<(String, Option<&'static str>)> {
    let problem = |what: &str| Some((what.to_owned(), None));
    if text.matches(TENANT_PLACEHOLDER).count() != 1 {
        return problem("it must hold {tenant} once, where the tenant id belongs");
    }
    let sample = TenantId::from_u128(1);
    let filled = text.replace(TENANT_PLACEHOLDER, &sample.to_string());
    let url: Url = match address(&filled) {
        Ok(url) => url,
        Err((what, remedy)) => return Some((what.to_owned(), Some(remedy))),
    };
    if !endpoints.is_authority(&url) {
        return Some((format!("it does not lead to {}, the login host of this cloud", endpoints.authority), None));
    }
    if !url.path().split('/').any(|segment| segment == sample.to_string()) {
        return problem("{tenant} is not a part of its path");
    }
    let mut named = url.query_pairs().filter(|(name, _)| name == "client_id").map(|(_, value)| ClientId::parse(&value).ok());
    if (named.next(), named.next()) != (Some(Some(client_id)), None) {
        return Some((format!("its client_id is not {client_id}, the app's own"), None));
    }
    None
}
