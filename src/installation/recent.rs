//! Remembers what this process did recently, so that a repetition costs no second check, order or event.

use std::hash::Hash;
use std::sync::{Arc, Mutex};

use hashlink::LruCache;
use time::OffsetDateTime;
use tokio::sync::Mutex as AsyncMutex;

use crate::consent::outcome::PROVISIONAL;
use crate::consent::{Claim, ErrorClass, Outcome, ProfileId, TenantId, TokenId};
use crate::record::Fate;
use crate::sync::locked;

/// The number of entries in each cache. Evicting one costs another check, or an order and an event with the same ids as before.
const CAPACITY: usize = 4_096;

/// The kind of a claim. Claims of different kinds lead to different outcomes, so we remember each kind separately.
type ClaimKind = (std::mem::Discriminant<Claim>, Option<ErrorClass>);

fn kind(claim: &Claim) -> ClaimKind {
    (std::mem::discriminant(claim), claim.error().map(|error| error.class))
}

/// When the order of a transition was sent. The holder of the lock sends.
type OrderedLock = Arc<AsyncMutex<Option<OffsetDateTime>>>;

/// The caches of one process.
#[derive(Debug)]
pub(crate) struct Recent {
    arrivals: Mutex<LruCache<(TokenId, ClaimKind), OffsetDateTime>>,
    ordered: Mutex<LruCache<(String, Option<ClaimKind>), OrderedLock>>,
    handled: Mutex<LruCache<TokenId, Arc<AsyncMutex<bool>>>>,
    reached: Mutex<LruCache<String, u64>>,
    said: Mutex<LruCache<String, (Outcome, String, OffsetDateTime)>>,
    verifier_claims: Mutex<LruCache<(TenantId, ProfileId), u64>>,
    ended_links: Mutex<LruCache<String, u8>>,
    published: Mutex<LruCache<String, Fate>>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            arrivals: cache(),
            ordered: cache(),
            handled: cache(),
            reached: cache(),
            said: cache(),
            verifier_claims: cache(),
            ended_links: cache(),
            published: cache(),
        }
    }

    /// When a claim of a ticket first arrived in this process, unless the cache evicted it.
    pub(crate) fn first_arrival(&self, ticket: TokenId, claim: &Claim, arrived: OffsetDateTime) -> OffsetDateTime {
        arrived.min(get_or_put(&self.arrivals, (ticket, kind(claim)), || arrived))
    }

    /// When this process sent the order of a transition: 10,000 replays of a ticket send one order. An outcome that rests on a claim has an
    /// order for each kind of claim.
    pub(crate) fn ordered(&self, transition: String, claim: Option<&Claim>) -> OrderedLock {
        get_or_put(&self.ordered, (transition, claim.map(kind)), OrderedLock::default)
    }

    /// When a transition first reached its outcome in this process, in seconds since 1970.
    pub(crate) fn reached(&self, transition: String, now: u64) -> u64 {
        get_or_put(&self.reached, transition, || now)
    }

    /// Returns the id of the last event that this process published about a subject, if the event has this outcome and is less than 20
    /// minutes old.
    pub(crate) fn said(&self, subject: &str, outcome: Outcome, now: OffsetDateTime) -> Option<String> {
        let said = locked(&self.said);
        let (last, event, at) = said.peek(subject)?;
        (*last == outcome && now - *at < PROVISIONAL).then(|| event.clone())
    }

    /// The outcome in the last event that this process published about a subject.
    pub(crate) fn last_outcome(&self, subject: &str) -> Option<Outcome> {
        locked(&self.said).peek(subject).map(|(outcome, ..)| *outcome)
    }

    /// What became of the event with this id in this process. Several transitions, and claims of several kinds, may share an event.
    pub(crate) fn published(&self, event: &str) -> Fate {
        locked(&self.published).peek(event).copied().unwrap_or(Fate::None)
    }

    /// Notes that the event with this id was sent, or that the bus refused it. After a refusal, the worker sends it.
    pub(crate) fn note_published(&self, event: String, fate: Fate) {
        locked(&self.published).insert(event, fate);
    }

    /// Whether a use of an ended link on its day may lead to an event. Only the first uses may, so that a bus that fails is asked few times.
    /// `transition` identifies the link and the day.
    pub(crate) fn publishes_ended(&self, transition: String) -> bool {
        const MOST_ATTEMPTS: u8 = 3;
        let mut ended = locked(&self.ended_links);
        let attempts = ended.entry(transition).or_insert(0);
        *attempts = attempts.saturating_add(1);
        *attempts <= MOST_ATTEMPTS
    }

    /// Notes an event that the outbox accepted.
    pub(crate) fn say(&self, subject: String, outcome: Outcome, event: String, now: OffsetDateTime) {
        locked(&self.said).insert(subject, (outcome, event, now));
    }

    /// Notes that a person claimed to have approved a verifier; `at` is in seconds since 1970.
    pub(crate) fn verifier_claimed(&self, tenant: TenantId, verifier: &ProfileId, at: u64) {
        locked(&self.verifier_claims).insert((tenant, verifier.clone()), at);
    }

    /// When this process last noted that a person claimed to have approved a verifier, in seconds since 1970.
    pub(crate) fn verifier_claim(&self, tenant: TenantId, verifier: &ProfileId) -> Option<u64> {
        locked(&self.verifier_claims).peek(&(tenant, verifier.clone())).copied()
    }

    /// Whether this process has completely handled a message. The holder of the lock handles the message.
    pub(crate) fn handled(&self, order: TokenId) -> Arc<AsyncMutex<bool>> {
        get_or_put(&self.handled, order, Arc::default)
    }
}

fn cache<K: Hash + Eq, V>() -> Mutex<LruCache<K, V>> {
    Mutex::new(LruCache::new(CAPACITY))
}

fn get_or_put<K: Hash + Eq, V: Clone>(cache: &Mutex<LruCache<K, V>>, key: K, new: impl FnOnce() -> V) -> V {
    let mut cache = locked(cache);
    if let Some(known) = cache.peek(&key) {
        return known.clone();
    }
    let new = new();
    cache.insert(key, new.clone());
    new
}
