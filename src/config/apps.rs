//! Reads the app profiles, and checks their references to each other.

use std::collections::BTreeMap;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::app_draft::{
    AppDraft, CredentialDraft, RegistrationTable, client_id, cloud, id, profile_id, refuse_unknown_app, with_id, wording,
};
use super::chains::chains;
use super::companions;
use super::permissions::permissions;
use super::reader::{Item, Reader, Section};
use super::sections::{Clouds, secret, time_text};
use super::{Chain, ConfiguredApp, CredentialSource, Publisher, QUEUE_VARIABLE};
use crate::consent::profile::{ExpectedResource, VerifiedBy, VerifyIn};
use crate::consent::{AppProfile, Cloud, ProfileId};
use crate::entra::cloud::Endpoints;
use crate::entra::scope::{ConsentScope, Unnameable};

pub(super) const APP_KEYS: &[&str] = &[
    "id",
    "client_id",
    "name",
    "publisher",
    "cloud",
    "credential",
    "verified_by",
    "verify_in",
    "scopes",
    "purpose",
    "afterwards",
    "permissions",
];
pub(super) const CREDENTIAL_KEYS: &[&str] = &["client_secret", "certificate", "federated", "expires"];
pub(super) const FEDERATED_KEYS: &[&str] = &["audience"];
/// The audience of a federated credential in each cloud (entra-docs, "Configure an application to trust a managed identity", 2024-12-03).
const fn token_exchange(cloud: Option<&Cloud>) -> &'static str {
    match cloud {
        Some(Cloud::UsGovL4 | Cloud::UsGovL5) => "api://AzureADTokenExchangeUSGov",
        Some(Cloud::China) => "api://AzureADTokenExchangeChina",
        Some(Cloud::Global | Cloud::Custom(_)) | None => "api://AzureADTokenExchange",
    }
}

/// Reads all apps, first the operator's own, then the companions, and the chains made of them.
///
/// `has_queue`: whether a worker can do the verification.
pub(super) fn apps<'t>(
    reader: &mut Reader<'t>,
    root: &Section<'t>,
    clouds: &Clouds,
    has_queue: bool,
) -> Option<(Vec<ConfiguredApp>, Vec<Chain>)> {
    let companion_items = companions::items(reader, root);
    let items = own_items(reader, root, companion_items.as_ref().is_none_or(|items| !items.is_empty()));
    let all_read = items.is_some() && companion_items.is_some();
    let (items, companion_items) = (items.unwrap_or_default(), companion_items.unwrap_or_default());
    let mut drafts: Vec<_> = items.iter().filter_map(|item| draft(reader, item, clouds, has_queue)).collect();
    drafts.extend(companion_items.iter().filter_map(|item| companions::draft(reader, item, clouds)));
    let all_read = all_read && drafts.len() == items.len() + companion_items.len();
    refuse_doubles(reader, &drafts);
    refuse_unverifiable(reader, &drafts, all_read);
    let chains = chains(reader, root, &drafts, all_read);
    let apps: Option<Vec<_>> = drafts.into_iter().map(finished).collect();
    let mut apps = apps.filter(|_| all_read)?;
    verify_where_the_verifier_does(&mut apps);
    Some((apps, chains?))
}

fn own_items<'t>(reader: &mut Reader<'t>, root: &Section<'t>, may_be_left_out: bool) -> Option<Vec<Item<'t>>> {
    let remedy = "describe at least one app registration in a table [[apps]]";
    if may_be_left_out && root.get("apps").is_none() {
        return Some(Vec::new());
    }
    let item = reader.required(root, "apps", remedy)?;
    let items = item.elements().unwrap_or_default();
    if items.is_empty() {
        return reader.fail(&item.at, "there is no app here", remedy);
    }
    Some(items)
}

/// A companion has no credential of its own. So the process that has its verifier's credential verifies it.
fn verify_where_the_verifier_does(apps: &mut [ConfiguredApp]) {
    let places: BTreeMap<ProfileId, VerifyIn> = apps.iter().map(|app| (app.profile.id.clone(), app.profile.verify_in)).collect();
    for app in apps.iter_mut().filter(|app| app.companion.is_some()) {
        if let VerifiedBy::Other(verifier) = &app.profile.verified_by
            && let Some(place) = places.get(verifier)
        {
            app.profile.verify_in = *place;
        }
    }
}

