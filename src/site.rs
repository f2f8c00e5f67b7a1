//! The composition root: the one place that builds clients, each on first use.

mod credential;
mod dispatch;
mod expiry;
mod registration;
mod survey;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Mutex;

use self::credential::Remembered;
use self::dispatch::SentLately;
pub use self::dispatch::{Conclusion, Dispatched, Patience};
pub use self::expiry::{CredentialEnd, ToldBy};
pub use self::survey::Survey;
use crate::aws::secrets::{SecretUnavailable, Secrets};
use crate::aws::web_identity::WebIdentity;
use crate::aws::{AwsClients, AwsOutbox};
use crate::config::{Config, ConfigError, ConfiguredApp, SecretSource};
use crate::consent::outcome::{carry_on, conclude};
use crate::consent::profile::VerifyIn;
use crate::consent::{Assessment, ClientId, Expectation, ExpectedTenant, Label, Outcome, Reference, TenantId, TokenId};
use crate::entra::discovery::{DiscoveredTenant, Discovery, TenantName, Undiscovered};
use crate::link::{Flaw, Invitation, KeyRing, Receipt, Seal, Subject, Ticket, TooLong};
use crate::outbox::Outbox;
use crate::record::{Line, LookLine, Recorder, Sink, UpstreamLine};
use crate::secret::Secret;
use crate::verify::{Look, LookRequest, Occasion, Verifier};
use crate::world::{Clock, Entropy, Roots};

/// How long one verification may take while a browser waits.
const BUDGET: Duration = Duration::from_secs(3);
/// How long the button may ask whether the app is approved already.
const QUICK_LOOK: Duration = Duration::from_secs(1);
/// When a browser has to have its answer, whatever happens. Reading the key secret comes out of the same time.
const CEILING: Duration = Duration::from_millis(3_700);
/// Most characters of a link that is mailed as it is: at more some clients cut (threats reference S11).
const LONGEST_DIRECT_LINK: usize = 2_048;
/// How long a look of the worker's may take. Nobody waits for it.
const UNHURRIED: Duration = Duration::from_secs(8);
/// Less than this is no time to look at all.
const LEAST_BUDGET: Duration = Duration::from_millis(500);

/// What a site stands on: everything from outside, passed in.
#[derive(Debug)]
pub struct Surroundings {
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Where records go.
    pub sink: Sink,
    /// The environment, for secrets that are kept there.
    pub environment: fn(&str) -> Option<String>,
    /// Where orders and outcome events go, instead of the queue and the bus that the configuration names.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// AWS's clients, instead of those that the process's environment describes.
    pub aws: Option<AwsClients>,
}

impl Surroundings {
    /// The real world, with records on standard output.
    #[must_use]
    pub fn real(roots: Roots) -> Self {
        Self {
            roots,
            clock: Clock::system(),
            entropy: Entropy::system(),
            sink: Sink::stdout(),
            environment: crate::config::environment,
            outbox: None,
            aws: None,
        }
    }

    /// The same for a command that ends, where nobody's browser waits: AWS, and the search for its credentials, get more time.
    #[must_use]
    pub fn at_a_terminal(roots: Roots) -> Self {
        Self { aws: Some(AwsClients::at_a_terminal(roots)), ..Self::real(roots) }
    }
}

/// One operator's installation.
#[derive(Debug)]
pub struct Site {
    /// What it was told.
    pub config: Config,
    /// What it keeps.
    pub records: Recorder,
    /// Its time.
    pub clock: Clock,
    entropy: Entropy,
    secrets: Secrets,
    credentials: Remembered,
    web_identity: WebIdentity,
    keys: Mutex<Option<KnownKeys>>,
    verifier: Verifier,
    discovery: Discovery,
    outbox: Option<Arc<dyn Outbox>>,
    sent_lately: SentLately,
}

/// The key ring beside the secret it was read from, so that it is parsed once.
#[derive(Debug)]
struct KnownKeys {
    secret: Arc<Secret>,
    ring: Arc<KeyRing>,
}

/// The key that signs links cannot be had: no ticket can be opened and none be made.
#[derive(Debug, thiserror::Error)]
#[error("the key that signs links is unavailable: {0}")]
pub struct KeysUnavailable(pub String);

