//! The limits on claims, for all processes that use the store.

use redb::{ReadableDatabase, ReadableTable, Table};

use super::{BOUNDS, Store, StoreFault};
use crate::consent::Draw;
use crate::consent::claim_bound::Spent;

type BoundsTable<'t> = Table<'t, (u64, &'static str), &'static str>;

/// How long we keep a row after the start of its period, in seconds. The longest period is a day, so the row is no longer needed then.
const KEPT_FOR: u64 = 2 * 86_400;
/// The maximum number of old rows that one write removes.
const REMOVED_AT_ONCE: usize = 16;

impl Store {
    /// Uses up one unit of a limit, if one is left. Writes only if the row changes, so that a flood beyond the limit causes no writes.
    pub(super) async fn draw(&self, period: (u64, String), draw: Draw) -> Result<bool, StoreFault> {
        let (key, asked) = (period.clone(), draw.clone());
        let known = self.on(move |opened| {
            let table = opened.database.begin_read()?.open_table(BOUNDS)?;
            Ok(parse(table.get((key.0, key.1.as_str()))?.map(|row| row.value().to_owned())))
        });
        let known = known.await?;
        let mut spent = known.clone();
        let drawn = spent.draw(&asked);
        if spent == known {
            return Ok(drawn);
        }
        self.update(period, move |spent| spent.draw(&draw)).await
    }

    /// Gives back one unit of a limit.
    pub(super) async fn give_back(&self, period: (u64, String), draw: Draw) -> Result<(), StoreFault> {
        self.update(period, move |spent| spent.give_back(&draw)).await
    }

    async fn update<T: Send + 'static>(
        &self,
        (start, key): (u64, String),
        act: impl FnOnce(&mut Spent) -> T + Send + 'static,
    ) -> Result<T, StoreFault> {
        self.change(move |change| {
            let mut table = change.write.open_table(BOUNDS)?;
            remove_old(&mut table, start)?;
            let mut spent = parse(table.get((start, key.as_str()))?.map(|row| row.value().to_owned()));
            let done = act(&mut spent);
            table.insert((start, key.as_str()), serde_json::to_string(&spent).unwrap_or_default().as_str())?;
            Ok(done)
        })
        .await
    }
}

fn parse(row: Option<String>) -> Spent {
    row.and_then(|row| serde_json::from_str(&row).ok()).unwrap_or_default()
}

fn remove_old(table: &mut BoundsTable<'_>, start: u64) -> Result<(), StoreFault> {
    for _ in 0..REMOVED_AT_ONCE {
        let oldest = table.first()?.map(|(key, _)| key.value().0);
        if oldest.is_none_or(|oldest| oldest.saturating_add(KEPT_FOR) > start) {
            break;
        }
        table.pop_first()?;
    }
    Ok(())
}