fn draft<'t>(reader: &mut Reader<'t>, item: &Item<'t>, clouds: &Clouds, has_queue: bool) -> Option<AppDraft> {
    let app = reader.section(item, APP_KEYS)?;
    let cloud = cloud(reader, &app, clouds);
    let in_cloud = cloud.as_ref().map(|(cloud, _)| cloud.clone());
    let in_cloud = in_cloud.as_ref();
    let expected = permissions(reader, &app);
    let publisher = match app.get("publisher") {
        Some(item) => Some(match reader.text(&item, 80)? {
            name if name.eq_ignore_ascii_case("unverified") => Publisher::Unverified,
            name => Publisher::Verified(name.into()),
        }),
        None => None,
    };
    Some(AppDraft {
        id: id(reader, &app),
        client_id: client_id(reader, &app),
        at: item.at.clone(),
        name: reader.required_text(&app, "name", 80, "write the name that Microsoft's consent screen shows").map(Box::from),
        scope: scope(reader, &app, cloud.as_ref(), expected.as_deref()),
        cloud,
        credential: app.get("credential").map(|item| (item.at.clone(), credential(reader, &item, in_cloud))),
        verified_by: app.get("verified_by").map(|item| (item.at.clone(), profile_id(reader, &item))),
        verify_in: verify_in(reader, &app, has_queue),
        expected,
        wording: wording(reader, &app),
        registration: RegistrationTable::Own(publisher),
    })
}

fn finished(draft: AppDraft) -> Option<ConfiguredApp> {
    let (cloud, endpoints) = draft.cloud?;
    let (publisher, companion) = match draft.registration {
        RegistrationTable::Own(publisher) => (publisher, None),
        RegistrationTable::Companion(companion) => (None, Some(companion?)),
    };
    let verified_by = match draft.verified_by {
        Some((_, other)) => VerifiedBy::Other(other?),
        None if companion.is_some() => VerifiedBy::Nobody,
        None => VerifiedBy::Itself,
    };
    let credential = draft.credential.map_or(Some(None), |(_, credential)| credential.map(Some))?;
    let (credential, credential_expires) = credential.map(|CredentialDraft { source, expires }| (source, expires)).unzip();
    let profile = AppProfile {
        id: draft.id?.1,
        client_id: draft.client_id?.1,
        name: draft.name?,
        cloud,
        verified_by,
        verify_in: draft.verify_in?,
        expected: draft.expected?,
        wording: draft.wording?,
    };
    let (credential_expires, scope) = (credential_expires.flatten(), draft.scope?);
    Some(ConfiguredApp { profile, credential, credential_expires, endpoints, scope, publisher, companion })
}

fn credential<'t>(reader: &mut Reader<'t>, item: &Item<'t>, cloud: Option<&Cloud>) -> Option<CredentialDraft> {
    let remedy = "write { client_secret = { aws = \"name\" } }, { certificate = { file = \"app.pem\" } } or { federated = {} }";
    if item.value.is_str() {
        return reader.fail(&item.at, "the secret itself seems to stand here, and this file is no place for it", remedy);
    }
    let section = reader.section(item, CREDENTIAL_KEYS)?;
    let kinds: Vec<_> =
        ["client_secret", "certificate", "federated"].into_iter().filter_map(|kind| Some((kind, section.get(kind)?))).collect();
    let (kind, kept) = match kinds.as_slice() {
        [one] => one,
        [] => return reader.fail(&item.at, "it names no credential", remedy),
        _ => return reader.fail(&item.at, "it has more than one credential", "keep one; docs/credentials.md says which"),
    };
    let source = match *kind {
        "client_secret" => secret(reader, kept).map(CredentialSource::ClientSecret),
        "certificate" => secret(reader, kept).map(CredentialSource::Certificate),
        _ => federated(reader, kept, cloud),
    };
    let expires = match section.get("expires") {
        Some(expires) if *kind != "client_secret" => {
            let what = "only a client secret does not say itself when it ends";
            reader.fail(&expires.at, what, "remove it: a certificate says it, and a federated credential does not end")
        }
        Some(expires) => Some(Some(day_or_moment(reader, &expires)?)),
        None => Some(None),
    };
    Some(CredentialDraft { source: source?, expires: expires? })
}

fn federated<'t>(reader: &mut Reader<'t>, item: &Item<'t>, cloud: Option<&Cloud>) -> Option<CredentialSource> {
    let section = reader.section(item, FEDERATED_KEYS)?;
    let audience = match section.get("audience") {
        Some(item) => reader.text(&item, 255)?,
        None => token_exchange(cloud),
    };
    Some(CredentialSource::Federated { audience: audience.into() })
}

/// Parses a date and time, or a date alone. A date means its start in UTC. Portals show the last day of a secret, so the warning then comes
/// a little early, which does no harm.
fn day_or_moment<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<OffsetDateTime> {
    let text = time_text(item);
    let day = || Date::parse(&text, format_description!("[year]-[month]-[day]")).ok().map(|day| day.midnight().assume_utc());
    let moment = OffsetDateTime::parse(&text, &Rfc3339).ok().or_else(day);
    if moment.is_none() {
        reader.refuse(&item.at, "it is neither a day nor a moment", "write 2027-01-31, or date, time and zone: 2027-01-31T14:00:00Z");
    }
    moment
}