impl Site {
    /// Puts a site together. Asks nobody: secrets are read and clients built when they are first needed.
    #[must_use]
    pub fn new(config: Config, surroundings: Surroundings) -> Self {
        let Surroundings { roots, clock, entropy, sink, environment, outbox, aws } = surroundings;
        let aws = Arc::new(aws.unwrap_or_else(|| AwsClients::new(roots)));
        let outbox = outbox.or_else(|| AwsOutbox::of(&config, &aws).map(|outbox| Arc::new(outbox) as Arc<dyn Outbox>));
        Self {
            config,
            records: Recorder::new(sink, clock.clone()),
            web_identity: WebIdentity::new(clock.clone(), Arc::clone(&aws)),
            secrets: Secrets::new(clock.clone(), aws, environment),
            credentials: Remembered::default(),
            keys: Mutex::new(None),
            verifier: Verifier::new(roots, clock.clone(), entropy.clone()),
            discovery: Discovery::new(roots, clock.clone(), entropy.clone()),
            clock,
            entropy,
            outbox,
            sent_lately: SentLately::new(),
        }
    }

    /// Puts the site together that the environment names.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and remedy.
    pub fn from_env(surroundings: Surroundings) -> Result<Self, ConfigError> {
        Ok(Self::new(Config::from_env(&surroundings.environment)?, surroundings))
    }

    /// Where secrets are read, and the key secret written.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Where orders and outcome events go; `None` where the installation has neither a queue nor anybody to tell.
    #[must_use]
    pub fn outbox(&self) -> Option<&dyn Outbox> {
        self.outbox.as_deref()
    }

