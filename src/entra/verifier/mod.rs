//! The use case (tenant, app) → [`Finding`]: all that callback, worker and command line share by calling.
//!
//! At most two sequential round trips with a new token, one with a cached one. A cached token carries Graph calls and is never
//! evidence itself: `roles` count only from tokens minted in the same look, so that a revoked grant is never taken for one.

mod registration;
mod run;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashlink::LruCache;
use time::OffsetDateTime;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};
use url::Url;

pub use self::registration::{RegistrationRequest, RegistrationUnread};
use self::state::VerificationState;
use crate::consent::callback::TraceId;
use crate::consent::finding::Obstacle;
use crate::consent::{AppProfile, ClientId, Finding, ProfileId, ResourceId, TenantId, TokenId, Verdict};
use crate::entra::clients::Clients;
use crate::entra::cloud::Endpoints;
use crate::entra::credential::Credential;
use crate::entra::http::{ClientFault, Http, UpstreamCall};
use crate::entra::token::{AccessToken, TokenRefusal, TokenRequest};
use crate::env::{Clock, Rng, millis};
use crate::sync::locked;

/// How long a look stands for the same (tenant, app) in one process (law 3).
pub const CHECK_VALID_FOR: Duration = Duration::from_secs(30);
/// Claims of success start at most one look in this time, and buttons one, for the same (tenant, app) in one process.
const AT_ONCE: Duration = Duration::from_secs(10);
/// No wish of Microsoft's to be left alone is honoured for longer.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);
/// A cached token this close to its end is not used.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(5);
/// Most tokens and most looks that are remembered. The one written first goes first (`peek` leaves the order as it is), and forgetting one
/// costs a call.
const MAX_TOKENS: usize = 10_000;
const MAX_CHECKS: usize = 4_096;

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

/// Why the caller looks, and so which earlier looks count for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckReason {
    /// A button asks whether the app is approved already. A look that is not fresh may decide where the button leads, and nothing else.
    Press,
    /// A claim of success. Only a look that began at `from` or later counts; without one, a look starts at once.
    Success {
        /// When the claim arrived.
        from: OffsetDateTime,
        /// When the same claim of the same ticket first arrived. A look since then counts as well if it shows the approval: a visit can be
        /// repeated with the same result.
        first: OffsetDateTime,
    },
    /// Another claim. Only a look that began at `from` or later counts.
    Claim {
        /// The end of the second in which the ticket was issued, or the arrival of the claim where that came first.
        from: OffsetDateTime,
        /// As of a success, for a look that shows nothing.
        first: OffsetDateTime,
    },
    /// A view of an app that concludes nothing: every look that still stands counts.
    Overview,
}

impl CheckReason {
    /// Whether a look counts that no later approval of the verifier made stale.
    fn takes(self, check: &Check, profile: &AppProfile) -> bool {
        let verdict = || check.finding.assess(profile).verdict;
        match self {
            Self::Success { from, first } => {
                check.at >= from || (check.at >= first && matches!(verdict(), Verdict::AllRequired | Verdict::Excess))
            }
            Self::Claim { from, first } => check.at >= from || (check.at >= first && verdict() == Verdict::NothingSeen),
            Self::Press | Self::Overview => true,
        }
    }
}

/// No look counts, and the next one may not begin yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon {
    /// How long until it may.
    pub wait: Duration,
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
pub struct CheckRequest<'a> {
    /// The app.
    pub profile: &'a AppProfile,
    /// Its cloud.
    pub endpoints: &'a Endpoints,
    /// The tenant, from a verified ticket or order (law 5).
    pub tenant: TenantId,
    /// Who asks.
    pub asker: Asker<'a>,
    /// Which looks count.
    pub check_reason: CheckReason,
    /// Whether the app is one of those that Microsoft's policy for popular mail clients lets users approve (protocol reference §5.2).
    pub popular: bool,
    /// The longest time this may take, waiting for another caller's look included.
    pub budget: Duration,
}

