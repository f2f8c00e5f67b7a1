//! `consent.toml` and the environment, parsed once into types.

use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;
use url::Url;

use crate::consent::{AppProfile, Cloud, ProfileId, TenantId, TokenId};
use crate::entra::cloud::Endpoints;

/// Where a secret is kept; chosen per secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// AWS Secrets Manager, by name or ARN.
    SecretsManager(Box<str>),
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(Box<str>),
}

/// How an app proves who it is to the token endpoint. The secret itself is fetched when it is first needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// A client secret.
    ClientSecret(SecretSource),
    /// A certificate and its private key, both in one PEM text.
    Certificate(SecretSource),
}

/// An app profile with what only the shell needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredApp {
    /// The profile.
    pub profile: AppProfile,
    /// Its credential. `None` where another app verifies it.
    pub credential: Option<CredentialSource>,
}

/// Who runs this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// The operator's name, on every page.
    pub operator: Box<str>,
    /// The public base address without a trailing slash; may carry a stage path (`https://x.example/prod`).
    pub base_url: Url,
    /// How an admin reaches the operator: a mail address or a telephone number, in words.
    pub support: Box<str>,
    /// The privacy notice.
    pub privacy_url: Url,
    /// The operator's own tenant.
    pub home_tenant: Option<TenantId>,
}

/// How long links live, and which were taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinksConfig {
    /// A ticket made by a button. Default 2 h.
    pub ticket: Duration,
    /// A direct ticket or an invitation. Default 30 days, at most 180.
    pub invitation: Duration,
    /// A receipt. Default 30 days.
    pub receipt: Duration,
    /// An order. Default 48 h.
    pub order: Duration,
    /// How far clocks may differ. Default and most 60 s.
    pub leeway: Duration,
    /// How long after its end a genuine ticket is still recorded and verified. Default 24 h.
    pub late: Duration,
    /// Links taken back, by the `jti` of their ticket or invitation.
    pub revoked: Vec<TokenId>,
    /// Everything signed before this moment is taken back.
    pub revoked_before: Option<OffsetDateTime>,
}

/// How much of a caller's address is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordIp {
    /// /24 of IPv4, /48 of IPv6.
    Truncated,
    /// All of it.
    Full,
    /// Nothing.
    Off,
}

/// How much of a browser's name is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordBrowser {
    /// The family, such as `Edge`.
    Family,
    /// The whole `User-Agent`, bounded.
    Full,
    /// Nothing.
    Off,
}

/// What records hold about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordsConfig {
    /// The address.
    pub ip: RecordIp,
    /// The browser.
    pub browser: RecordBrowser,
}

/// Everything the program was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who runs this.
    pub site: SiteConfig,
    /// The app profiles, at least one.
    pub apps: Vec<ConfiguredApp>,
    /// Custom clouds by name.
    pub custom_clouds: Vec<(Box<str>, Endpoints)>,
    /// Where the key that signs links is kept.
    pub keys: SecretSource,
    /// Lives of links.
    pub links: LinksConfig,
    /// Records.
    pub records: RecordsConfig,
}

impl Config {
    /// The app of that id.
    #[must_use]
    pub fn app(&self, id: &ProfileId) -> Option<&ConfiguredApp> {
        self.apps.iter().find(|app| app.profile.id == *id)
    }

    /// The custom cloud a profile names, where it names one. Built-in clouds have [`Endpoints`] of their own.
    #[must_use]
    pub fn custom_cloud(&self, cloud: &Cloud) -> Option<&Endpoints> {
        match cloud {
            Cloud::Custom(name) => self.custom_clouds.iter().find(|(known, _)| known == name).map(|(_, endpoints)| endpoints),
            Cloud::Global | Cloud::UsGovL4 | Cloud::UsGovL5 | Cloud::China => None,
        }
    }
}
