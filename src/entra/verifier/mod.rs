//! The use case (tenant, app) → [`Finding`], which callback, worker and command line share.
//!
//! A check needs at most 2 sequential round trips with a new token, and 1 with a cached one. A cached token carries Graph calls and is
//! never evidence itself: `roles` count only from tokens minted in the same check. Otherwise a revoked grant could pass for a current one.

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

pub(crate) use self::registration::RegistrationRequest;
pub use self::registration::RegistrationUnread;
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

/// How long the result of a check is valid for the same (tenant, app) in one process (law 3).
pub(crate) const CHECK_VALID_FOR: Duration = Duration::from_secs(30);
/// In this interval, one process starts at most one check of the same (tenant, app) for claims of success, and at most one for buttons.
const AT_ONCE: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that we honour.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);
/// How long before its expiry we stop using a cached token.
const TOKEN_MARGIN: time::Duration = time::Duration::minutes(5);
/// Capacity of the caches for tokens and for checks. A full cache evicts the oldest entry: lookups use `peek`, which does not make an entry
/// newer. An evicted entry costs another call.
const MAX_TOKENS: usize = 10_000;
const MAX_CHECKS: usize = 4_096;

/// Most credentials that one check, or one token, tries. These are the credential in use, a newer one that is now stored in its place, and
/// the 2 other stages of a rotation.
const MOST_CREDENTIALS: usize = 4;

/// The provider cannot read the credential, or has no other credential to try. The provider logs the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential cannot be read")]
pub struct CredentialUnavailable;

/// The future that [`CredentialProvider::credential`] returns.
pub type CredentialFuture<'a> = Pin<Box<dyn Future<Output = Result<Arc<Credential>, CredentialUnavailable>> + Send + 'a>>;

/// The source of the verifier's credential. The verifier calls it only to mint a token.
pub trait CredentialProvider: Send + Sync {
    /// Returns the credential to try. `refused` lists the credentials that Microsoft refused just now: the provider returns another
    /// credential, or fails.
    fn credential<'a>(&'a self, refused: &'a [Arc<Credential>]) -> CredentialFuture<'a>;

    /// Notifies the provider that Microsoft accepted this credential.
    fn accepted(&self, _credential: &Arc<Credential>) {}
}

/// A credential in memory that never changes.
impl CredentialProvider for Arc<Credential> {
    fn credential<'a>(&'a self, refused: &'a [Self]) -> CredentialFuture<'a> {
        let is_left = refused.is_empty();
        Box::pin(async move { if is_left { Ok(Self::clone(self)) } else { Err(CredentialUnavailable) } })
    }
}

/// Why the caller checks. The reason decides which earlier checks count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckReason {
    /// A button asks whether the app is already approved. Any valid check may decide where the button leads, and decides nothing else.
    Press,
    /// A claim of success. A check counts only if it began at `from` or later. If none counts, a check starts at once.
    Success {
        /// When the claim arrived.
        from: OffsetDateTime,
        /// When the same claim of the same ticket first arrived. A check since then also counts if it shows the approval, so that a
        /// repeated visit gives the same result.
        first: OffsetDateTime,
    },
    /// Another claim. A check counts only if it began at `from` or later.
    Claim {
        /// The end of the second in which we issued the ticket, or the claim's arrival if that was earlier.
        from: OffsetDateTime,
        /// When the same claim of the same ticket first arrived. A check since then also counts if it shows nothing.
        first: OffsetDateTime,
    },
    /// A view of an app that concludes nothing: every valid check counts.
    Overview,
    /// A claim that is only counted. A check counts if it began at `from` or later. Without one, the caller waits for a check under way, and
    /// starts none.
    Counted {
        /// As for the claim itself.
        from: OffsetDateTime,
    },
}

impl CheckReason {
    /// Whether a check counts for this reason. The caller has already dropped checks that a later approval of the verifier made stale.
    fn takes(self, check: &Check, profile: &AppProfile) -> bool {
        let verdict = || check.finding.assess(profile).verdict;
        match self {
            Self::Success { from, first } => {
                check.at >= from || (check.at >= first && matches!(verdict(), Verdict::AllRequired | Verdict::Excess))
            }
            Self::Claim { from, first } => check.at >= from || (check.at >= first && verdict() == Verdict::NothingSeen),
            Self::Counted { from } => check.at >= from,
            Self::Press | Self::Overview => true,
        }
    }
}

/// No earlier check counts, and the caller may not start a new check yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon {
    /// Time until the caller may start a check.
    pub(crate) wait: Duration,
}

/// The app with whose credential we call Microsoft.
#[derive(Clone, Copy)]
pub struct AskingApp<'a> {
    /// The application id.
    pub client: ClientId,
    /// Called only to mint a token.
    pub credential: &'a dyn CredentialProvider,
}