impl CheckRequest<'_> {
    /// Whether the app asks about itself. Only then do the roles of its tokens say anything about it.
    fn verifies_itself(&self) -> bool {
        matches!(self.asker, Asker::App(app) if app.client == self.profile.client_id)
    }
}

/// One look, and how it came about.
#[derive(Debug, Clone)]
pub struct Check {
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

impl Check {
    /// The look that nobody can make: no approved verifier is configured, so nobody is asked.
    #[must_use]
    pub fn without_verifier(at: OffsetDateTime) -> Self {
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

/// Looks at apps in tenants. One per process: it holds what is remembered between looks.
#[derive(Debug)]
pub struct Verifier {
    clients: Clients,
    clock: Clock,
    rng: Rng,
    tokens: Mutex<LruCache<TokenKey, Arc<AccessToken>>>,
    checks: Mutex<LruCache<CheckKey, Arc<CheckSlot>>>,
    /// When a claim of success last started a look at an app. What that app, as a verifier, saw in the tenant before is stale.
    approved: Mutex<LruCache<(TenantId, ClientId), OffsetDateTime>>,
}

type CheckKey = (TenantId, ProfileId);

/// Tokens are kept for Graph only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    authority: Url,
    tenant: TenantId,
    client: ClientId,
}

/// What is remembered of one (tenant, app). The lock holder looks; the others wait for it and share the look.
type CheckSlot = AsyncMutex<CheckMemory>;

#[derive(Debug, Default)]
struct CheckMemory {
    /// The last look, but for those of buttons: they began before the ticket that the button made.
    last: Option<RememberedCheck>,
    /// The last look of a button.
    pressed: Option<RememberedCheck>,
    /// When a claim of success last started a look, or a verifier's approval did.
    at_once: Option<OffsetDateTime>,
    /// When another claim did.
    claimed: Option<OffsetDateTime>,
    /// When a view did.
    viewed: Option<OffsetDateTime>,
}

impl CheckMemory {
    /// The earlier look that counts for a caller; `None` where the caller may start one. What began before `stale_before` counts for no
    /// caller.
    fn answer(
        &self,
        request: &CheckRequest<'_>,
        now: OffsetDateTime,
        stale_before: Option<OffsetDateTime>,
    ) -> Result<Option<Check>, TooSoon> {
        let check_reason = request.check_reason;
        let counts = |kept: &&RememberedCheck| {
            stale_before.is_none_or(|approved| kept.check.at >= approved) && check_reason.takes(&kept.check, request.profile)
        };
        let within = |kept: &&RememberedCheck, time| kept.check.at <= now && now - kept.check.at < time;
        let last = self.last.as_ref().filter(counts);
        let (kept, wait) = match check_reason {
            CheckReason::Press => {
                // One look of a button in 10 s; within them the latest look leads.
                let pressed = self.pressed.as_ref().filter(counts).filter(|pressed| within(pressed, AT_ONCE));
                let leads = pressed.map(|pressed| last.filter(|last| last.check.at > pressed.check.at).unwrap_or(pressed));
                (leads, Duration::ZERO)
            }
            CheckReason::Success { .. } => (last, left_of(AT_ONCE, self.at_once, now)),
            CheckReason::Claim { .. } | CheckReason::Overview if self.is_stale(stale_before) => (last, left_of(AT_ONCE, self.at_once, now)),
            // A view of a chain must not keep the next step's cancel from its own look.
            CheckReason::Claim { .. } => (last, left_of(CHECK_VALID_FOR, self.claimed.max(self.at_once), now)),
            CheckReason::Overview => (last, left_of(CHECK_VALID_FOR, self.viewed.max(self.claimed).max(self.at_once), now)),
        };
        if let Some(kept) = kept.filter(|kept| within(kept, CHECK_VALID_FOR)) {
            return Ok(Some(kept.shown_again(now)));
        }
        // Microsoft wants to be left alone, and what was seen before says nothing about now.
        if let Some(quiet) = [&self.last, &self.pressed].into_iter().flatten().filter_map(|kept| kept.quiet(now)).max() {
            return Ok(Some(Check { retry_after: Some(quiet), ..check_without_answer(now) }));
        }
        if wait.is_zero() { Ok(None) } else { Err(TooSoon { wait }) }
    }

