//! Limits how much claims alone can cause. The holder of one link can make any number of claims. So the records, orders and events that
//! rest on a claim have limits for each link, tenant and app, in each span of 20 minutes. Records, orders and events that rest on a finding
//! have no limit, because a stranger cannot make Microsoft show an approval.
//!
//! To draw means to use up one unit of a limit.

use serde::{Deserialize, Serialize};

use super::claim::Agreement;
use super::outcome::{GIVE_UP, PROVISIONAL, Severity, span_start};
use super::{ApprovalState, Claim, ErrorClass, Expectation, ExpectedTenant, Outcome, TokenId};

/// The number of claims for each key that get records of their own. Several administrators may share one forwarded link.
pub(crate) const FULL_CLAIMS: u32 = 5;
/// The number of events for each key. The event about counted claims and the event of the day are not part of this number.
const EVENTS: usize = 8;
/// The number of transitions for each key that visits to result pages may record.
const VISITS: usize = 2;

/// What a limit applies to: the link (the invitation, or the ticket of a direct link), the link's tenant and the app. A key contains
/// nothing that a visitor can choose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BoundKey(Box<str>);

impl BoundKey {
    /// The key of an approval.
    pub(crate) fn of(state: &ApprovalState) -> Self {
        let Expectation { app, tenant, .. } = &state.expectation;
        let tenant = match tenant {
            ExpectedTenant::Tenant(tenant) => tenant.to_string(),
            ExpectedTenant::Any => "any".into(),
        };
        Self(format!("{} {tenant} {app}", state.link()).into())
    }

    /// The key as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl ApprovalState {
    /// The id of the approval's link: the id of the invitation, or of the ticket if the link is direct.
    pub(crate) fn link(&self) -> TokenId {
        self.expectation.invitation.as_ref().map_or(self.ticket, |origin| origin.id)
    }
}

/// The class of a claim. The first claim of each class is always recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimClass(u8);

impl ClaimClass {
    /// The class of a claim.
    #[must_use]
    pub fn of(claim: &Claim, agreement: Agreement) -> Self {
        if let Agreement::OtherTenant { .. } = agreement {
            return Self(8);
        }
        Self(match claim {
            Claim::Success => 0,
            Claim::NoFlag => 1,
            Claim::Error(error) => match error.class {
                ErrorClass::Declined => 2,
                ErrorClass::NotAnAdmin => 3,
                ErrorClass::WrongAccount => 4,
                ErrorClass::BlockedByPolicy => 5,
                ErrorClass::AppMisconfigured => 6,
                ErrorClass::Unknown => 7,
            },
        })
    }
}

/// What a claim is about to cause, and so which limit it uses up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Draw {
    /// Records of its own. At most `most` claims get them, and the first claim of each further class.
    Claim {
        /// The claim's class.
        class: ClaimClass,
        /// The highest number of claims.
        most: u32,
    },
    /// The event which says that further claims are only counted.
    CountedEvent,
    /// The first order of a chain of checks of a kind that has none yet. This uses up nothing: [`Draw::ChainSent`] does.
    Chain(ChainKind),
    /// The queue has that order.
    ChainSent(ChainKind),
    /// The event with this id.
    Event(String),
    /// The record of the transition with this id, if a visit to a result page led to the transition.
    Visit(String),
    /// The event of the day, with its id: at most one event a day has the outcome's own severity.
    DayEvent(String),
    /// The order for the check after a press of the button.
    Press,
}

/// The kind of a chain of checks. Claims of the same kind share one chain, because their chains would last equally long and end with the
/// same severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainKind(u8);

impl ChainKind {
    /// The kind of an outcome that rests on a claim, which arrived at the second `at`. A chain's frequent checks last as long as a span, so
    /// a success in the second half of the span has a chain of its own.
    pub(crate) fn of(claim: &Claim, outcome: Outcome, at: u64) -> Self {
        let is_late_success = *claim == Claim::Success && at - span_start(at) >= PROVISIONAL.as_secs() / 2;
        let bits = [is_late_success, claim.error().is_some(), outcome.can_change(GIVE_UP / 2), outcome.severity() == Severity::Open];
        Self(bits.into_iter().fold(0, |kind, bit| kind << 1 | u8::from(bit)))
    }

