//! The apps besides the first one: a reader, further apps of your own, apps of other companies, and the chain of all of them.

use std::fmt::Write as _;

use super::place::{self, quoted};
use crate::config::SecretSource;
use crate::entra::companion::{CATALOGUE, CatalogueEntry};

/// What a reader needs to check other apps (docs/trust.md).
const OF_A_READER: [&str; 1] = ["Directory.Read.All"];
const READER: &str = "reader";
const CHAIN: &str = "onboarding";

/// A further app of the operator's own.
#[derive(Debug, Clone)]
pub(super) struct OwnApp {
    pub(super) id: String,
    pub(super) name: String,
    client_id: String,
    credential: Option<(&'static str, SecretSource)>,
    permissions: [(&'static str, Vec<String>); 2],
}

impl OwnApp {
    /// The read-only app that checks the others.
    pub(super) fn reader(operator: &str, client_id: String, certificate: SecretSource) -> Self {
        Self {
            id: READER.to_owned(),
            name: format!("{operator} Reader"),
            client_id,
            credential: Some(("certificate", certificate)),
            permissions: [("application", OF_A_READER.map(str::to_owned).to_vec()), ("delegated", Vec::new())],
        }
    }

    /// Parses `name=…,client-id=…,application=A+B`. `id_of` makes an id from a name.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(text: &str, id_of: fn(&str) -> String) -> Result<Self, String> {
        let mut app = Self {
            id: String::new(),
            name: String::new(),
            client_id: String::new(),
            credential: None,
            permissions: [("application", Vec::new()), ("delegated", Vec::new())],
        };
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not of the form key=value"))?;
            let several = || value.split('+').map(|permission| permission.trim().to_owned()).collect();
            match key.trim() {
                "id" => value.clone_into(&mut app.id),
                "name" => value.clone_into(&mut app.name),
                "client-id" => value.clone_into(&mut app.client_id),
                "application" => app.permissions[0].1 = several(),
                "delegated" => app.permissions[1].1 = several(),
                "certificate" => app.credential = Some(("certificate", place::parse(value)?)),
                "client-secret" => app.credential = Some(("client_secret", place::parse(value)?)),
                other => {
                    let known = "id, name, client-id, application, delegated, certificate, client-secret";
                    return Err(format!("{other:?} is not one of {known}"));
                }
            }
        }
        for (missing, key) in [(app.name.is_empty(), "name"), (app.client_id.is_empty(), "client-id")] {
            if missing {
                return Err(format!("{key}=… is missing"));
            }
        }
        if app.id.is_empty() {
            app.id = id_of(&app.name);
        }
        Ok(app)
    }

    fn reads_directory(&self) -> bool {
        reads_directory(&self.permissions)
    }
}

fn reads_directory(permissions: &[(&str, Vec<String>)]) -> bool {
    let application = permissions.iter().filter(|(kind, _)| *kind == "application").flat_map(|(_, permissions)| permissions);
    application.into_iter().any(|permission| OF_A_READER.iter().any(|reads| permission.eq_ignore_ascii_case(reads)))
}

/// Lines that all apps share; empty for the default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common<'a> {
    pub(super) cloud: &'a str,
    pub(super) verify_in: &'a str,
}

/// Everything after the first app.
#[derive(Debug, Clone, Default)]
pub(super) struct MoreApps {
    pub(super) own: Vec<OwnApp>,
    pub(super) companions: Vec<&'static CatalogueEntry>,
    /// The name of the chain of all apps.
    pub(super) chain: Option<String>,
}

impl MoreApps {
    /// The app of the catalogue with this key.
    ///
    /// # Errors
    /// Which keys there are.
    pub(super) fn companion(key: &str) -> Result<&'static CatalogueEntry, String> {
        CATALOGUE.iter().find(|entry| entry.key == key).ok_or_else(|| {
            let keys: Vec<_> = CATALOGUE.iter().map(|entry| entry.key).collect();
            format!("the catalogue has no {key:?}. It has {}", keys.join(", "))
        })
    }

    /// The id of the app that checks the others.
    pub(super) fn verifier<'v>(&'v self, first: &'v str, of_first: &[(&str, Vec<String>)]) -> Option<&'v str> {
        let own = self.own.iter().find(|app| app.reads_directory()).map(|app| app.id.as_str());
        own.or_else(|| reads_directory(of_first).then_some(first))
    }

    /// The tables that follow the first app. `first` is its id, `common` has the lines that all apps share.
    pub(super) fn tables(&self, first: &str, of_first: &[(&str, Vec<String>)], common: Common<'_>) -> String {
        let Common { cloud, verify_in } = common;
        let mut text = String::new();
        let verifier = self.verifier(first, of_first);
        let verified_by = verifier.map(|verifier| format!("verified_by = {}\n", quoted(verifier))).unwrap_or_default();
        for app in &self.own {
            let credential = match &app.credential {
                Some((key, place)) => format!("credential = {{ {key} = {} }}\n", place::toml(place)),
                None => verified_by.clone(),
            };
            // Writing into a string cannot fail.
            let _ = write!(
                text,
                "\n[[apps]]\nid = {}\nclient_id = {}\nname = {}\n{cloud}{credential}{verify_in}[apps.permissions.\"Microsoft Graph\"]\n{}",
                quoted(&app.id),
                quoted(&app.client_id),
                quoted(&app.name),
                required(&app.permissions)
            );
        }
        for companion in &self.companions {
            let _ = write!(text, "\n# {}.\n[[companions]]\ncatalogue = {}\n{cloud}{verified_by}", companion.name, quoted(companion.key));
        }
        if let Some(name) = &self.chain {
            // The verifier comes first: once it is approved, the pages can show whether the others are.
            let ids = [first].into_iter().chain(self.own.iter().map(|app| &*app.id)).chain(self.companions.iter().map(|entry| entry.key));
            let (mut steps, rest): (Vec<_>, Vec<_>) = ids.partition(|id| Some(*id) == verifier);
            steps.extend(rest);
            let steps: Vec<_> = steps.into_iter().map(quoted).collect();
            let (id, name, steps) = (quoted(CHAIN), quoted(name), steps.join(", "));
            let _ = write!(text, "\n# One link for all of them.\n[[chains]]\nid = {id}\nname = {name}\nsteps = [{steps}]\n");
        }
        text
    }
}

/// The lines of the required permissions.
pub(super) fn required(permissions: &[(&str, Vec<String>)]) -> String {
    let list = |permissions: &[String]| permissions.iter().map(|permission| quoted(permission)).collect::<Vec<_>>().join(", ");
    let needs = permissions.iter().filter(|(_, permissions)| !permissions.is_empty());
    needs.map(|(kind, permissions)| format!("{kind} = {{ required = [{}] }}\n", list(permissions))).collect()
}