fn verify_in<'t>(reader: &mut Reader<'t>, app: &Section<'t>, has_queue: bool) -> Option<VerifyIn> {
    let choices = [("callback", VerifyIn::Callback), ("worker", VerifyIn::Worker)];
    let verify_in = reader.choice(app, "verify_in", &choices, VerifyIn::Callback)?;
    if let (VerifyIn::Worker, Some(item), false) = (verify_in, app.get("verify_in"), has_queue) {
        let what = "no queue is configured, so the worker would get no orders and would verify nothing";
        return reader.fail(&item.at, what, format!("name the queue in worker.queue, set {QUEUE_VARIABLE}, or write \"callback\""));
    }
    Some(verify_in)
}

/// The scope that a link requests. `None` also if cloud or permissions could not be read; those faults have their own report.
fn scope<'t>(
    reader: &mut Reader<'t>,
    app: &Section<'t>,
    cloud: Option<&(Cloud, Endpoints)>,
    expected: Option<&[ExpectedResource]>,
) -> Option<ConsentScope> {
    let by_name = reader.choice(app, "scopes", &[("registration", false), ("expected", true)], false)?;
    let ((cloud, endpoints), expected) = (cloud?, expected?);
    let Some(item) = app.get("scopes").filter(|_| by_name) else {
        return Some(ConsentScope::registration(endpoints));
    };
    let what = match ConsentScope::expected(cloud, endpoints, expected) {
        Ok(scope) => return Some(scope),
        Err(Unnameable::Application(name)) => {
            format!("{name} is an application permission, and Microsoft lets only the registration's whole list ask for those")
        }
        Err(Unnameable::NoUri(name)) => {
            format!("{name} cannot be asked for by name: the address of its resource in the cloud {} is not known", cloud.name())
        }
        Err(Unnameable::TooLong(bytes)) => {
            format!("the names take {bytes} bytes of the link, and at most {} leave room for the rest", ConsentScope::LONGEST)
        }
    };
    reader.fail(&item.at, what, "write \"registration\", or leave the key out: then the link asks for what the registration lists")
}

fn refuse_doubles(reader: &mut Reader<'_>, drafts: &[AppDraft]) {
    let mut ids = BTreeMap::new();
    let mut client_ids = Vec::new();
    for draft in drafts {
        if let Some((at, id)) = &draft.id
            && let Some(first) = ids.insert(id, at)
        {
            reader.refuse(at, format!("{} has the id \"{id}\" too", first.key), "give each app an id of its own");
        }
        let (Some((at, client_id)), Some((cloud, _))) = (&draft.client_id, &draft.cloud) else { continue };
        let twin = client_ids.iter().find(|(_, other, of)| *other == client_id && *of == cloud);
        if let Some((first, _, _)) = twin {
            let what = format!("{first} has the same client id in the cloud {}", cloud.name());
            reader.refuse(at, what, "keep one profile for each app registration");
        }
        client_ids.push((&at.key, client_id, cloud));
    }
}

fn refuse_unverifiable(reader: &mut Reader<'_>, drafts: &[AppDraft], all_read: bool) {
    for draft in drafts {
        match (&draft.verified_by, &draft.credential) {
            (None, None) if !draft.is_companion() => {
                let remedy = "add credential = { … }, or name in verified_by the app whose credential asks Graph about this one";
                reader.refuse(&draft.at, "no app could verify this one: it has neither a credential nor a verified_by", remedy);
            }
            (Some(_), Some((at, _))) => {
                let remedy = "remove credential, or remove verified_by: keep no secret that has no use";
                reader.refuse(at, "it is never used, since another app verifies this one", remedy);
            }
            (None, Some(_)) | (Some(_), None) | (None, None) => {}
        }
        let Some((at, Some(verifier))) = &draft.verified_by else { continue };
        let Some(other) = with_id(drafts, verifier) else {
            refuse_unknown_app(reader, at, verifier, drafts, all_read, "add");
            continue;
        };
        if !draft.is_companion() && draft.id.as_ref().is_some_and(|(_, id)| id == verifier) {
            reader.refuse(at, "it names the app itself", "leave verified_by out: an app with a credential verifies itself");
        } else if other.is_companion() {
            let what = format!("\"{verifier}\" is a companion: its registration is not yours, so it has no credential to ask with");
            reader.refuse(at, what, "name an app of yours that has a credential");
        } else if let Some((further, _)) = &other.verified_by {
            let remedy = format!("name an app that has a credential of its own, or give \"{verifier}\" one and remove {}", further.key);
            reader.refuse(at, format!("\"{verifier}\" is itself verified by another app"), remedy);
        }
        if !draft.is_companion() && draft.verify_in == Some(VerifyIn::Callback) && other.verify_in == Some(VerifyIn::Worker) {
            let what = format!("\"{verifier}\" is verified in the worker, so its credential is not where this app would need it");
            reader.refuse(at, what, "write verify_in = \"worker\" at this app too, or \"callback\" at that one");
        }
        if let (Some((mine, _)), Some((theirs, _))) = (&draft.cloud, &other.cloud)
            && mine != theirs
        {
            let what = format!("this app is in the cloud {} and \"{verifier}\" is in {}", mine.name(), theirs.name());
            reader.refuse(at, what, "name an app of the same cloud: tokens of one cloud mean nothing in another");
        }
    }
}