    fn bit(self) -> u16 {
        1 << self.0
    }
}

impl Draw {
    /// The start of the limit's period and the key in that period. The start and `now` are in seconds since 1970. The event of the day,
    /// whose period is a day, has a key of its own.
    pub(crate) fn period(&self, key: &BoundKey, now: u64) -> (u64, String) {
        match self {
            Self::DayEvent(_) => (now - now % 86_400, format!("{} day", key.0)),
            _ => (span_start(now), key.0.to_string()),
        }
    }
}

/// What claims have used up for one key in one period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Spent {
    claims: u32,
    classes: u16,
    counted_event: Once,
    chains: u16,
    events: Vec<String>,
    visits: Vec<String>,
    day_event: Option<String>,
    press: Once,
}

/// How often a message that is sent once is tried.
const MOST_ATTEMPTS: u8 = 3;

/// A message that is sent once. A message that could not be sent is tried again, but not for each claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Once {
    is_drawn: bool,
    failures: u8,
}

impl Once {
    fn draw(&mut self) -> bool {
        !std::mem::replace(&mut self.is_drawn, true)
    }

    fn give_back(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.is_drawn = self.failures >= MOST_ATTEMPTS;
    }
}

impl Spent {
    /// Uses up one unit of the limit. Returns whether one was left.
    pub(crate) fn draw(&mut self, draw: &Draw) -> bool {
        match draw {
            Draw::Claim { class, most } => {
                let bit = 1_u16 << class.0;
                let is_left = self.claims < *most || self.classes & bit == 0;
                if is_left {
                    self.claims = self.claims.saturating_add(1);
                    self.classes |= bit;
                }
                is_left
            }
            Draw::CountedEvent => self.counted_event.draw(),
            Draw::Chain(kind) => self.chains & kind.bit() == 0,
            Draw::ChainSent(kind) => {
                self.chains |= kind.bit();
                true
            }
            // The same event again: it was not sent, or consumers drop it by its id.
            Draw::Event(id) => self.events.contains(id) || take(&mut self.events, id, EVENTS),
            Draw::Visit(id) => take(&mut self.visits, id, VISITS),
            Draw::DayEvent(id) => self.day_event.get_or_insert_with(|| id.clone()) == id,
            Draw::Press => self.press.draw(),
        }
    }

    /// Gives back the unit for a message that could not be sent.
    pub(crate) fn give_back(&mut self, draw: &Draw) {
        match draw {
            Draw::CountedEvent => self.counted_event.give_back(),
            Draw::Event(id) => self.events.retain(|other| other != id),
            Draw::DayEvent(id) => drop(self.day_event.take_if(|drawn| drawn == id)),
            Draw::Press => self.press.give_back(),
            // A record was written, or nothing was used up.
            Draw::Claim { .. } | Draw::Visit(_) | Draw::Chain(_) | Draw::ChainSent(_) => {}
        }
    }
}

