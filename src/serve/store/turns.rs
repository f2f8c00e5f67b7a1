//! Serves tenants in turn, so that many due items of one tenant do not delay the items of another tenant.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::iter::successors;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Mutex;

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};
use serde::Deserialize;

use super::{Queue, StoreFault, StoreSlot, StoredItem};
use crate::sync::locked;

/// An open store, with an index of the waiting items of each tenant or subject.
pub(super) struct OpenedStore {
    pub(super) database: Database,
    turns: Mutex<Turns>,
}

impl OpenedStore {
    pub(super) fn new(database: Database) -> Result<Self, redb::Error> {
        let mut turns = Turns::default();
        let read = database.begin_read()?;
        for queue in [Queue::Orders, Queue::Deliveries] {
            for row in read.open_table(queue.table())?.iter()? {
                let (key, value) = row?;
                let (due, number) = key.value();
                turns.note(Move { slot: StoreSlot { queue, due, number }, is_new: true, group: group(queue, value.value()).into() });
            }
        }
        drop(read);
        Ok(Self { database, turns: Mutex::new(turns) })
    }

    /// Returns at most `most` due items, one of each group in turn. A group is a tenant or a subject.
    pub(super) fn due(&self, queue: Queue, now: u64, most: usize) -> Result<Vec<(StoreSlot, StoredItem)>, StoreFault> {
        let mut turns = locked(&self.turns);
        let table = self.database.begin_read()?.open_table(queue.table())?;
        // Often nothing is due, and we can skip the search through all groups.
        if table.first()?.is_none_or(|(key, _)| key.value().0 > now) {
            return Ok(Vec::new());
        }
        let taken = turns.of(queue).take(now, most);
        drop(turns);
        let mut due_items = Vec::new();
        for (_, due, number) in taken {
            if let Some(row) = table.get((due, number))? {
                due_items.push((StoreSlot { queue, due, number }, StoredItem::of(row.value())));
            }
        }
        Ok(due_items)
    }

    /// Makes a change. The change is on disk when this method returns.
    pub(super) fn change<T>(&self, act: impl FnOnce(&Change) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
        // The default durability is immediate: the commit returns after the file is flushed.
        let change = Change { write: self.database.begin_write()?, moves: RefCell::default() };
        let done = act(&change)?;
        change.write.commit()?;
        let mut turns = locked(&self.turns);
        change.moves.into_inner().into_iter().for_each(|moved| turns.note(moved));
        Ok(done)
    }
}

/// A write transaction. Only its methods add and remove waiting items, so that the index in memory always has the same items as the file.
pub(super) struct Change {
    pub(super) write: WriteTransaction,
    moves: RefCell<Vec<Move>>,
}

struct Move {
    slot: StoreSlot,
    is_new: bool,
    group: Box<str>,
}

impl Change {
    pub(super) fn insert(&self, slot: StoreSlot, item: &StoredItem) -> Result<(), StoreFault> {
        self.write.open_table(slot.queue.table())?.insert((slot.due, slot.number), item.row())?;
        self.moves.borrow_mut().push(Move { slot, is_new: true, group: group(slot.queue, item.row()).into() });
        Ok(())
    }

    pub(super) fn remove(&self, slot: StoreSlot) -> Result<(), StoreFault> {
        let mut table = self.write.open_table(slot.queue.table())?;
        if let Some(row) = table.remove((slot.due, slot.number))? {
            self.moves.borrow_mut().push(Move { slot, is_new: false, group: group(slot.queue, row.value()).into() });
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct QueuedPayload<'a> {
    #[serde(borrow)]
    data: PayloadData<'a>,
}

#[derive(Deserialize)]
struct PayloadData<'a> {
    #[serde(borrow)]
    tenant: PayloadTenant<'a>,
}

#[derive(Deserialize)]
struct PayloadTenant<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

/// The group that takes turns with others: the tenant of an order or an event. Items that name none are one group.
fn group<'a>(queue: Queue, (id, body, ..): (&'a str, &'a str, u32, u64)) -> Cow<'a, str> {
    match queue {
        Queue::Orders => id.into(),
        Queue::Deliveries => {
            serde_json::from_str::<QueuedPayload<'_>>(body).ok().and_then(|payload| payload.data.tenant.id).unwrap_or_default()
        }
    }
}

/// The index of the waiting items in both queues. We build the index at each start. An index in the file could differ from the items.
#[derive(Default)]
struct Turns {
    /// Has a random key, so that a stranger cannot choose tenants with the same hash.
    hasher: RandomState,
    orders: QueueTurns,
    deliveries: QueueTurns,
}

impl Turns {
    fn of(&mut self, queue: Queue) -> &mut QueueTurns {
        match queue {
            Queue::Orders => &mut self.orders,
            Queue::Deliveries => &mut self.deliveries,
        }
    }

