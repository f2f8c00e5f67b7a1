//! Reads the tables of `consent.toml` that only `serve` uses: its store, and the webhook that receives outcomes.

use std::path::PathBuf;

use url::Url;

use super::SecretSource;
use super::reader::{Reader, Section, long_address};
use super::sections::secret;

pub(super) const STORE_KEYS: &[&str] = &["path"];
pub(super) const WEBHOOK_KEYS: &[&str] = &["url", "secret"];

/// Longest address of a webhook in characters. It is long, because addresses of workflow services contain long signatures.
const LONGEST_URL: usize = 2_000;

/// The address that receives outcome events. Its path and query may be secret, so only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookAddress(Url);

impl WebhookAddress {
    /// The whole address. Only for the request itself, because path and query may be secret.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The host, which is safe to show to people and to log.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl std::fmt::Debug for WebhookAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookAddress({})", self.host())
    }
}

/// The operator's webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// An address with https, or with http on a loopback host.
    pub address: WebhookAddress,
    /// The secret that signs: `whsec_` and base64. White space separates several secrets.
    pub secret: SecretSource,
}

/// The store's file. `Some(None)` if `serve` keeps no store.
pub(super) fn store<'t>(reader: &mut Reader<'t>, root: &Section<'t>) -> Option<Option<PathBuf>> {
    let Some(item) = root.get("store") else { return Some(None) };
    let store = reader.section(&item, STORE_KEYS)?;
    let path = reader.required_text(&store, "path", 1024, "write the path of the file, such as path = \"entra-consent.redb\"")?;
    Some(Some(reader.resolve(path)))
}

/// `Some(None)` if there is no webhook.
pub(super) fn webhook<'t>(reader: &mut Reader<'t>, root: &Section<'t>) -> Option<Option<WebhookConfig>> {
    let Some(item) = root.get("webhook") else { return Some(None) };
    let webhook = reader.section(&item, WEBHOOK_KEYS)?;
    if root.get("store").is_none() {
        let remedy = "add a table [store] with a path, or remove [webhook]; on AWS, EventBridge posts to webhooks";
        reader.refuse(&item.at, "events wait in the store until the webhook takes them, and there is no store", remedy);
    }
    let address = match reader.required(&webhook, "url", "write where events are posted, such as https://hooks.example.com/consent") {
        Some(item) => {
            let text = reader.text(&item, LONGEST_URL)?;
            reader.accept(&item.at, long_address(text))
        }
        None => None,
    };
    let remedy = "write where the signing secret is kept: secret = { file = \"webhook.txt\" }";
    let secret = reader.required(&webhook, "secret", remedy).and_then(|item| secret(reader, &item));
    Some(Some(WebhookConfig { address: WebhookAddress(address?), secret: secret? }))
}
