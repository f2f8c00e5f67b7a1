//! Parses `consent.toml` and the environment once, into types. No other module reads an environment variable.
//!
//! This module rejects contradictions, each with its line, key and remedy, and all at once: no later code checks again.
//! `docs/configuration.md` describes every key, and `consent.example.toml` shows it.
//!
//! | variable | effect |
//! | --- | --- |
//! | `ENTRA_CONSENT_CONFIG` | the path of `consent.toml`, or `secret:NAME` for a text in AWS Secrets Manager; without it, `consent.toml` |
//! | `ENTRA_CONSENT_CONFIG_TEXT` | the text of `consent.toml`, instead of `ENTRA_CONSENT_CONFIG` |
//! | `ENTRA_CONSENT_BASE_URL` | overrides `site.base_url`: a stack knows its address only after it is created |
//! | `ENTRA_CONSENT_KEYS_SECRET` | overrides `keys.secret`: the ARN or name of the secret that a stack creates |
//! | `ENTRA_CONSENT_GRAPH_TOKEN` | a Graph token of the person at the command line, for `--token-from env` |
//! | `ENTRA_CONSENT_QUEUE_URL` | overrides `worker.queue`: the queue that a stack creates |
//! | `ENTRA_CONSENT_EVENT_BUS` | overrides `events.bus`: the event bus that a stack creates |
//! | `ENTRA_CONSENT_EVENT_RECEIVER` | overrides `events.receiver`: the receiver of the events that a stack sends to the bus |
//!
//! An empty variable counts as unset.

mod app_draft;
mod apps;
mod chains;
mod companions;
mod look;
mod permissions;
mod problem;
mod reader;
mod sections;
mod source;
mod webhook;
mod worker;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use time::OffsetDateTime;
use toml::de::DeTable;
use url::Url;

pub use self::look::Look;
#[cfg(feature = "cli")]
pub(crate) use self::permissions::{lacks_id, resource_of};
pub use self::problem::ConfigError;
pub(crate) use self::problem::Problem;
pub(crate) use self::reader::closest_or;
#[cfg(feature = "cli")]
pub(crate) use self::reader::parse_duration;
use self::reader::{Reader, Section};
pub use self::source::ConfigSource;
pub(crate) use self::webhook::WebhookConfig;
use crate::consent::profile::VerifiedBy;
use crate::consent::schedule::Schedule;
use crate::consent::{AppProfile, ExpectedTenant, ProfileId, TenantId, TokenId};
use crate::entra::cloud::Endpoints;
use crate::entra::companion;
use crate::entra::scope::ConsentScope;
use crate::secret::Secret;

/// Where a secret is stored. Each secret can have its own source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// AWS Secrets Manager, by name or ARN.
    SecretsManager(Box<str>),
    /// A file that contains only the secret.
    File(PathBuf),
    /// The name of an environment variable that contains the secret.
    Environment(Box<str>),
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SecretsManager(name) => write!(f, "AWS Secrets Manager as {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// How an app authenticates at the token endpoint. The secret is fetched at its first use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// A client secret's value.
    ClientSecret(SecretSource),
    /// A certificate and its private key, both in one PEM text.
    Certificate(SecretSource),
    /// A token in which AWS vouches for the role of this process. No secret is stored.
    Federated {
        /// The token's audience, as in the app's federated identity credential.
        audience: Box<str>,
    },
}

impl CredentialSource {
    /// The source of the secret; `None` for a federated credential.
    pub(crate) fn kept_in(&self) -> Option<&SecretSource> {
        match self {
            Self::ClientSecret(place) | Self::Certificate(place) => Some(place),
            Self::Federated { .. } => None,
        }
    }
}

/// An app profile with the settings that only the outer layers need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredApp {
    /// The part that the rules use.
    pub profile: AppProfile,
    /// `None` if another app profile verifies this app.
    pub credential: Option<CredentialSource>,
    /// When the client secret ends, if the file says so.
    pub credential_expires: Option<OffsetDateTime>,
    /// The hosts of the app's cloud.
    pub endpoints: Endpoints,
    /// The scope that a link requests from Microsoft.
    pub scope: ConsentScope,
    /// What Microsoft's consent page shows as the publisher of an own app, if the file says so.
    pub(crate) publisher: Option<Publisher>,
    /// `None` for the operator's own apps.
    pub companion: Option<Companion>,
}

/// What Microsoft's consent page shows as an app's publisher (entra-docs, "Understanding the application consent experience").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// The name that Microsoft verified.
    Verified(Box<str>),
    /// `unverified` in place of a name.
    Unverified,
}