/// Who calls Microsoft.
#[derive(Clone, Copy)]
pub enum Asker<'a> {
    /// The app in question, or the app that its `verified_by` names.
    App(AskingApp<'a>),
    /// A person with their own token for the tenant. Only Graph's answers are evidence then: the token's claims say nothing about the app.
    Person(&'a Arc<AccessToken>),
}

/// The app and the tenant to check, and how.
#[derive(Clone, Copy)]
pub struct CheckRequest<'a> {
    /// The app to check.
    pub profile: &'a AppProfile,
    /// The endpoints of the app's cloud.
    pub endpoints: &'a Endpoints,
    /// The tenant, from a verified ticket or order (law 5).
    pub tenant: TenantId,
    /// The app or the person that calls Microsoft.
    pub asker: Asker<'a>,
    /// Decides which earlier checks count.
    pub check_reason: CheckReason,
    /// Whether Microsoft's policy for popular mail clients lets users approve the app (protocol reference §5.2).
    pub popular: bool,
    /// The longest time for the call, including a wait for another caller's check.
    pub budget: Duration,
}

impl CheckRequest<'_> {
    /// Whether the app checks itself. Only then do the roles of the caller's tokens say anything about the app.
    fn verifies_itself(&self) -> bool {
        matches!(self.asker, Asker::App(app) if app.client == self.profile.client_id)
    }
}

/// The result of one check, and its circumstances.
#[derive(Debug, Clone)]
pub struct Check {
    /// What Microsoft showed.
    pub finding: Arc<Finding>,
    /// When the check began.
    pub at: OffsetDateTime,
    /// Whether this call made the check. Otherwise the check is an earlier one, and pages show its age.
    pub fresh: bool,
    /// The calls to Microsoft that this request caused. Empty if an earlier check answered it.
    pub upstream: Vec<UpstreamCall>,
    /// How long Microsoft throttles this (tenant, app). Until then we send no call. We show this check while it is valid, and after that a
    /// check without an answer.
    pub retry_after: Option<Duration>,
    /// Microsoft's trace id of the refusal that ended the check.
    pub trace_id: Option<TraceId>,
    /// Microsoft's correlation id of the same refusal.
    pub correlation_id: Option<TraceId>,
}

impl Check {
    /// The result if no approved verifier is configured: a check without a call to Microsoft.
    pub(crate) fn without_verifier(at: OffsetDateTime) -> Self {
        let finding = Arc::new(Finding::stopped(Obstacle::VerifierNotGranted, None));
        Self { finding, at, fresh: false, upstream: Vec::new(), retry_after: None, trace_id: None, correlation_id: None }
    }
}

/// Why we have no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// We cannot build a client for the cloud.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// We cannot read the app's credential.
    #[error(transparent)]
    Credential(#[from] CredentialUnavailable),
    /// The token endpoint refused, or did not answer.
    #[error("the token endpoint gave no token{}", .0.code.map_or_else(String::new, |code| format!(" ({code})")))]
    Refused(Box<TokenRefusal>),
}

impl From<TokenRefusal> for NoToken {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Checks apps in tenants. A process has one verifier, which contains the caches of tokens and checks.
#[derive(Debug)]
pub struct Verifier {
    clients: Clients,
    clock: Clock,
    rng: Rng,
    tokens: Mutex<LruCache<TokenKey, Arc<AccessToken>>>,
    checks: Mutex<LruCache<CheckKey, Arc<CheckSlot>>>,
    /// When a claim of success last started a check of an app. If that app is a verifier, its earlier results for other apps in the tenant
    /// are stale.
    approved: Mutex<LruCache<(TenantId, ClientId), OffsetDateTime>>,
}

type CheckKey = (TenantId, ProfileId);

/// The key has no resource, because the cache contains Graph tokens only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    authority: Url,
    tenant: TenantId,
    client: ClientId,
}

/// The memory of one (tenant, app). The lock holder checks; the other callers wait and share the result.
type CheckSlot = AsyncMutex<CheckMemory>;

#[derive(Debug, Default)]
struct CheckMemory {
    /// The last check that a button did not start. A button's check does not count, because it began before the button made its ticket.
    last: Option<RememberedCheck>,
    /// The last check by a button.
    pressed: Option<RememberedCheck>,
    /// When a claim of success, or the approval of a verifier, last started a check.
    at_once: Option<OffsetDateTime>,
    /// When another claim last started a check.
    claimed: Option<OffsetDateTime>,
    /// When a view last started a check.
    viewed: Option<OffsetDateTime>,
}

