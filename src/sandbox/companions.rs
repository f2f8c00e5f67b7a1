//! The catalogue's companion apps as other companies' registrations, each with its dead end after Accept.

use crate::consent::ResourceId;
use crate::consent::profile::Need;
use crate::entra::companion::{CATALOGUE, CatalogueEntry};

use super::scenario::{AppRegistration, PermissionSet, Scenario};

impl Scenario {
    /// Adds the companion apps of the catalogue that the scenario does not have already. Their consent is stored, and then the browser
    /// stands somewhere else (protocol reference §1.7): on 900561 where a redirect address of ours was given, on 500113 where the app
    /// has none and none was given, at an address that only a device can open where the app has one. A fault at `consent` with
    /// `granted` shows another error, such as 50011.
    #[must_use]
    pub fn with_companions(mut self) -> Self {
        for entry in &CATALOGUE {
            if self.apps.iter().all(|app| app.client_id != entry.client_id) {
                self.apps.push(registration(entry));
            }
        }
        self
    }
}

fn registration(entry: &CatalogueEntry) -> AppRegistration {
    AppRegistration {
        publisher: entry.publisher.map(str::to_owned),
        third_party: true,
        redirect_uris: redirect_uris(entry.key),
        permissions: permissions(entry),
        ..AppRegistration::new(entry.client_id, entry.name)
    }
}

/// As seen in the field; the others have none here, so that each dead end can be met.
fn redirect_uris(key: &str) -> Vec<String> {
    match key {
        "apple-internet-accounts" => vec!["com.apple.Preferences://oauth-redirect".into()],
        "em-client" => vec!["com.emclient.MailClient://oauth".into()],
        _ => Vec::new(),
    }
}

/// What the catalogue knows. Where it knows nothing, an invention: a registration without any permission could not be consented to.
fn permissions(entry: &CatalogueEntry) -> Vec<PermissionSet> {
    if entry.permissions.is_empty() {
        let mail: &[&str] = if entry.uses_ews { &["EWS.AccessAsUser.All"] } else { &["EAS.AccessAsUser.All"] };
        return vec![PermissionSet::graph(&[], &["openid", "offline_access"]), PermissionSet::of(ResourceId::EXCHANGE_ONLINE, &[], mail)];
    }
    let expected = entry.permissions.iter().filter(|(_, _, need)| *need != Need::Forbidden);
    expected.map(|(resource, value, _)| PermissionSet::of(*resource, &[], &[value])).collect()
}