impl Publisher {
    /// The verified name.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Verified(name) => Some(name),
            Self::Unverified => None,
        }
    }
}

impl ConfiguredApp {
    /// Whether Microsoft's policy for popular mail clients lets users approve the app themselves (protocol reference §5.2).
    pub(crate) fn is_popular(&self) -> bool {
        self.companion.as_ref().is_some_and(|companion| companion.users_may_approve)
    }
}

/// The additional settings of an app whose registration the operator does not own: Entra never redirects its consent to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// The publisher, as Microsoft's consent page shows it.
    pub publisher: Option<Box<str>>,
    /// The address where Microsoft lets an administrator approve the app; `{tenant}` is the placeholder of the tenant id.
    pub consent_url: Box<str>,
    /// Users may approve the app themselves if the tenant keeps Microsoft's default policy for popular mail clients (protocol reference
    /// §5.2).
    pub users_may_approve: bool,
    /// The app reads mail through Exchange Web Services, which Microsoft is switching off (protocol reference §8).
    pub uses_ews: bool,
}

impl Companion {
    /// Microsoft's page where an administrator of this tenant approves the app, at the login host of the app's cloud. The result is never
    /// `None` for an address that the configuration accepted.
    #[must_use]
    pub fn consent_address(&self, tenant: ExpectedTenant) -> Option<Url> {
        companion::for_tenant(&self.consent_url, tenant)
    }
}

/// Several apps in one invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The chain's id in links and records.
    pub(crate) id: ProfileId,
    /// The chain's name on pages.
    pub name: Box<str>,
    /// The apps in their order, at least 2 and at most [`Chain::MOST_STEPS`]. All of them are configured, belong to one cloud and occur
    /// once, and a verifier comes before the apps that it verifies.
    pub steps: Vec<ProfileId>,
    /// The steps that a tenant may lack the licence or the service for. Such a step is then skipped.
    pub(crate) optional: Vec<ProfileId>,
}

impl Chain {
    /// Most steps of one chain: an administrator must be able to approve them in one session and to read them on one page.
    pub(crate) const MOST_STEPS: usize = 8;
}

/// The operator and the public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// The operator's name, shown on every page.
    pub operator: Box<str>,
    /// The public base address without a trailing slash; may contain a stage path (`https://x.example/prod`).
    pub base_url: Url,
    /// How an administrator reaches the operator: a mail address or a telephone number, as free text.
    pub(crate) support: Box<str>,
    /// The address of the operator's privacy notice.
    pub privacy_url: Url,
    /// The operator's own tenant.
    pub home_tenant: Option<TenantId>,
    /// The proxies in front of `serve`.
    pub trusted_proxies: TrustedProxies,
    /// The logo and the colour of every page.
    pub look: Look,
}

/// The proxies in front of `serve`. `serve` believes only their `X-Forwarded-For`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their networks. Empty: no header is believed.
    pub networks: Vec<IpNet>,
    /// How many proxies add an address to the header. Counted from the right, the visitor's address has this position. At least 1.
    pub hops: usize,
}

/// How long tokens live, and which are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinksConfig {
    /// Lifetime of a ticket that a button makes. Default 2 h.
    pub ticket: Duration,
    /// Lifetime of a direct ticket or an invitation. Default 30 days, at most 180.
    pub invitation: Duration,
    /// Lifetime of a receipt. Default 30 days.
    pub receipt: Duration,
    /// Lifetime of an order. Default 48 h.
    pub order: Duration,
    /// How far clocks may differ. Default and maximum 60 s.
    pub leeway: Duration,
    /// How long after its end we still record and verify a genuine ticket. Default 24 h.
    pub late: Duration,
    /// Revoked links, by the `jti` of their ticket or invitation.
    pub revoked: Vec<TokenId>,
    /// Everything signed before this time is revoked.
    pub revoked_before: Option<OffsetDateTime>,
    /// How many claims from one link for any tenant get records of their own in 20 minutes, because many customers share it. Default 60.
    pub(crate) any_tenant_claims: u32,
    /// Whether the page of an expired invitation has a button that asks for another link. Default `false`.
    pub(crate) renewal_requests: bool,
}

impl Default for LinksConfig {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        const DAY: Duration = HOUR.saturating_mul(24);
        Self {
            ticket: HOUR * 2,
            invitation: DAY * 30,
            receipt: DAY * 30,
            order: DAY * 2,
            leeway: Duration::from_secs(60),
            late: DAY,
            revoked: Vec::new(),
            revoked_before: None,
            any_tenant_claims: 60,
            renewal_requests: false,
        }
    }
}