    fn is_stale(&self, stale_before: Option<OffsetDateTime>) -> bool {
        self.last.as_ref().zip(stale_before).is_some_and(|(kept, approved)| kept.check.at < approved)
    }

    /// Notes that a look begins now, and says where to keep it.
    fn begins(
        &mut self,
        check_reason: CheckReason,
        now: OffsetDateTime,
        stale_before: Option<OffsetDateTime>,
    ) -> &mut Option<RememberedCheck> {
        let at_once = matches!(check_reason, CheckReason::Success { .. }) || self.is_stale(stale_before);
        match check_reason {
            CheckReason::Press => return &mut self.pressed,
            _ if at_once => self.at_once = Some(now),
            CheckReason::Overview => self.viewed = Some(now),
            CheckReason::Success { .. } | CheckReason::Claim { .. } => self.claimed = Some(now),
        }
        &mut self.last
    }
}

/// What is left of an interval that began at `began`. A moment ahead is a clock that went backwards, and delays no caller.
fn left_of(interval: Duration, began: Option<OffsetDateTime>, now: OffsetDateTime) -> Duration {
    let passed = began.and_then(|began| Duration::try_from(now - began).ok());
    passed.map_or(Duration::ZERO, |passed| interval.saturating_sub(passed))
}

#[derive(Debug)]
struct RememberedCheck {
    check: Check,
    quiet_until: Option<OffsetDateTime>,
}

impl RememberedCheck {
    /// How long Microsoft still wants to be left alone. A moment too far ahead is a clock that went backwards, and delays no caller.
    fn quiet(&self, now: OffsetDateTime) -> Option<Duration> {
        let left = self.quiet_until.and_then(|until| Duration::try_from(until - now).ok());
        left.filter(|left| !left.is_zero() && *left <= LONGEST_QUIET)
    }

    /// The same look for another caller.
    fn shown_again(&self, now: OffsetDateTime) -> Check {
        Check { fresh: false, upstream: Vec::new(), retry_after: self.quiet(now), ..self.check.clone() }
    }
}

impl Verifier {
    /// A verifier that remembers nothing yet.
    #[must_use]
    pub fn new(clients: Clients, clock: Clock, rng: Rng) -> Self {
        let (tokens, checks, approved) = (LruCache::new(MAX_TOKENS), LruCache::new(MAX_CHECKS), LruCache::new(MAX_CHECKS));
        let (tokens, checks, approved) = (Mutex::new(tokens), Mutex::new(checks), Mutex::new(approved));
        Self { clients, clock, rng, tokens, checks, approved }
    }

    /// One with the same clock and clients that keeps few tokens: for [`Self::check_now`] at very many tenants, each for a moment.
    #[must_use]
    pub fn apart(&self, tokens: usize) -> Self {
        let verifier = Self::new(self.clients.clone(), self.clock.clone(), self.rng.clone());
        Self { tokens: Mutex::new(LruCache::new(tokens)), ..verifier }
    }

