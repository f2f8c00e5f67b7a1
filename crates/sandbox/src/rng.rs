//! Pseudorandom numbers from the scenario's seed, so that a run can be repeated with the same ids and the same order.

use uuid::Uuid;

/// Splitmix64, for ids, trace ids and the order of batch answers, none of which is a secret.
#[derive(Debug, Clone)]
pub(super) struct SeededRng(u64);

impl SeededRng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let bytes = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
    }

    /// Sattolo's shuffle moves every element. So a client that relies on the order always fails.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        let length = list.len();
        for at in (1..length).rev() {
            let below = usize::try_from(self.next() % (at as u64)).unwrap_or(0);
            list.swap(at, below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffled_list_never_keeps_its_order() {
        let mut rng = SeededRng::new(1);
        for length in 2..8 {
            for _ in 0..50 {
                let sorted: Vec<usize> = (0..length).collect();
                let mut list = sorted.clone();
                rng.shuffle(&mut list);
                assert_ne!(list, sorted);
                list.sort_unstable();
                assert_eq!(list, sorted);
            }
        }
    }
}
