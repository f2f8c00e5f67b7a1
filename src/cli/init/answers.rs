//! The answers, and the `consent.toml` that follows from them.

use std::collections::BTreeMap;
use std::path::Path;

use super::apps::{Common, MoreApps, required};
use super::place;
use crate::config::{Config, ConfigError, SecretSource};

// Keys of texts that the file contains only if they are not empty.
pub(super) const STORE: &str = "store.path";
pub(super) const QUEUE: &str = "worker.queue";
pub(super) const VERIFY_IN: &str = "apps[0].verify_in";

/// The answers that the file will contain.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    /// Texts by their keys in the configuration.
    pub(super) texts: BTreeMap<&'static str, String>,
    pub(super) keys: SecretSource,
    /// `certificate` or `client_secret`.
    pub(super) credential_key: &'static str,
    pub(super) credential: SecretSource,
    /// Permissions by their kind.
    pub(super) permissions: Vec<(&'static str, Vec<String>)>,
    /// The apps besides the first one.
    pub(super) more: MoreApps,
}

impl Answers {
    /// Answers that the configuration accepts.
    pub(super) fn right() -> Self {
        let texts = [
            ("site.name", "Northwind"),
            ("site.base_url", "https://consent.northwind.example"),
            ("site.support", "support@northwind.example"),
            ("site.privacy_url", "https://www.northwind.example/privacy"),
            ("apps[0].id", "app"),
            ("apps[0].name", "App"),
            ("apps[0].client_id", "11112222-aaaa-bbbb-cccc-3333dddd4444"),
        ];
        Self {
            texts: texts.map(|(key, text)| (key, text.to_owned())).into(),
            keys: SecretSource::File("keys.json".into()),
            credential_key: "certificate",
            credential: SecretSource::File("app.pem".into()),
            permissions: vec![("application", vec!["User.Read.All".to_owned()])],
            more: MoreApps::default(),
        }
    }

    /// The answer for a key of the configuration; empty if there is no answer.
    pub(super) fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// The redirect address to register.
    pub(super) fn redirect_address(&self) -> String {
        format!("{}/callback", self.text("site.base_url").trim_end_matches('/'))
    }

    /// The text of the file.
    pub(super) fn file(&self) -> String {
        let text = |key| place::quoted(self.text(key));
        let home_tenant = match self.text("site.home_tenant") {
            "" => "#home_tenant = \"00000000-0000-0000-0000-000000000000\"".to_owned(),
            tenant => format!("home_tenant = {}", place::quoted(tenant)),
        };
        let cloud = match self.text("apps[0].cloud") {
            "global" | "" => String::new(),
            cloud => format!("cloud = {}\n", place::quoted(cloud)),
        };
        let waiting = match (self.text(STORE), self.text(QUEUE)) {
            ("", "") => String::new(),
            ("", queue) => format!("[worker]\nqueue = {}\n\n", place::quoted(queue)),
            (store, _) => format!("# Where `serve` keeps orders and events that wait.\n[store]\npath = {}\n\n", place::quoted(store)),
        };
        let verify_in = match self.text(VERIFY_IN) {
            "" => "#verify_in = \"worker\"".to_owned(),
            place => format!("verify_in = {}", place::quoted(place)),
        };
        let shared = if self.text(VERIFY_IN).is_empty() { String::new() } else { format!("{verify_in}\n") };
        let common = Common { cloud: &cloud, verify_in: &shared };
        let more = self.more.tables(self.text("apps[0].id"), &self.permissions, common);
        let needs = required(&self.permissions);
        let first = format!(
            include_str!("template.toml"),
            home_tenant = home_tenant,
            cloud = cloud,
            needs = needs,
            waiting = waiting,
            verify_in = verify_in,
            name = text("site.name"),
            base_url = text("site.base_url"),
            support = text("site.support"),
            privacy_url = text("site.privacy_url"),
            keys = place::toml(&self.keys),
            app = text("apps[0].id"),
            client_id = text("apps[0].client_id"),
            app_name = text("apps[0].name"),
            credential_key = self.credential_key,
            credential = place::toml(&self.credential),
        );
        first + &more
    }

    /// Loads the configuration as every other command does, but without environment variables, because the file must be complete by itself.
    pub(super) fn check(&self, path: &Path) -> Result<Config, ConfigError> {
        Config::parse(&self.file(), path, &|_| None)
    }
}