fn take(ids: &mut Vec<String>, id: &str, most: usize) -> bool {
    let granted = ids.len() < most && !ids.iter().any(|other| other == id);
    if granted {
        ids.push(id.to_owned());
    }
    granted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::consent::ClaimedError;

    fn claim(class: u8) -> Draw {
        Draw::Claim { class: ClaimClass(class), most: FULL_CLAIMS }
    }

    proptest! {
        #[test]
        fn any_claims_cost_few_records_and_events(draws in prop::collection::vec((0..7_u8, 0..9_u8, 0..40_u8), 0..400)) {
            let mut spent = Spent::default();
            let (mut claims, mut visits, mut counted) = (0, 0, 0);
            let (mut events, mut days) = (BTreeSet::new(), BTreeSet::new());
            for (kind, class, id) in draws {
                let id = id.to_string();
                match kind {
                    0..3 => claims += u32::from(spent.draw(&claim(class))),
                    3 => drop(spent.draw(&Draw::DayEvent(id.clone())).then(|| days.insert(id))),
                    4 => drop(spent.draw(&Draw::Event(id.clone())).then(|| events.insert(id))),
                    5 => counted += u32::from(spent.draw(&Draw::CountedEvent)),
                    _ => visits += u32::from(spent.draw(&Draw::Visit(id))),
                }
            }
            prop_assert!(claims <= 13 && events.len() <= 8 && days.len() <= 1 && visits <= 2 && counted <= 1);
        }
    }

    #[test]
    fn claims_have_few_kinds_of_chains() {
        let error = |class| {
            Claim::Error(ClaimedError { class, code: None, resource: None, trace_id: None, correlation_id: None, other_tenant: false })
        };
        let claims = [Claim::Success, Claim::NoFlag, error(ErrorClass::Declined)];
        let outcomes = || Outcome::ALL.iter().filter(|outcome| outcome.rests_on_a_claim() && outcome.can_change(Duration::ZERO));
        let kinds: BTreeSet<_> = (claims.iter())
            .flat_map(|claim| outcomes().flat_map(move |outcome| [0, 600].map(|at| ChainKind::of(claim, *outcome, at).bit())))
            .collect();
        assert!(kinds.len() <= 16, "{kinds:?}");
        let mut spent = Spent::default();
        for kind in kinds.iter().map(|bit| ChainKind(u8::try_from(bit.trailing_zeros()).unwrap())) {
            assert!(spent.draw(&Draw::Chain(kind)) && spent.draw(&Draw::Chain(kind)), "until the queue has the order");
            spent.draw(&Draw::ChainSent(kind));
            assert!(!spent.draw(&Draw::Chain(kind)));
        }
    }

    #[test]
    fn the_first_claim_of_each_class_is_always_in_full() {
        let mut spent = Spent::default();
        for _ in 0..100 {
            spent.draw(&claim(2));
        }
        for class in [0, 1, 3, 4, 5, 6, 7, 8] {
            assert!(spent.draw(&claim(class)), "{class}");
            assert!(!spent.draw(&claim(class)), "{class}");
        }
    }

    #[test]
    fn what_could_not_be_sent_is_drawn_again() {
        let mut spent = Spent::default();
        let day = |id: &str| Draw::DayEvent(id.into());
        for (draw, other) in [(day("one"), day("other")), (Draw::Press, Draw::Press), (Draw::CountedEvent, Draw::CountedEvent)] {
            assert!(spent.draw(&draw));
            assert!(!spent.draw(&other), "{draw:?}");
            spent.give_back(&draw);
            assert!(spent.draw(&other), "{draw:?}");
        }
    }

    #[test]
    fn a_message_that_always_fails_is_tried_a_few_times() {
        for draw in [Draw::CountedEvent, Draw::Press] {
            let mut spent = Spent::default();
            assert_eq!((0..100).filter(|_| spent.draw(&draw)).count(), 1, "{draw:?} that was sent");
            let mut attempts = 0;
            let mut spent = Spent::default();
            while spent.draw(&draw) {
                attempts += 1;
                spent.give_back(&draw);
            }
            assert_eq!(attempts, MOST_ATTEMPTS, "{draw:?}");
        }
    }

    #[test]
    fn a_row_of_the_store_keeps_all_of_a_limit() {
        let mut spent = Spent::default();
        let day = Draw::DayEvent("d".into());
        for draw in [claim(1), claim(8), Draw::ChainSent(ChainKind(7)), Draw::Event("e".into()), Draw::Visit("v".into()), day, Draw::Press]
        {
            assert!(spent.draw(&draw));
        }
        spent.give_back(&Draw::Press);
        assert_eq!(serde_json::from_str::<Spent>(&serde_json::to_string(&spent).unwrap()).unwrap(), spent);
        assert_eq!(serde_json::from_str::<Spent>("{}").unwrap(), Spent::default(), "a row of another version");
    }
}