/// How much of a caller's IP address a record contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordIp {
    /// /24 of IPv4, /48 of IPv6.
    Truncated,
    /// The complete address.
    Full,
    /// No address.
    Off,
}

/// How much of a browser's name a record contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordBrowser {
    /// The family, such as `Edge`.
    Family,
    /// The whole `User-Agent`, up to a maximum length.
    Full,
    /// No browser.
    Off,
}

/// The personal data in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordsConfig {
    /// Default [`RecordIp::Truncated`].
    pub ip: RecordIp,
    /// Default [`RecordBrowser::Family`].
    pub browser: RecordBrowser,
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self { ip: RecordIp::Truncated, browser: RecordBrowser::Family }
    }
}

/// How the worker checks again after the browser has its answer: the queue, and the times of the checks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerConfig {
    /// The address of the SQS queue. `None`: no queue on AWS.
    pub queue: Option<Url>,
    /// The times of the worker's checks.
    pub schedule: Schedule,
}

impl WorkerConfig {
    /// Whether orders go to a queue on AWS. `serve` keeps them in its store instead.
    pub(crate) fn has_queue(&self) -> bool {
        self.queue.is_some()
    }
}

/// The receivers of outcome events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsConfig {
    /// An EventBridge bus, by name or ARN. `None`: no events on AWS.
    pub bus: Option<Box<str>>,
    /// The receiver of the bus's events. `None`: a bus stores nothing, so it is unknown whether a receiver got an event that the bus
    /// accepted.
    pub receiver: Option<Box<str>>,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The operator and the public address.
    pub site: SiteConfig,
    /// The app profiles, at least one: first the operator's own, then the companions.
    pub apps: Vec<ConfiguredApp>,
    /// May be empty.
    pub chains: Vec<Chain>,
    /// Custom clouds with their names.
    pub custom_clouds: Vec<(Box<str>, Endpoints)>,
    /// The source of the key that signs tokens.
    pub keys: SecretSource,
    /// Lifetimes and revocations.
    pub links: LinksConfig,
    /// Limits on personal data.
    pub records: RecordsConfig,
    /// The queue and its schedule.
    pub worker: WorkerConfig,
    /// The receivers on AWS.
    pub events: EventsConfig,
    /// The file in which `serve` stores orders and events that wait.
    pub store: Option<PathBuf>,
    /// Where `serve` posts outcome events; requires a store.
    pub webhook: Option<WebhookConfig>,
}

const CONFIG_VARIABLE: &str = "ENTRA_CONSENT_CONFIG";
const BASE_URL_VARIABLE: &str = "ENTRA_CONSENT_BASE_URL";
const KEYS_SECRET_VARIABLE: &str = "ENTRA_CONSENT_KEYS_SECRET";
const QUEUE_VARIABLE: &str = "ENTRA_CONSENT_QUEUE_URL";
const BUS_VARIABLE: &str = "ENTRA_CONSENT_EVENT_BUS";
const RECEIVER_VARIABLE: &str = "ENTRA_CONSENT_EVENT_RECEIVER";

const GRAPH_TOKEN_VARIABLE: &str = "ENTRA_CONSENT_GRAPH_TOKEN";

/// Largest `consent.toml` in bytes. A file with thousands of apps is smaller.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The value of an environment variable. Programs pass this function to [`ConfigSource::from_env`], and tests pass another one. `None`
/// also for a value that is not text.
#[must_use]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The log level from the environment: Lambda's own setting first, then ours.
#[must_use]
pub fn log_level() -> Option<String> {
    let set = |name| sections::variable(&environment, name);
    set("AWS_LAMBDA_LOG_LEVEL").or_else(|| set("ENTRA_CONSENT_LOG"))
}

/// The Graph token that the person at the command line put into the environment.
pub(crate) fn graph_token(env: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
    sections::variable(env, GRAPH_TOKEN_VARIABLE).map(Secret::new)
}

