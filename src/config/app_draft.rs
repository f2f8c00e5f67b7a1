//! An app with the keys that could be read, and the keys that all apps have.

use time::OffsetDateTime;

use super::reader::{At, Item, Reader, Section, closest_or};
use super::sections::{Clouds, guid};
use super::{Companion, CredentialSource, Publisher};
use crate::consent::profile::{ExpectedResource, VerifyIn, Wording};
use crate::consent::{ClientId, Cloud, ProfileId};
use crate::entra::cloud::Endpoints;
use crate::entra::scope::ConsentScope;

/// An app with the parts that could be read. The comparison of apps must work even if some parts are wrong.
pub(super) struct AppDraft {
    pub(super) id: Option<(At, ProfileId)>,
    pub(super) client_id: Option<(At, ClientId)>,
    pub(super) at: At,
    pub(super) name: Option<Box<str>>,
    pub(super) cloud: Option<(Cloud, Endpoints)>,
    /// `Some` if the key exists, with a right or a wrong value, so that one fault is reported once.
    pub(super) credential: Option<(At, Option<CredentialDraft>)>,
    pub(super) verified_by: Option<(At, Option<ProfileId>)>,
    pub(super) verify_in: Option<VerifyIn>,
    pub(super) scope: Option<ConsentScope>,
    pub(super) expected: Option<Vec<ExpectedResource>>,
    pub(super) wording: Option<Wording>,
    pub(super) registration: RegistrationTable,
}

/// A credential and its end.
pub(super) struct CredentialDraft {
    pub(super) source: CredentialSource,
    pub(super) expires: Option<OffsetDateTime>,
}

/// The owner of an app's registration.
pub(super) enum RegistrationTable {
    /// The operator; `None` if the file does not say what Microsoft shows as the publisher.
    Own(Option<Publisher>),
    /// Another publisher; `None` if the entry could not be read.
    Companion(Option<Companion>),
}

impl AppDraft {
    pub(super) fn is_companion(&self) -> bool {
        matches!(self.registration, RegistrationTable::Companion(_))
    }
}

/// The draft with this id.
pub(super) fn with_id<'d>(drafts: &'d [AppDraft], id: &ProfileId) -> Option<&'d AppDraft> {
    drafts.iter().find(|draft| draft.id.as_ref().is_some_and(|(_, other)| other == id))
}

/// Reports a reference to an app that does not exist. If some app could not be read, or has no readable id, the reference may mean that
/// app. This then reports nothing, because that app has its own report.
pub(super) fn refuse_unknown_app(reader: &mut Reader<'_>, at: &At, id: &ProfileId, drafts: &[AppDraft], all_read: bool, remedy: &str) {
    let ids: Option<Vec<_>> = drafts.iter().map(|draft| draft.id.as_ref().map(|(_, id)| id.as_str())).collect();
    let Some(ids) = ids.filter(|_| all_read) else { return };
    let remedy = closest_or(id.as_str(), &ids, || format!("{remedy} that app, or name one of {}", ids.join(", ")));
    reader.refuse(at, format!("no app has the id \"{id}\""), remedy);
}

pub(super) fn id<'t>(reader: &mut Reader<'t>, app: &Section<'t>) -> Option<(At, ProfileId)> {
    let item = reader.required(app, "id", "choose a short name for links and records, such as \"mail-sync\"")?;
    Some((item.at.clone(), profile_id(reader, &item)?))
}

pub(super) fn profile_id<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<ProfileId> {
    let id = ProfileId::parse(reader.text(item, 200)?).ok();
    if id.is_none() {
        let remedy = "use 1 to 32 characters of a-z, 0-9 and '-', starting with a letter";
        reader.refuse(&item.at, "this cannot be the id of an app", remedy);
    }
    id
}

pub(super) fn client_id<'t>(reader: &mut Reader<'t>, app: &Section<'t>) -> Option<(At, ClientId)> {
    let remedy = "copy \"Application (client) ID\" from the app registration's overview";
    let item = reader.required(app, "client_id", remedy)?;
    Some((item.at.clone(), guid(reader, &item, ClientId::parse)?))
}

pub(super) fn cloud<'t>(reader: &mut Reader<'t>, app: &Section<'t>, clouds: &Clouds) -> Option<(Cloud, Endpoints)> {
    let Some(item) = app.get("cloud") else {
        return Endpoints::of(&Cloud::Global).map(|endpoints| (Cloud::Global, endpoints));
    };
    let name = reader.text(&item, 64)?;
    if let Some(cloud) = Cloud::built_in(name) {
        return Endpoints::of(&cloud).map(|endpoints| (cloud, endpoints));
    }
    if let Some(declared) = clouds.get(name) {
        return declared.clone().map(|endpoints| (Cloud::Custom(name.into()), endpoints));
    }
    let built_in = [Cloud::Global, Cloud::UsGovL4, Cloud::UsGovL5, Cloud::China];
    let known: Vec<&str> = built_in.iter().map(Cloud::name).chain(clouds.keys().map(AsRef::as_ref)).collect();
    let remedy = closest_or(name, &known, || format!("write one of {}, or describe it under [clouds.{name}]", known.join(", ")));
    reader.fail(&item.at, format!("there is no cloud {name:?}"), remedy)
}

pub(super) fn wording<'t>(reader: &mut Reader<'t>, app: &Section<'t>) -> Option<Wording> {
    let mut sentence = |key| app.get(key).map_or(Some(None), |item| reader.text(&item, 300).map(|text| Some(Box::from(text))));
    let (purpose, afterwards) = (sentence("purpose"), sentence("afterwards"));
    Some(Wording { purpose: purpose?, afterwards: afterwards? })
}
