//! The use case (tenant, app) → [`Finding`]: all that callback, worker and command line share by calling.
//!
//! At most two sequential round trips with a new token, one with a cached one. A cached token carries Graph calls and is never
//! evidence itself: `roles` count only from tokens minted in the same look, so that a revoked grant is never taken for one.

mod draft;
mod registration;
pub(crate) mod shelf;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};
use url::Url;

use self::draft::Draft;
pub use self::registration::{RegistrationRequest, RegistrationUnread};
use self::shelf::Shelf;
use crate::consent::callback::TraceId;
use crate::consent::finding::Obstacle;
use crate::consent::{AppProfile, ClientId, Finding, ProfileId, ResourceId, TenantId, TokenId};
use crate::entra::cloud::Endpoints;
use crate::entra::credential::Credential;
use crate::entra::http::{ClientFault, Http, UpstreamCall};
use crate::entra::token::{AccessToken, TokenRefusal, TokenRequest};
use crate::world::{Clock, Entropy, Roots, millis};

/// How long a look stands for the same (tenant, app) in one process (law 3).
pub const LOOK_STANDS: Duration = Duration::from_secs(30);
/// No wish of Microsoft's to be left alone is honoured for longer.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);
/// A cached token this close to its end is not used.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(5);
/// Most tokens and most looks that are remembered. The oldest goes first, and forgetting one costs a call.
const TOKENS: usize = 10_000;
const LOOKS: usize = 4_096;

/// Most credentials that one look, or one token, tries: the one in use, what is kept by now, and the two other stages of a rotation.
const MOST_CREDENTIALS: usize = 4;

/// The credential cannot be had, or there is no other one to try. Why is the provider's to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential cannot be read")]
pub struct CredentialUnavailable;

/// What [`CredentialProvider::credential`] gives.
pub type CredentialFuture<'a> = Pin<Box<dyn Future<Output = Result<Arc<Credential>, CredentialUnavailable>> + Send + 'a>>;

/// Where the verifier's credential comes from. Asked only when a token has to be minted.
pub trait CredentialProvider: Send + Sync {
    /// The credential to try, where `refused` names those that Microsoft refused just now: another one than those, or none.
    fn credential<'a>(&'a self, refused: &'a [Arc<Credential>]) -> CredentialFuture<'a>;

    /// Told that Microsoft took a credential that it gave.
    fn accepted(&self, _credential: &Arc<Credential>) {}
}

/// A credential that is at hand and never changes.
impl CredentialProvider for Arc<Credential> {
    fn credential<'a>(&'a self, refused: &'a [Self]) -> CredentialFuture<'a> {
        let is_left = refused.is_empty();
        Box::pin(async move { if is_left { Ok(Self::clone(self)) } else { Err(CredentialUnavailable) } })
    }
}

/// Why somebody looks. Each has its own 30 s: what was seen before somebody went to Microsoft must not be shown to whoever comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A button asks whether the app is approved already.
    BeforeConsent,
    /// A callback, a result page or an order asks whether it is approved now.
    AfterConsent,
}

/// An app that asks.
#[derive(Clone, Copy)]
pub struct AskingApp<'a> {
    /// Its application id.
    pub client: ClientId,
    /// Its credential.
    pub credential: &'a dyn CredentialProvider,
}

/// Who asks Microsoft.
#[derive(Clone, Copy)]
pub enum Asker<'a> {
    /// An app: the one in question, or that of its `verified_by`.
    App(AskingApp<'a>),
    /// A person, with a token that they hold for the tenant. Evidence is then what Graph shows and nothing else: what the token says of
    /// itself says nothing about the app.
    Person(&'a Arc<AccessToken>),
}

/// What to look at, and with what.
#[derive(Clone, Copy)]
pub struct LookRequest<'a> {
    /// The app.
    pub profile: &'a AppProfile,
    /// Its cloud.
    pub endpoints: &'a Endpoints,
    /// The tenant, from a verified ticket or order (law 5).
    pub tenant: TenantId,
    /// Who asks.
    pub asker: Asker<'a>,
    /// Why.
    pub occasion: Occasion,
    /// Whether the app is one of those that Microsoft's policy for popular mail clients lets users approve (protocol reference §5.2).
    pub popular: bool,
    /// The longest time this may take, waiting for another caller's look included.
    pub budget: Duration,
}

impl LookRequest<'_> {
    /// Whether the app asks about itself. Only then do the roles of its tokens say anything about it.
    fn verifies_itself(&self) -> bool {
        matches!(self.asker, Asker::App(app) if app.client == self.profile.client_id)
    }
}