    /// Looks, unless an earlier look counts ([`CheckReason`]) or Microsoft asked to be left alone after throttling.
    /// Concurrent callers share one look. What could not be seen is said so in the finding.
    ///
    /// # Errors
    /// [`TooSoon`] where no earlier look counts and the caller may not start one yet: nothing is known.
    pub async fn check(&self, request: CheckRequest<'_>) -> Result<Check, TooSoon> {
        let started = Instant::now();
        let slot = slot(&self.checks, &request);
        let Ok(mut remembered) = timeout(request.budget, slot.lock()).await else {
            return Ok(check_without_answer(self.clock.now()));
        };
        let now = self.clock.now();
        let stale_before = match request.asker {
            Asker::App(app) => locked(&self.approved).peek(&(request.tenant, app.client)).copied(),
            Asker::Person(_) => None,
        };
        if let Some(check) = remembered.answer(&request, now, stale_before)? {
            return Ok(check);
        }
        let place = remembered.begins(request.check_reason, now, stale_before);
        if matches!(request.check_reason, CheckReason::Success { .. }) {
            locked(&self.approved).insert((request.tenant, request.profile.client_id), now);
        }
        let left = request.budget.saturating_sub(started.elapsed());
        let check = self.check_within(left, &request, now).await;
        let quiet_until = check.retry_after.map(|wait| self.clock.now() + wait);
        *place = Some(RememberedCheck { check: check.clone(), quiet_until });
        Ok(check)
    }

    /// Looks, whatever is remembered, and remembers nothing. The caller leaves Microsoft alone where it asks for that
    /// ([`Check::retry_after`]).
    pub async fn check_now(&self, request: CheckRequest<'_>) -> Check {
        self.check_within(request.budget, &request, self.clock.now()).await
    }

    async fn check_within(&self, left: Duration, request: &CheckRequest<'_>, now: OffsetDateTime) -> Check {
        let mut state = VerificationState::default();
        match self.http(request.endpoints) {
            Ok(http) => {
                let generation = http.generation();
                if timeout(left, self.see(&http, request, &mut state)).await.is_err() {
                    tracing::warn!(tenant.id = %request.tenant, app.id = %request.profile.id, budget.ms = millis(request.budget), "a look ran out of time");
                    state.time_out();
                    http.renew(generation);
                }
            }
            Err(fault) => {
                tracing::error!(error = %fault, app.id = %request.profile.id, "no client for the app's cloud");
                state.fault(Obstacle::OperatorFault);
            }
        }
        let check = state.conclude(request, now);
        // What stops one person's token stops nobody else.
        if let (Some(alarm), Asker::App(app)) = (check.finding.alarm(), request.asker) {
            tracing::error!(
                alarm = alarm.name(),
                aadsts.code = check.finding.code.map(tracing::field::display),
                tenant.id = %request.tenant,
                app.id = %request.profile.id,
                app.client_id = %app.client,
                "our own side stands in the way of a look, and so of looks at every tenant"
            );
        }
        check
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
        let jti = || TokenId::from_random(self.rng.bytes());
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

    /// The client for a cloud.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub fn http(&self, endpoints: &Endpoints) -> Result<Http, ClientFault> {
        self.clients.of(endpoints)
    }

    fn cached_token(&self, key: &TokenKey) -> Option<Arc<AccessToken>> {
        let now = self.clock.now();
        locked(&self.tokens).peek(key).filter(|token| token.expires_at - TOKEN_MARGIN > now).cloned()
    }

    fn keep_token(&self, key: TokenKey, token: Arc<AccessToken>) {
        if token.expires_at - TOKEN_MARGIN > self.clock.now() {
            locked(&self.tokens).insert(key, token);
        }
    }

    fn forget_token(&self, key: &TokenKey) {
        locked(&self.tokens).remove(key);
    }
}

fn slot(checks: &Mutex<LruCache<CheckKey, Arc<CheckSlot>>>, request: &CheckRequest<'_>) -> Arc<CheckSlot> {
    let key = (request.tenant, request.profile.id.clone());
    let mut checks = locked(checks);
    if let Some(slot) = checks.peek(&key) {
        return Arc::clone(slot);
    }
    let slot = Arc::<CheckSlot>::default();
    checks.insert(key, Arc::clone(&slot));
    slot
}

/// A look that asked nobody: another caller's took longer than this caller may wait, or Microsoft wants to be left alone.
fn check_without_answer(at: OffsetDateTime) -> Check {
    let finding = Arc::new(Finding::stopped(Obstacle::NoAnswer, None));
    Check { finding, at, fresh: false, upstream: Vec::new(), retry_after: None, trace_id: None, correlation_id: None }
}