impl Config {
    /// Reads and parses a file. Paths inside the file are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the remedy if the file cannot be read, and as [`Config::parse`].
    pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let refuse = |what: &str, remedy: &str| Err(ConfigError::new(vec![Problem::new(&path.to_string_lossy(), None, "", what, remedy)]));
        let correct = format!("correct the path, or {CONFIG_VARIABLE} that names it");
        let mut bytes = Vec::new();
        match std::fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = "entra-consent looks for its configuration here, and there is no such file";
                return refuse(
                    what,
                    &format!(
                        "make one with `entra-consent init`, copy consent.example.toml to this path and adapt it, or set {CONFIG_VARIABLE} to \
                         another path"
                    ),
                );
            }
            Err(error) => return refuse(&format!("the file cannot be read: {error}"), &correct),
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
            return refuse("the file has more than 1 MiB", &correct);
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, path, env),
            Err(_) => refuse("the file is not UTF-8 text", "save it as UTF-8"),
        }
    }

    /// Parses a text from the file `origin`, which does not have to exist. Problems name this file, and paths inside the text are relative
    /// to its folder. Reads no file except the certificates that a custom cloud names.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault in the text or in the variables, never with the value of a secret.
    pub fn parse(text: &str, origin: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(text, origin);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // If the grammar is wrong, only that is reported: a partly read document would get false reports about missing keys.
            for error in errors {
                let offset = error.span().map_or(0, |span| span.start);
                reader.refuse_at(offset, "", error.message(), "correct the line; the format is TOML (https://toml.io)");
            }
            return Err(ConfigError::new(reader.into_problems()));
        }
        let root = Section::root(&table);
        reader.refuse_unknown_keys(&root, sections::ROOT_KEYS);
        let site = sections::site(&mut reader, &root, env);
        let keys = sections::keys(&mut reader, &root, env);
        let links = sections::links(&mut reader, &root);
        let records = sections::records(&mut reader, &root);
        let store = webhook::store(&mut reader, &root);
        let webhook = webhook::webhook(&mut reader, &root);
        let clouds = sections::clouds(&mut reader, &root);
        let worker = worker::worker(&mut reader, &root, env);
        let events = worker::events(&mut reader, &root, env);
        // A queue or a store with a faulty value counts as present, because the fault has its own report.
        let has_queue = worker.as_ref().is_none_or(WorkerConfig::has_queue) || store.as_ref().is_none_or(Option::is_some);
        let apps = apps::apps(&mut reader, &root, &clouds, has_queue);

        let config = || {
            let (apps, chains) = apps?;
            let custom_clouds = clouds.into_iter().filter_map(|(name, endpoints)| Some((name, endpoints?))).collect();
            let (site, keys, links, records) = (site?, keys?, links?, records?);
            let (worker, events, store, webhook) = (worker?, events?, store?, webhook?);
            Some(Self { site, apps, chains, custom_clouds, keys, links, records, worker, events, store, webhook })
        };
        let problems = reader.into_problems();
        config().filter(|_| problems.is_empty()).ok_or_else(|| ConfigError::new(problems))
    }

    /// The app whose credential asks Graph about `app`: the app itself, or the one that `verified_by` names.
    #[must_use]
    pub fn verifier_of<'c>(&'c self, app: &'c ConfiguredApp) -> Option<&'c ConfiguredApp> {
        match &app.profile.verified_by {
            VerifiedBy::Itself => Some(app),
            VerifiedBy::Other(verifier) => self.app(verifier),
            VerifiedBy::Nobody => None,
        }
    }

    /// Finds a chain by its id.
    #[must_use]
    pub fn chain(&self, id: &ProfileId) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.id == *id)
    }

    /// Finds an app by its id.
    #[must_use]
    pub fn app(&self, id: &ProfileId) -> Option<&ConfiguredApp> {
        self.apps.iter().find(|app| app.profile.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::{apps, chains, companions, permissions, sections, webhook, worker};

    #[test]
    fn every_key_that_is_accepted_is_documented() {
        let documentation = include_str!("../../docs/configuration.md");
        for (table, keys) in [
            ("site", sections::SITE_KEYS),
            ("keys", sections::KEYS_KEYS),
            ("links", sections::LINKS_KEYS),
            ("records", sections::RECORDS_KEYS),
            ("worker", worker::WORKER_KEYS),
            ("events", worker::EVENTS_KEYS),
            ("store", webhook::STORE_KEYS),
            ("webhook", webhook::WEBHOOK_KEYS),
            ("SECRET", sections::SECRET_KEYS),
            ("clouds.NAME", sections::CLOUD_KEYS),
            ("apps[]", apps::APP_KEYS),
            ("apps[].credential", apps::CREDENTIAL_KEYS),
            ("apps[].credential.federated", apps::FEDERATED_KEYS),
            ("companions[]", companions::COMPANION_KEYS),
            ("chains[]", chains::CHAIN_KEYS),
            ("apps[].permissions[]", permissions::RESOURCE_KEYS),
            ("apps[].permissions[].application", permissions::NEED_KEYS),
            ("apps[].permissions[].delegated", permissions::NEED_KEYS),
        ] {
            for key in keys {
                let documented = ["`", ".", "["].iter().any(|end| documentation.contains(&format!("| `{table}.{key}{end}")));
                assert!(documented, "{table}.{key}");
            }
        }
    }
}