/// One look, and how it came about.
#[derive(Debug, Clone)]
pub struct Look {
    /// What was seen.
    pub finding: Arc<Finding>,
    /// When the look began.
    pub at: OffsetDateTime,
    /// Whether this call did it. Otherwise it is an earlier one, shown with its age.
    pub fresh: bool,
    /// The calls this caused. Empty where nothing was asked.
    pub upstream: Vec<UpstreamCall>,
    /// How long Microsoft wants to be left alone about this (tenant, app). Until then nobody is asked: the same look is shown while
    /// it stands, and after that one without an answer.
    pub retry_after: Option<Duration>,
    /// Microsoft's trace id of the refusal that ended the look.
    pub trace_id: Option<TraceId>,
    /// Its correlation id.
    pub correlation_id: Option<TraceId>,
}

impl Look {
    /// The look that nobody can make: no approved verifier is configured, so nobody is asked.
    #[must_use]
    pub fn nobody_may(at: OffsetDateTime) -> Self {
        let finding = Arc::new(Finding::stopped(Obstacle::VerifierNotGranted, None));
        Self { finding, at, fresh: false, upstream: Vec::new(), retry_after: None, trace_id: None, correlation_id: None }
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// No client can be made for the cloud.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// The app's credential cannot be read.
    #[error(transparent)]
    Credential(#[from] CredentialUnavailable),
    /// The token endpoint gave none.
    #[error("the token endpoint gave no token{}", .0.code.map_or_else(String::new, |code| format!(" ({code})")))]
    Refused(Box<TokenRefusal>),
}

impl From<TokenRefusal> for NoToken {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Looks at apps in tenants. One per process: it holds the connections and what is remembered between looks.
#[derive(Debug)]
pub struct Verifier {
    roots: Roots,
    clock: Clock,
    entropy: Entropy,
    clients: Mutex<Vec<(Endpoints, Http)>>,
    tokens: Mutex<Shelf<TokenKey, Arc<AccessToken>>>,
    /// `None` where no look is remembered.
    looks: Option<Mutex<Shelf<LookKey, Arc<Slot>>>>,
}

type LookKey = (Occasion, TenantId, ProfileId);

/// Tokens are kept for Graph only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    authority: Url,
    tenant: TenantId,
    client: ClientId,
}

/// The last look at one (tenant, app). Who holds the lock does the looking; the others wait for it and share it.
type Slot = AsyncMutex<Option<Kept>>;

#[derive(Debug)]
struct Kept {
    look: Look,
    quiet_until: Option<OffsetDateTime>,
}

impl Kept {
    /// What is shown without asking anybody: the look again while it stands, and no answer while Microsoft wants to be left alone
    /// beyond that. What was seen then says nothing about now. Moments ahead are a clock that went backwards, and hold nobody up.
    fn shown_again(&self, now: OffsetDateTime) -> Option<Look> {
        let quiet = self.quiet_until.and_then(|until| Duration::try_from(until - now).ok());
        let quiet = quiet.filter(|left| !left.is_zero() && *left <= LONGEST_QUIET);
        let stands = self.look.at <= now && now - self.look.at < LOOK_STANDS;
        if stands {
            return Some(Look { fresh: false, upstream: Vec::new(), retry_after: quiet, ..self.look.clone() });
        }
        quiet.map(|_| Look { retry_after: quiet, ..look_without_answer(now) })
    }
}

impl Verifier {
    /// A verifier that remembers nothing yet. Clients are made when a cloud is first asked.
    #[must_use]
    pub fn new(roots: Roots, clock: Clock, entropy: Entropy) -> Self {
        let tokens = Mutex::new(Shelf::new(TOKENS));
        Self { roots, clock, entropy, clients: Mutex::default(), tokens, looks: Some(Mutex::new(Shelf::new(LOOKS))) }
    }

    /// One that stands on the same, keeps few tokens and remembers no look: for looking at very many tenants, each for a moment. The
    /// caller sees to it that Microsoft is left alone where it asks for that ([`Look::retry_after`]).
    #[must_use]
    pub fn apart(&self, tokens: usize) -> Self {
        let tokens = Mutex::new(Shelf::new(tokens));
        Self { roots: self.roots, clock: self.clock.clone(), entropy: self.entropy.clone(), clients: Mutex::default(), tokens, looks: None }
    }

    /// Looks, unless the last look still stands ([`LOOK_STANDS`]) or Microsoft asked to be left alone after throttling.
    /// Concurrent callers share one look. Never fails: what could not be seen is said so in the finding.
    pub async fn look(&self, request: LookRequest<'_>) -> Look {
        let started = Instant::now();
        let Some(looks) = &self.looks else { return self.look_within(request.budget, &request, self.clock.now()).await };
        let slot = slot(looks, &request);
        let Ok(mut kept) = timeout(request.budget, slot.lock()).await else {
            return look_without_answer(self.clock.now());
        };
        let now = self.clock.now();
        if let Some(look) = kept.as_ref().and_then(|kept| kept.shown_again(now)) {
            return look;
        }
        let left = request.budget.saturating_sub(started.elapsed());
        let look = self.look_within(left, &request, now).await;
        let quiet_until = look.retry_after.map(|wait| self.clock.now() + wait);
        *kept = Some(Kept { look: look.clone(), quiet_until });
        look
    }

    async fn look_within(&self, left: Duration, request: &LookRequest<'_>, now: OffsetDateTime) -> Look {
        let mut draft = Draft::default();
        match self.http(request.endpoints) {
            Ok(http) => {
                let generation = http.generation();
                if timeout(left, self.see(&http, request, &mut draft)).await.is_err() {
                    tracing::warn!(tenant.id = %request.tenant, app.id = %request.profile.id, budget.ms = millis(request.budget), "a look ran out of time");
                    draft.time_out();
                    http.renew(generation);
                }
            }
            Err(fault) => {
                tracing::error!(error = %fault, app.id = %request.profile.id, "no client for the app's cloud");
                draft.fault(Obstacle::OperatorFault);
            }
        }
        let look = draft.conclude(request, now);
        // What stops one person's token stops nobody else.
        if let (Some(alarm), Asker::App(app)) = (look.finding.alarm(), request.asker) {
            tracing::error!(
                alarm = alarm.name(),
                aadsts.code = look.finding.code.map(tracing::field::display),
                tenant.id = %request.tenant,
                app.id = %request.profile.id,
                app.client_id = %app.client,
                "our own side stands in the way of a look, and so of looks at every tenant"
            );
        }
        look
    }

    /// A Graph token for an app in a tenant, such as the operator's own, minted now.
    ///
    /// # Errors
    /// [`NoToken`].
    pub async fn graph_token(
        &self,
        endpoints: &Endpoints,
        tenant: TenantId,
        AskingApp { client, credential }: AskingApp<'_>,
    ) -> Result<AccessToken, NoToken> {
        let http = self.http(endpoints)?;
        let request = TokenRequest { endpoints, tenant, client, resource: ResourceId::GRAPH };
        let jti = || TokenId::from_random(self.entropy.bytes());
        let mut refused = Vec::new();
        let mut next = credential.credential(&refused).await?;
        loop {
            let refusal = match request.send(&http, &next, self.clock.now(), jti).await.0 {
                Ok(token) => {
                    credential.accepted(&next);
                    return Ok(token);
                }
                Err(refusal) => refusal,
            };
            refused.push(next);
            if !refusal.wants_another_credential() || refused.len() == MOST_CREDENTIALS {
                return Err(refusal.into());
            }
            next = match credential.credential(&refused).await {
                Ok(another) => another,
                Err(CredentialUnavailable) => return Err(refusal.into()),
            };
        }
    }

    /// The client for a cloud, made when it is first asked for.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub fn http(&self, endpoints: &Endpoints) -> Result<Http, ClientFault> {
        let mut clients = locked(&self.clients);
        if let Some((_, http)) = clients.iter().find(|(known, _)| known == endpoints) {
            return Ok(http.clone());
        }
        let http = Http::new(self.roots, endpoints, self.entropy.clone())?;
        clients.push((endpoints.clone(), http.clone()));
        Ok(http)
    }

    fn cached_token(&self, key: &TokenKey) -> Option<Arc<AccessToken>> {
        let now = self.clock.now();
        locked(&self.tokens).get(key).filter(|token| token.expires_at - TOKEN_MARGIN > now).cloned()
    }

    fn keep_token(&self, key: TokenKey, token: Arc<AccessToken>) {
        if token.expires_at - TOKEN_MARGIN > self.clock.now() {
            locked(&self.tokens).put(key, token);
        }
    }

    fn forget_token(&self, key: &TokenKey) {
        locked(&self.tokens).remove(key);
    }
}

fn slot(looks: &Mutex<Shelf<LookKey, Arc<Slot>>>, request: &LookRequest<'_>) -> Arc<Slot> {
    let key = (request.occasion, request.tenant, request.profile.id.clone());
    let mut looks = locked(looks);
    if let Some(slot) = looks.get(&key) {
        return Arc::clone(slot);
    }
    let slot = Arc::<Slot>::default();
    looks.put(key, Arc::clone(&slot));
    slot
}

/// A look that asked nobody: another caller's took longer than this caller may wait, or Microsoft wants to be left alone.
fn look_without_answer(at: OffsetDateTime) -> Look {
    let finding = Arc::new(Finding::stopped(Obstacle::NoAnswer, None));
    Look { finding, at, fresh: false, upstream: Vec::new(), retry_after: None, trace_id: None, correlation_id: None }
}

/// A panic elsewhere leaves these maps whole: each change is one call.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