    /// A secret for a browser's cookie: 32 random bytes in base64url.
    #[must_use]
    pub fn new_secret(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.entropy.bytes(), self.entropy.bytes()].concat())
    }

    /// The public base address without a trailing slash: the `iss` of everything we sign.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.config.site.base_url.as_str().trim_end_matches('/')
    }

    /// A random id.
    #[must_use]
    pub fn new_id(&self) -> TokenId {
        TokenId::from_random(self.entropy.bytes())
    }

    /// A secret that the configuration names, at most 10 minutes old.
    ///
    /// # Errors
    /// [`SecretUnavailable`] when it was never read.
    pub async fn secret(&self, place: &SecretSource) -> Result<Arc<Secret>, SecretUnavailable> {
        self.secrets.get(place).await
    }

    /// The keys that sign links.
    ///
    /// # Errors
    /// [`KeysUnavailable`] when the key secret cannot be read or is not fit to sign with.
    pub async fn keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.get(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
    }

    /// The keys that were used last, for signing what a request leads to: it opened a token with them. Nobody is asked, because a key secret
    /// that has just grown too old would be read now, on time that the browser has not got.
    ///
    /// # Errors
    /// As [`Self::keys`], where none were used yet.
    pub(crate) async fn keys_at_hand(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let at_hand = self.keys.lock().await.as_ref().map(|known| Arc::clone(&known.ring));
        match at_hand {
            Some(ring) => Ok(ring),
            None => self.keys().await,
        }
    }

    /// As [`Self::keys`], after the key secret was read again (at most once a minute): for a key that is younger than our copy.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn refreshed_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.refresh(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
    }

    async fn ring(&self, secret: Result<Arc<Secret>, String>) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let unavailable = |reason: String| {
            tracing::error!(reason, "the key that signs links is unavailable");
            KeysUnavailable(reason)
        };
        let secret = secret.map_err(unavailable)?;
        let mut known = self.keys.lock().await;
        if let Some(known) = known.as_ref()
            && Arc::ptr_eq(&known.secret, &secret)
        {
            return Ok(Arc::clone(&known.ring));
        }
        match (KeyRing::parse(&secret), known.as_ref()) {
            (Ok(ring), _) => {
                let ring = Arc::new(ring);
                *known = Some(KnownKeys { secret, ring: Arc::clone(&ring) });
                Ok(ring)
            }
            // A slip in a rotation must not stop what still works.
            (Err(error), Some(known)) => {
                tracing::error!(%error, "the new key secret cannot be used; the keys read before stay in use");
                Ok(Arc::clone(&known.ring))
            }
            (Err(error), None) => Err(unavailable(error.to_string())),
        }
    }

    /// Opens a token of any kind. An unknown key may be one that was made since we last read the key secret: it is read again, at
    /// most once a minute, and the token tried once more.
    ///
    /// # Errors
    /// [`KeysUnavailable`]; inside, the token's [`Flaw`].
    pub async fn open<T>(&self, token: impl Fn(Seal<'_>) -> Result<T, Flaw>) -> Result<Result<T, Flaw>, KeysUnavailable> {
        let keys = self.keys().await?;
        match token(self.seal(&keys)) {
            Err(Flaw::UnknownKey) => {
                let keys = self.refreshed_keys().await?;
                Ok(token(self.seal(&keys)))
            }
            opened => Ok(opened),
        }
    }

    /// Signs and opens with these keys, now.
    #[must_use]
    pub fn seal<'a>(&'a self, keys: &'a KeyRing) -> Seal<'a> {
        Seal { keys, issuer: self.issuer(), now: self.clock.now_unix() }
    }

    /// Whether the operator took a link back, by its id, its invitation's, or the moment that it or its invitation was signed.
    #[must_use]
    pub fn is_revoked(&self, ticket: TokenId, expectation: &Expectation, signed_at: u64) -> bool {
        match &expectation.invitation {
            Some(origin) => self.is_taken_back(&[ticket, origin.id], signed_at.min(origin.issued_at)),
            None => self.is_taken_back(&[ticket], signed_at),
        }
    }

    /// Whether one of these ids, or everything signed at that moment (seconds since 1970), was taken back.
    #[must_use]
    pub fn is_taken_back(&self, ids: &[TokenId], signed_at: u64) -> bool {
        let links = &self.config.links;
        let by_date =
            links.revoked_before.is_some_and(|moment| u64::try_from(moment.unix_timestamp()).is_ok_and(|moment| signed_at < moment));
        by_date || links.revoked.iter().any(|revoked| ids.contains(revoked))
    }

    /// Looks at an app in a tenant, with the credential of whoever verifies it, in what is left of the time since `asked`. `None` for an
    /// app that is verified in the worker: where the public is answered, nobody is asked about it.
    pub async fn look(&self, app: &ConfiguredApp, tenant: TenantId, asked: Instant) -> Option<TimedLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return None;
        }
        let sending = if self.outbox.is_some() { Patience::BROWSER } else { Duration::ZERO };
        let budget = CEILING.saturating_sub(sending).saturating_sub(asked.elapsed()).clamp(LEAST_BUDGET, BUDGET);
        Some(self.look_within(app, tenant, Occasion::AfterConsent, budget).await)
    }

    /// Asks whether an app is approved already, before somebody is sent to Microsoft. `None` as of [`Self::look`].
    pub async fn look_before(&self, app: &ConfiguredApp, tenant: TenantId) -> Option<TimedLook> {
        if app.profile.verify_in == VerifyIn::Worker {
            return None;
        }
        Some(self.look_within(app, tenant, Occasion::BeforeConsent, QUICK_LOOK).await)
    }

    async fn look_within(&self, app: &ConfiguredApp, tenant: TenantId, occasion: Occasion, budget: Duration) -> TimedLook {
        let started = Instant::now();
        let Some(verifier) = self.config.verifier_of(app) else {
            return TimedLook { look: Look::nobody_may(self.clock.now()), took_millis: 0 };
        };
        let request = LookRequest {
            profile: &app.profile,
            endpoints: &app.endpoints,
            tenant,
            verifier: verifier.profile.client_id,
            credential: &self.credential_of(verifier),
            occasion,
            popular: app.is_popular(),
            budget,
        };
        let look = self.verifier.look(request).await;
        TimedLook { look, took_millis: millis(started) }
    }

    /// Looks again at what a receipt remembers, and concludes. `None` where the app is not configured any more, nobody is ever to be asked
    /// about it, or only the worker is.
    pub async fn look_again(&self, remembered: &Receipt, asked: Instant) -> Option<Again> {
        let (app, tenant) = self.askable(remembered)?;
        let look = self.look(app, tenant, asked).await?;
        Some(self.again(remembered, app, look, asked))
    }

    /// Looks again at what an order remembers, wherever it is verified, with more time than a browser has.
    pub async fn look_as_ordered(&self, remembered: &Receipt, asked: Instant) -> Option<Again> {
        let (app, tenant) = self.askable(remembered)?;
        let look = self.look_within(app, tenant, Occasion::AfterConsent, UNHURRIED).await;
        Some(self.again(remembered, app, look, asked))
    }

    fn askable(&self, remembered: &Receipt) -> Option<(&ConfiguredApp, TenantId)> {
        let app = self.config.app(&remembered.expectation.app)?;
        match remembered.expectation.tenant {
            ExpectedTenant::Tenant(tenant) if !remembered.outcome.is_unverifiable() => Some((app, tenant)),
            ExpectedTenant::Tenant(_) | ExpectedTenant::Any => None,
        }
    }

    fn again(&self, remembered: &Receipt, app: &ConfiguredApp, look: TimedLook, asked: Instant) -> Again {
        let assessment = look.finding.assess(&app.profile);
        let age = remembered.age(self.clock.now_unix());
        let seen = conclude(&remembered.claim, assessment.verdict, age, Some(remembered.outcome));
        let outcome = carry_on(remembered.outcome, seen, age, false);
        Again { client_id: app.profile.client_id, look, assessment, seen, outcome, asked }
    }

    /// Records what another look changed, once in this process, and gives the line. Nothing is written where nothing changed.
    ///
    /// # Errors
    /// The sink's: then nothing may be said.
    pub fn record_again(&self, line: Line, remembered: &Receipt, again: &Again) -> std::io::Result<Option<Line>> {
        let (before, after) = (remembered.outcome, again.outcome);
        if before == after {
            return Ok(None);
        }
        let line = line
            .of_ticket(remembered.ticket, &remembered.expectation, remembered.binding, remembered.late)
            .of_client(again.client_id)
            .with_claim(&remembered.claim, false, None);
        let step = remembered.step.saturating_add(1);
        let line = (again.look.recorded_on(line, &again.assessment))
            .with_outcome(remembered.ticket, remembered.callback_at, step, Some(before), after)
            .took(millis(again.asked), Some(again.look.took_millis));
        self.records.write_transition_once(&line)?;
        Ok(Some(line))
    }

    /// Which tenant a domain or an id is, asked in the cloud of an app. A link is bound to the id that comes back.
    ///
    /// # Errors
    /// [`Undiscovered`]: the tenant does not exist there, lives in another cloud, or cannot be asked about now.
    pub async fn discover(&self, app: &ConfiguredApp, tenant: &TenantName) -> Result<DiscoveredTenant, Undiscovered> {
        self.discovery.discover(&app.profile.cloud, &app.endpoints, tenant).await
    }

    /// The address of a receipt's page: `r` shows a result, `w` watches a companion app. `None` when no key can be had, or the address
    /// would be too
    /// long even without label and reference.
    pub async fn receipt_address(&self, room: &str, receipt: &Receipt) -> Option<String> {
        let keys = self.keys_at_hand().await.ok()?;
        // A receipt that is renewed by a change ends when the first one would have.
        let ends = receipt.callback_at.saturating_add(self.config.links.receipt.as_secs());
        let life = ends.saturating_sub(self.clock.now_unix()).max(1);
        let seal = self.seal(&keys);
        let bare = || {
            let expectation = Expectation { label: None, reference: None, ..receipt.expectation.clone() };
            Receipt { expectation, ..receipt.clone() }.issue(self.new_id(), life, seal)
        };
        let token = receipt.issue(self.new_id(), life, seal).or_else(|TooLong| bare()).ok()?;
        Some(format!("{}/{room}/{token}", seal.issuer))
    }

    /// The redirect address that has to be registered on every app.
    #[must_use]
    pub fn redirect_address(&self) -> String {
        format!("{}/callback", self.issuer())
    }

    /// A link that leads straight to Microsoft, with a ticket that lives for `life`, and the ticket's id.
    ///
    /// # Errors
    /// [`NoLink`] when the keys cannot be had, or the ticket or the link would be too long.
    pub async fn direct_link(&self, app: &ConfiguredApp, expectation: Expectation, life: Duration) -> Result<(TokenId, url::Url), NoLink> {
        let keys = self.keys().await?;
        let signed = self.sign_direct_link(&keys, app, expectation, life)?;
        Ok((signed.id, signed.address))
    }

    /// As [`Self::direct_link`] with keys at hand: for many links.
    ///
    /// # Errors
    /// [`NoLink`] when the ticket or the link would be too long.
    pub fn sign_direct_link(
        &self,
        keys: &KeyRing,
        app: &ConfiguredApp,
        expectation: Expectation,
        life: Duration,
    ) -> Result<SignedLink<url::Url>, NoLink> {
        let seal = self.seal(keys);
        let tenant = expectation.tenant;
        let (id, expires_at) = (self.new_id(), seal.now.saturating_add(life.as_secs()));
        let ticket = Ticket { id, issued_at: seal.now, expires_at, expectation, browser: None };
        let address = self.consent_address(app, tenant, &ticket.issue(seal)?);
        match address.as_str().len() {
            0..=LONGEST_DIRECT_LINK => Ok(SignedLink { id, expires_at, address }),
            characters => Err(NoLink::Cut(characters)),
        }
    }

    /// An invitation's id and address: a page of ours, made to be mailed. It lives for `life`.
    ///
    /// # Errors
    /// [`NoLink`] when the keys cannot be had or the address would be too long.
    pub async fn invitation(
        &self,
        subject: Subject,
        tenant: ExpectedTenant,
        label: Option<Label>,
        reference: Option<Reference>,
        life: Duration,
    ) -> Result<(TokenId, String), NoLink> {
        let keys = self.keys().await?;
        let signed = self.sign_invitation(&keys, subject, tenant, label, reference, life)?;
        Ok((signed.id, signed.address))
    }

    /// As [`Self::invitation`] with keys at hand: for many links.
    ///
    /// # Errors
    /// [`TooLong`] when the address would be too long.
    pub fn sign_invitation(
        &self,
        keys: &KeyRing,
        subject: Subject,
        tenant: ExpectedTenant,
        label: Option<Label>,
        reference: Option<Reference>,
        life: Duration,
    ) -> Result<SignedLink<String>, TooLong> {
        let seal = self.seal(keys);
        let (id, expires_at) = (self.new_id(), seal.now.saturating_add(life.as_secs()));
        let invitation = Invitation { id, issued_at: seal.now, expires_at, subject, tenant, label, reference };
        Ok(SignedLink { id, expires_at, address: invitation.address(seal)? })
    }

    /// The address of the invitation that a ticket or a receipt came from, signed again; `None` for a direct link, for one that has
    /// ended and where no key can be had.
    pub async fn invitation_again(&self, expectation: &Expectation) -> Option<String> {
        let keys = self.keys_at_hand().await.ok()?;
        let seal = self.seal(&keys);
        Invitation::again(expectation, seal.now)?.address(seal).ok()
    }

    /// The address of Microsoft's v2 consent page for an app, with what its links ask for (protocol reference §1.1).
    #[must_use]
    pub fn consent_address(&self, app: &ConfiguredApp, tenant: ExpectedTenant, ticket: &str) -> url::Url {
        let mut address = app.endpoints.adminconsent_url(tenant);
        address
            .query_pairs_mut()
            .append_pair("client_id", &app.profile.client_id.to_string())
            .append_pair("redirect_uri", &self.redirect_address())
            .append_pair("scope", app.scope.as_str())
            .append_pair("state", ticket);
        address
    }
}