    fn note(&mut self, Move { slot, is_new, group }: Move) {
        let turn = (self.hasher.hash_one(&group), slot.due, slot.number);
        let waiting = &mut self.of(slot.queue).waiting;
        if is_new {
            waiting.insert(turn)
        } else {
            waiting.remove(&turn)
        };
    }
}

/// An item in the index: the hash of its group, its due time and its number. It needs 24 bytes, however long the name of the group is.
type Turn = (u64, u64, u64);

#[derive(Default)]
struct QueueTurns {
    waiting: BTreeSet<Turn>,
    /// The hash of the group that was served last.
    last: u64,
}

impl QueueTurns {
    /// Returns one due item of each group in turn, starting with the group after the one that was served last. If the groups have fewer
    /// than `most` items in this round, further rounds follow.
    fn take(&mut self, now: u64, most: usize) -> Vec<Turn> {
        let next_group = |turn: &Turn| self.waiting.range((Excluded((turn.0, u64::MAX, u64::MAX)), Unbounded)).next().copied();
        let behind = successors(next_group(&(self.last, 0, 0)), next_group);
        let before = successors(self.waiting.first().copied(), next_group).take_while(|(group, ..)| *group <= self.last);
        let mut round: Vec<Turn> = behind.chain(before).filter(|(_, due, _)| *due <= now).take(most).collect();
        let mut taken = round.clone();
        while !round.is_empty() && taken.len() < most {
            let next = |turn: Turn| self.waiting.range((Excluded(turn), Unbounded)).next().copied();
            let is_next = |turn: Turn, (group, due, _): &Turn| *group == turn.0 && *due <= now;
            round = round.into_iter().filter_map(|turn| next(turn).filter(|next| is_next(turn, next))).take(most - taken.len()).collect();
            taken.extend(&round);
        }
        self.last = taken.last().map_or(self.last, |(group, ..)| *group);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(turns: impl IntoIterator<Item = Turn>) -> QueueTurns {
        QueueTurns { waiting: turns.into_iter().collect(), last: 0 }
    }

    #[test]
    fn groups_take_turns_and_items_of_one_their_due_order() {
        let mut turns = waiting([(5, 1, 1), (5, 2, 2), (5, 9, 3), (7, 9, 4), (8, 3, 5), (8, 3, 6), (0, 4, 7)]);
        assert_eq!(turns.take(4, 9), [(5, 1, 1), (8, 3, 5), (0, 4, 7), (5, 2, 2), (8, 3, 6)]);
        assert_eq!(turns.take(0, 9), []);
        assert_eq!(turns.take(9, 4), [(0, 4, 7), (5, 1, 1), (7, 9, 4), (8, 3, 5)], "behind group 8");
    }

    #[test]
    fn one_group_behind_5000_items_of_another_is_served_next() {
        let mut turns = waiting((0..5_000).map(|number| (1, 1, number)).chain([(2, 9, 5_000)]));
        assert!(turns.take(9, 8).contains(&(2, 9, 5_000)));
    }

    #[test]
    fn no_group_waits_for_more_than_one_turn_of_each_other() {
        let mut turns = waiting((0..100).flat_map(|group| (0..50).map(move |number| (group, 1, number))));
        let mut served = std::collections::BTreeMap::<u64, u64>::new();
        for _ in 0..25 {
            for turn in turns.take(1, 8) {
                assert!(turns.waiting.remove(&turn));
                *served.entry(turn.0).or_default() += 1;
            }
        }
        assert!(served.len() == 100 && served.values().all(|count| *count == 2), "{served:?}");
    }
}
