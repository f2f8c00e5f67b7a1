//! A map that holds so many entries and lets the oldest go.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

#[derive(Debug)]
pub(crate) struct Shelf<K, V> {
    capacity: usize,
    put_so_far: u64,
    entries: HashMap<K, (u64, V)>,
    by_age: BTreeMap<u64, K>,
}

impl<K: Hash + Eq + Clone, V> Shelf<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, put_so_far: 0, entries: HashMap::new(), by_age: BTreeMap::new() }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Puts an entry, as the youngest.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        self.put_so_far += 1;
        self.by_age.insert(self.put_so_far, key.clone());
        self.entries.insert(key, (self.put_so_far, value));
        while self.entries.len() > self.capacity
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((age, _)) = self.entries.remove(key) {
            self.by_age.remove(&age);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_goes_first_and_putting_again_makes_young() {
        let mut shelf = Shelf::new(2);
        shelf.put("a", 1);
        shelf.put("b", 2);
        shelf.put("a", 3);
        shelf.put("c", 4);
        assert_eq!((shelf.get("a"), shelf.get("b"), shelf.get("c")), (Some(&3), None, Some(&4)));
        shelf.remove("a");
        shelf.put("d", 5);
        assert_eq!((shelf.get("a"), shelf.get("c"), shelf.get("d")), (None, Some(&4), Some(&5)));
        assert_eq!(shelf.by_age.len(), shelf.entries.len());
    }
}