/// Another look at what is remembered.
#[derive(Debug)]
pub struct Again {
    client_id: ClientId,
    /// The look.
    pub look: TimedLook,
    /// What it amounts to.
    pub assessment: Assessment,
    /// What this look alone says: what a page shows. One look is no transition, so it may say less than `outcome`.
    pub seen: Outcome,
    /// How it stands now, earlier looks included: what is recorded, told and remembered ([`carry_on`]).
    pub outcome: Outcome,
    asked: Instant,
}

/// The time since then in milliseconds, as records keep it.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A link as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLink<A> {
    /// The id of its token.
    pub id: TokenId,
    /// When it ends, seconds since 1970.
    pub expires_at: u64,
    /// Where it leads.
    pub address: A,
}

/// Why no link was made.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    /// No key.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// Too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A direct link with this many characters would not arrive whole everywhere.
    #[error(
        "the link would have {0} characters, and some programs cut at {LONGEST_DIRECT_LINK}: shorten the label or the reference, make an \
         invitation instead of a direct link, or set scopes = \"registration\""
    )]
    Cut(usize),
}

/// A look with the time it took us, a wait for somebody else's look included.
#[derive(Debug)]
pub struct TimedLook {
    look: Look,
    /// In milliseconds.
    pub took_millis: u64,
}

impl TimedLook {
    /// Puts what was seen onto a record.
    #[must_use]
    pub fn recorded_on(&self, line: Line, assessment: &Assessment) -> Line {
        let calls = self.upstream.iter().map(|call| UpstreamLine { kind: call.kind.name(), status: call.status, ms: call.millis });
        let Look { at, trace_id, correlation_id, .. } = self.look;
        line.with_finding(&self.finding, assessment, LookLine { at, trace_id, correlation_id, upstream: calls.collect() })
    }
}

impl std::ops::Deref for TimedLook {
    type Target = Look;
    fn deref(&self) -> &Look {
        &self.look
    }
}
