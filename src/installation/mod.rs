//! The composition root: the only place that builds clients. It builds each client on first use.

mod bounds;
mod bulk_verifier;
mod check;
mod credential;
mod expiry;
mod keys;
mod links;
mod recent;
mod registration;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Mutex;

use self::bounds::ClaimLimits;
pub(crate) use self::bulk_verifier::BulkVerifier;
pub use self::check::TimedCheck;
use self::credential::CredentialMemory;
pub use self::expiry::{CredentialEnd, ToldBy};
pub(crate) use self::keys::KeysUnavailable;
use self::keys::KnownKeys;
pub use self::links::NoLink;
pub(crate) use self::links::SignedLink;
use self::recent::Recent;
use crate::aws::secrets::{SecretUnavailable, Secrets};
use crate::aws::web_identity::WebIdentity;
use crate::aws::{AwsClients, AwsOutbox};
use crate::config::{Config, ConfigError, ConfigSource, ConfiguredApp, SecretSource};
use crate::consent::{Expectation, TokenId};
use crate::entra::clients::Clients;
use crate::entra::discovery::{DiscoveredTenant, Discovery, TenantName, Undiscovered};
use crate::entra::verifier::Verifier;
use crate::env::{Clock, Rng, Roots};
pub(crate) use crate::outbox::Informed;
use crate::outbox::Outbox;
use crate::record::{Recorder, Sink};
use crate::secret::Secret;

/// The parts of an installation that its caller provides.
#[derive(Debug)]
pub struct Dependencies {
    /// The certificate authorities that we trust.
    pub roots: Roots,
    /// The source of the time.
    pub clock: Clock,
    /// The source of randomness.
    pub rng: Rng,
    /// The destination of records.
    pub sink: Sink,
    /// Reads an environment variable. Secrets can be stored in environment variables.
    pub environment: fn(&str) -> Option<String>,
    /// The destination of orders and outcome events. It replaces the queue and the bus of the configuration.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// The AWS clients. They replace the clients that the environment of the process describes.
    pub aws: Option<AwsClients>,
}

impl Dependencies {
    /// The real dependencies, with records on standard output.
    #[must_use]
    pub fn real(roots: Roots) -> Self {
        Self {
            roots,
            clock: Clock::system(),
            rng: Rng::system(),
            sink: Sink::stdout(),
            environment: crate::config::environment,
            outbox: None,
            aws: None,
        }
    }

    /// As [`Self::real`], for a command in a terminal. Calls to AWS, and the search for its credentials, get more time, because no browser
    /// waits.
    pub(crate) fn at_a_terminal(roots: Roots) -> Self {
        Self { aws: Some(AwsClients::at_a_terminal(roots)), ..Self::real(roots) }
    }
}

/// One operator's installation.
#[derive(Debug)]
pub struct Installation {
    /// The parsed `consent.toml`.
    pub config: Config,
    /// Writes the audit records.
    pub records: Recorder,
    /// The source of the time for every use case.
    pub clock: Clock,
    rng: Rng,
    secrets: Secrets,
    credentials: CredentialMemory,
    web_identity: WebIdentity,
    keys: Mutex<Option<KnownKeys>>,
    verifier: Verifier,
    discovery: Discovery,
    outbox: Option<Arc<dyn Outbox>>,
    pub(crate) recent: Recent,
    claim_limits: ClaimLimits,
}

impl Installation {
    /// Assembles an installation without any call. The installation reads secrets and builds clients on first use.
    #[must_use]
    pub fn new(config: Config, dependencies: Dependencies) -> Self {
        let Dependencies { roots, clock, rng, sink, environment, outbox, aws } = dependencies;
        let aws = Arc::new(aws.unwrap_or_else(|| AwsClients::new(roots)));
        let clients = Clients::new(roots, rng.clone());
        let outbox = outbox.or_else(|| AwsOutbox::of(&config, &aws).map(|outbox| Arc::new(outbox) as Arc<dyn Outbox>));
        Self {
            config,
            records: Recorder::new(sink, clock.clone()),
            web_identity: WebIdentity::new(clock.clone(), Arc::clone(&aws)),
            secrets: Secrets::new(clock.clone(), aws, environment),
            credentials: CredentialMemory::default(),
            keys: Mutex::new(None),
            verifier: Verifier::new(clients.clone(), clock.clone(), rng.clone()),
            discovery: Discovery::new(clients, clock.clone()),
            clock,
            rng,
            outbox,
            recent: Recent::new(),
            claim_limits: ClaimLimits::new(),
        }
    }