impl CheckMemory {
    /// The earlier check that counts for a caller; `None` if the caller may start one. A check that began before `stale_before` never
    /// counts.
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
                // A button starts at most one check in 10 s. Within the 10 s, the latest check decides.
                let pressed = self.pressed.as_ref().filter(counts).filter(|pressed| within(pressed, AT_ONCE));
                let leads = pressed.map(|pressed| last.filter(|last| last.check.at > pressed.check.at).unwrap_or(pressed));
                (leads, Duration::ZERO)
            }
            CheckReason::Success { .. } => (last, left_of(AT_ONCE, self.at_once, now)),
            CheckReason::Counted { .. } => (last, CHECK_VALID_FOR),
            CheckReason::Claim { .. } | CheckReason::Overview if self.is_stale(stale_before) => (last, left_of(AT_ONCE, self.at_once, now)),
            // `viewed` does not count here: a view of a chain would otherwise delay the check of the next step's cancel.
            CheckReason::Claim { .. } => (last, left_of(CHECK_VALID_FOR, self.claimed.max(self.at_once), now)),
            CheckReason::Overview => (last, left_of(CHECK_VALID_FOR, self.viewed.max(self.claimed).max(self.at_once), now)),
        };
        if let Some(kept) = kept.filter(|kept| within(kept, CHECK_VALID_FOR)) {
            return Ok(Some(kept.shown_again(now)));
        }
        // While Microsoft throttles us, the answer is a check without a result, because no earlier result counts.
        if let Some(quiet) = [&self.last, &self.pressed].into_iter().flatten().filter_map(|kept| kept.quiet(now)).max() {
            return Ok(Some(Check { retry_after: Some(quiet), ..check_without_answer(now) }));
        }
        if wait.is_zero() { Ok(None) } else { Err(TooSoon { wait }) }
    }

    fn is_stale(&self, stale_before: Option<OffsetDateTime>) -> bool {
        self.last.as_ref().zip(stale_before).is_some_and(|(kept, approved)| kept.check.at < approved)
    }

    /// Records that a check begins now, and returns the slot for its result.
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
            CheckReason::Success { .. } | CheckReason::Claim { .. } | CheckReason::Counted { .. } => self.claimed = Some(now),
        }
        &mut self.last
    }
}

/// The rest of an interval that began at `began`. A start in the future means that the clock went backwards: then no caller waits.
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
    /// How long Microsoft still throttles us. An end too far ahead means that the clock went backwards: then no caller waits.
    fn quiet(&self, now: OffsetDateTime) -> Option<Duration> {
        let left = self.quiet_until.and_then(|until| Duration::try_from(until - now).ok());
        left.filter(|left| !left.is_zero() && *left <= LONGEST_QUIET)
    }

    /// The same check for another caller.
    fn shown_again(&self, now: OffsetDateTime) -> Check {
        Check { fresh: false, upstream: Vec::new(), retry_after: self.quiet(now), ..self.check.clone() }
    }
}

impl Verifier {
    /// A verifier with empty caches.
    #[must_use]
    pub fn new(clients: Clients, clock: Clock, rng: Rng) -> Self {
        let (tokens, checks, approved) = (LruCache::new(MAX_TOKENS), LruCache::new(MAX_CHECKS), LruCache::new(MAX_CHECKS));
        let (tokens, checks, approved) = (Mutex::new(tokens), Mutex::new(checks), Mutex::new(approved));
        Self { clients, clock, rng, tokens, checks, approved }
    }

    /// A verifier with the same clock and clients that caches few tokens. It suits callers that run [`Self::check_now`] once at each of
    /// very many tenants.
    #[must_use]
    pub fn apart(&self, tokens: usize) -> Self {
        let verifier = Self::new(self.clients.clone(), self.clock.clone(), self.rng.clone());
        Self { tokens: Mutex::new(LruCache::new(tokens)), ..verifier }
    }

    /// Checks, unless an earlier check counts ([`CheckReason`]) or Microsoft throttles us. Concurrent callers share one check. The finding
    /// names the parts that we could not see.
    ///
    /// # Errors
    /// [`TooSoon`] if no earlier check counts and the caller may not start a check yet. Then we know nothing.
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

    /// Checks without reading or writing the cache of checks. The caller must respect [`Check::retry_after`].
    pub async fn check_now(&self, request: CheckRequest<'_>) -> Check {
        self.check_within(request.budget, &request, self.clock.now()).await
    }

    async fn check_within(&self, left: Duration, request: &CheckRequest<'_>, now: OffsetDateTime) -> Check {
        let mut state = VerificationState::default();
        match self.http(request.endpoints) {
            Ok(http) => {
                let generation = http.generation();
                if timeout(left, self.see(&http, request, &mut state)).await.is_err() {
                    tracing::warn!(tenant.id = %request.tenant, app.id = %request.profile.id, budget.ms = millis(request.budget), "a check ran out of time");
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
        // A refusal of one person's token affects no other caller, so it is no alarm.
        if let (Some(alarm), Asker::App(app)) = (check.finding.alarm(), request.asker) {
            tracing::error!(
                alarm = alarm.name(),
                aadsts.code = check.finding.code.map(tracing::field::display),
                tenant.id = %request.tenant,
                app.id = %request.profile.id,
                app.client_id = %app.client,
                "our own settings prevent the check, and so the check of every tenant"
            );
        }
        check
    }

    /// Mints a Graph token for an app in a tenant, such as the operator's own.
    ///
    /// # Errors
    /// [`NoToken`].
    pub(crate) async fn graph_token(
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
    pub(crate) fn http(&self, endpoints: &Endpoints) -> Result<Http, ClientFault> {
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

/// A check that sent no call: another caller's check took longer than this caller may wait, or Microsoft throttles us.
fn check_without_answer(at: OffsetDateTime) -> Check {
    let finding = Arc::new(Finding::stopped(Obstacle::NoAnswer, None));
    Check { finding, at, fresh: false, upstream: Vec::new(), retry_after: None, trace_id: None, correlation_id: None }
}
