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

/// Which messages of a transition were sent, and when we began to send them. The holder of the lock sends.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) since: Option<OffsetDateTime>,
    pub(crate) order: bool,
    pub(crate) event: Fate,
}

impl Sent {
    pub(crate) const NOTHING: Self = Self { since: None, order: false, event: Fate::None };
}

type SentLock = Arc<AsyncMutex<Sent>>;

/// The caches of one process.
#[derive(Debug)]
pub(crate) struct Recent {
    arrivals: Mutex<LruCache<(TokenId, ClaimKind), OffsetDateTime>>,
    sent: Mutex<LruCache<(String, Option<ClaimKind>), SentLock>>,
    handled: Mutex<LruCache<TokenId, Arc<AsyncMutex<bool>>>>,
    events: Mutex<LruCache<String, String>>,
    reached: Mutex<LruCache<String, u64>>,
    said: Mutex<LruCache<String, (Outcome, String, OffsetDateTime)>>,
    verifier_claims: Mutex<LruCache<(TenantId, ProfileId), u64>>,
    ended_links: Mutex<LruCache<String, u8>>,
    published: Mutex<LruCache<String, (Fate, OffsetDateTime)>>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            arrivals: cache(),
            sent: cache(),
            handled: cache(),
            events: cache(),
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

    /// Which messages of a transition this process sent: 10,000 replays of a ticket send one order and one event. An outcome that rests on a
    /// claim has messages for each kind of claim.
    pub(crate) fn sent(&self, transition: String, claim: Option<&Claim>) -> SentLock {
        get_or_put(&self.sent, (transition, claim.map(kind)), || Arc::new(AsyncMutex::new(Sent::NOTHING)))
    }

    /// Whether a transition is the first transition whose event has this id.
    pub(crate) fn first_under(&self, event: &str, transition: String) -> bool {
        event == transition || get_or_put(&self.events, event.to_owned(), || transition.clone()) == transition
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

    /// What became of the event with this id in this process within 20 minutes. Claims of several kinds may share an event.
    pub(crate) fn published(&self, event: &str, now: OffsetDateTime) -> Fate {
        let published = locked(&self.published);
        published.peek(event).filter(|(_, at)| now - *at < PROVISIONAL).map_or(Fate::None, |(fate, _)| *fate)
    }

    /// Notes that the event with this id was sent, or refused: then the worker sends it.
    pub(crate) fn note_published(&self, event: String, fate: Fate, now: OffsetDateTime) {
        locked(&self.published).insert(event, (fate, now));
    }

    /// Whether a use of an ended link on its day leads to an event: the first use does, and a few later ones if the event could not be sent.
    /// `transition` contains link and day.
    pub(crate) fn publishes_ended(&self, transition: &str) -> bool {
        const MOST_ATTEMPTS: u8 = 3;
        let mut ended = locked(&self.ended_links);
        let attempts = ended.entry(transition.to_owned()).or_insert(0);
        *attempts = attempts.saturating_add(1);
        *attempts <= MOST_ATTEMPTS
    }

    /// Notes that this event was sent.
    pub(crate) fn published_ended(&self, transition: &str) {
        locked(&self.ended_links).insert(transition.to_owned(), u8::MAX);
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