    /// Assembles the installation that the environment describes.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and remedy.
    pub async fn from_env(dependencies: Dependencies) -> Result<Self, ConfigError> {
        Self::load(&ConfigSource::from_env(&dependencies.environment)?, dependencies).await
    }

    /// Assembles the installation that a configuration describes. Makes a call only for a configuration in Secrets Manager.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and remedy.
    pub async fn load(source: &ConfigSource, mut dependencies: Dependencies) -> Result<Self, ConfigError> {
        let environment = dependencies.environment;
        let config = match source {
            ConfigSource::File(path) => Config::load(path, &environment)?,
            ConfigSource::Text(text) => source.parse(text, &environment)?,
            ConfigSource::Secret(name) => {
                let aws = Arc::new(dependencies.aws.take().unwrap_or_else(|| AwsClients::new(dependencies.roots)));
                let secrets = Secrets::new(dependencies.clock.clone(), Arc::clone(&aws), environment);
                let read = secrets.get(&SecretSource::SecretsManager(name.clone())).await;
                drop(secrets);
                // The installation uses these clients and their connections too.
                dependencies.aws = Arc::into_inner(aws);
                let remedy = "correct the name, and allow secretsmanager:GetSecretValue on this secret (kms:Decrypt too, if a KMS key of \
                              yours encrypts it)";
                let text = read.map_err(|error| source.unavailable(&error.to_string(), remedy))?;
                source.parse(text.expose(), &environment)?
            }
        };
        Ok(Self::new(config, dependencies))
    }

    /// Reads secrets, and writes the key secret.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The destination of orders and outcome events. `None` if the installation has neither a queue nor a receiver of events.
    pub(crate) fn outbox(&self) -> Option<&dyn Outbox> {
        self.outbox.as_deref()
    }

    /// The random part of a secret for a browser's cookie: 32 bytes in base64url.
    pub(crate) fn new_secret(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.rng.bytes(), self.rng.bytes()].concat())
    }

    /// The public base address without a trailing slash. It is the `iss` of every token that we sign.
    pub(crate) fn issuer(&self) -> &str {
        self.config.site.base_url.as_str().trim_end_matches('/')
    }

    /// Random jitter, which keeps many installations from retrying at the same moment.
    pub(crate) fn jitter(&self) -> u8 {
        let [jitter, ..] = self.rng.bytes();
        jitter
    }

    /// A random id for a token, a request or an event.
    #[must_use]
    pub fn new_id(&self) -> TokenId {
        TokenId::from_random(self.rng.bytes())
    }

    /// A secret that the configuration names, from a cache that is at most 10 minutes old.
    ///
    /// # Errors
    /// [`SecretUnavailable`] if this process has never read it.
    pub(crate) async fn secret(&self, place: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.secrets.get(place).await
    }

    /// Whether the operator revoked a token: by the id of the token or of its invitation, or by the time at which we signed the token or
    /// its invitation.
    pub(crate) fn is_revoked(&self, ticket: TokenId, expectation: &Expectation, signed_at: u64) -> bool {
        match &expectation.invitation {
            Some(origin) => self.is_taken_back(&[ticket, origin.id], signed_at.min(origin.issued_at)),
            None => self.is_taken_back(&[ticket], signed_at),
        }
    }

    /// Whether the operator revoked one of these ids, or all tokens that we signed at this time. `signed_at` is in seconds since 1970.
    pub(crate) fn is_taken_back(&self, ids: &[TokenId], signed_at: u64) -> bool {
        let links = &self.config.links;
        let by_date =
            links.revoked_before.is_some_and(|moment| u64::try_from(moment.unix_timestamp()).is_ok_and(|moment| signed_at < moment));
        by_date || links.revoked.iter().any(|revoked| ids.contains(revoked))
    }

    /// Finds a tenant in the app's cloud by a domain or an id. A link is bound to the tenant id that Microsoft returns.
    ///
    /// # Errors
    /// [`Undiscovered`]: the tenant does not exist in the app's cloud, is in another cloud, or Microsoft does not answer.
    pub async fn discover(&self, app: &ConfiguredApp, tenant: &TenantName) -> Result<DiscoveredTenant, Undiscovered> {
        self.discovery.discover(&app.profile.cloud, &app.endpoints, tenant).await
    }
}
