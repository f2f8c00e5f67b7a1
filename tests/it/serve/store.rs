//! The store: acknowledged writes are on disk, only one process can open it, and the program reports a file that is not a store.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use entra_consent::serve::store::{Queue, Store, StoreCounts, StoreError, StoreFault, StoredItem};

/// A temporary folder that is deleted on drop.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("store-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("entra-consent.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn item(body: &str) -> StoredItem {
    StoredItem { id: "e1".into(), body: body.into(), failures: 0, since: 1 }
}

#[tokio::test]
async fn what_was_kept_is_there_again_and_due_in_the_order_of_its_time() {
    let folder = Folder::new();
    {
        let store = Store::open(&folder.store()).await.unwrap();
        for (due, body) in [(300, "later"), (100, "first"), (200, "second")] {
            store.put(Queue::Orders, due, item(body)).await.unwrap();
        }
        store.put(Queue::Deliveries, 100, item("an event")).await.unwrap();
    }
    let store = Store::open(&folder.store()).await.unwrap();
    let taken = store.due(Queue::Orders, 250, 10).await.unwrap();
    let bodies: Vec<_> = taken.iter().map(|(_, item)| item.body.as_str()).collect();
    assert_eq!(bodies, ["first", "second"]);
    assert_eq!(store.due(Queue::Orders, 99, 10).await.unwrap(), []);
    assert_eq!(store.due(Queue::Orders, 250, 1).await.unwrap().len(), 1);
    assert_eq!(store.counts().await.unwrap(), StoreCounts { orders: 3, deliveries: 1, dead: 0 });
}

#[tokio::test]
async fn many_due_items_of_one_tenant_delay_no_other() {
    let folder = Folder::new();
    let event = |tenant: &str| serde_json::json!({ "type": "consent.outcome", "data": { "tenant": { "id": tenant } } }).to_string();
    let of = |queue, tenant: &str| match queue {
        Queue::Orders => StoredItem { id: tenant.into(), ..item("an order") },
        Queue::Deliveries => item(&event(tenant)),
    };
    let store = Store::open(&folder.store()).await.unwrap();
    {
        let busy = store.clone();
        let puts = [Queue::Orders, Queue::Deliveries].into_iter().flat_map(|queue| (0..60).map(move |due| (queue, due)));
        futures_util::future::join_all(puts.map(|(queue, due)| {
            let (busy, item) = (busy.clone(), of(queue, "busy"));
            async move { busy.put(queue, due, item).await.unwrap() }
        }))
        .await;
    }
    for queue in [Queue::Orders, Queue::Deliveries] {
        store.put(queue, 100, of(queue, "quiet")).await.unwrap();
    }
    let bodies_and_ids = |due: Vec<(_, StoredItem)>| due.into_iter().map(|(_, item)| (item.id, item.body)).collect::<Vec<_>>();
    // The turns are the same from memory and, after a restart, from the file.
    let next = |store: Store| async move {
        for queue in [Queue::Orders, Queue::Deliveries] {
            let quiet = of(queue, "quiet");
            let (early, due) = (store.due(queue, 99, 2).await.unwrap(), store.due(queue, 100, 4).await.unwrap());
            assert!(!bodies_and_ids(early).contains(&(quiet.id.clone(), quiet.body.clone())), "it is not due");
            assert_eq!(due.len(), 4);
            assert!(bodies_and_ids(due).contains(&(quiet.id, quiet.body)));
        }
    };
    next(store.clone()).await;
    drop(store);
    let store = Store::open(&folder.store()).await.unwrap();
    next(store.clone()).await;
    // What is put off or revived keeps its tenant.
    let (slot, quiet) = store.due(Queue::Orders, 100, 60).await.unwrap().into_iter().find(|(_, item)| item.id == "quiet").unwrap();
    store.put_off(slot, 200, quiet.clone()).await.unwrap();
    let (slot, _) = store.due(Queue::Orders, 200, 2).await.unwrap().into_iter().find(|(_, item)| item.id == "quiet").unwrap();
    store.give_up(slot, quiet, 200, "failed").await.unwrap();
    assert_eq!(store.dead_letters(1).await.unwrap()[0].message_id(), format!("store-{}", slot.number));
    store.revive(300).await.unwrap();
    assert!(store.due(Queue::Orders, 300, 2).await.unwrap().iter().any(|(_, item)| item.id == "quiet"));
}

#[tokio::test]
async fn what_is_put_off_done_or_given_up_leaves_its_place() {
    let store = Store::in_memory().unwrap();
    for due in [1, 2, 3] {
        store.put(Queue::Deliveries, due, item(&format!("body {due}"))).await.unwrap();
    }
    let due = store.due(Queue::Deliveries, 10, 10).await.unwrap();
    let [(first, _), (second, _), (third, _)] = [due[0].clone(), due[1].clone(), due[2].clone()];
    store.done(first).await.unwrap();
    store.put_off(second, 50, StoredItem { failures: 1, ..item("body 2") }).await.unwrap();
    store.give_up(third, StoredItem { failures: 10, ..item("body 3") }, 11, "HTTP 500").await.unwrap();
    assert_eq!(store.counts().await.unwrap(), StoreCounts { orders: 0, deliveries: 1, dead: 1 });
    let waiting = store.due(Queue::Deliveries, 50, 10).await.unwrap();
    assert_eq!((waiting[0].1.failures, waiting[0].0.number), (1, second.number));
    let dead = store.dead_letters(10).await.unwrap();
    assert_eq!((dead[0].kind.as_str(), dead[0].failures, dead[0].why.as_str()), ("delivery", 10, "HTTP 500"));

    assert_eq!(store.revive(20).await.unwrap(), 1);
    let revived = store.due(Queue::Deliveries, 20, 10).await.unwrap();
    assert_eq!((revived[0].1.failures, revived[0].1.body.as_str(), revived[0].1.id.as_str()), (0, "body 3", "e1"));
    assert_eq!(store.counts().await.unwrap().dead, 0);
}

#[tokio::test]
async fn what_is_larger_than_anything_genuine_is_not_taken() {
    let store = Store::in_memory().unwrap();
    let large = item(&"x".repeat(256 * 1024 + 1));
    assert_eq!(store.put(Queue::Orders, 1, large).await, Err(StoreFault::TooLarge));
    assert_eq!(store.counts().await.unwrap().orders, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let _store = Store::open(&folder.store()).await.unwrap();
    assert_eq!(std::fs::metadata(folder.store()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_store_is_open_once() {
    let folder = Folder::new();
    let _store = Store::open(&folder.store()).await.unwrap();
    let error = Store::open(&folder.store()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    assert!(error.to_string().contains(&folder.store().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_foreign_file_is_reported_and_left_unchanged() {
    let folder = Folder::new();
    {
        let store = Store::open(&folder.store()).await.unwrap();
        for due in 0..50 {
            store.put(Queue::Orders, due, item(&"an order ".repeat(500))).await.unwrap();
        }
    }
    let whole = std::fs::read(folder.store()).unwrap();
    for (name, content) in [("garbage", b"not a store at all".repeat(500)), ("short garbage", b"x".to_vec())] {
        std::fs::write(folder.store(), &content).unwrap();
        let error = Store::open(&folder.store()).await.unwrap_err().to_string();
        assert!(error.contains("is damaged or is no store") && error.contains("move the file away"), "{name}: {error}");
        assert_eq!(std::fs::read(folder.store()).unwrap(), content, "{name}");
    }
    std::fs::write(folder.store(), &whole).unwrap();
    assert_eq!(Store::open(&folder.store()).await.unwrap().counts().await.unwrap().orders, 50);
}

/// A store with 300 orders, and its bytes.
async fn filled(folder: &Folder) -> Vec<u8> {
    let store = Store::open(&folder.store()).await.unwrap();
    for due in 0..300 {
        store.put(Queue::Orders, due, item(&format!("order {due} ").repeat(100))).await.unwrap();
    }
    drop(store);
    std::fs::read(folder.store()).unwrap()
}

#[tokio::test]
async fn what_a_damaged_file_has_is_exported_and_the_store_works() {
    let folder = Folder::new();
    let whole = filled(&folder).await;
    let flipped = |from: usize, until: usize| {
        let mut content = whole.clone();
        content[from..until].iter_mut().for_each(|byte| *byte ^= 0xa5);
        content
    };
    let first = whole.windows(11).position(|window| window == b"order 150 o").unwrap();
    for (name, content, readable) in [
        ("one page", flipped(first, first + 100), 250..300),
        ("all pages", flipped(4096, whole.len()), 0..1),
        ("cut after 10 %", whole[..whole.len() / 10].to_vec(), 0..300),
        ("cut in the middle", whole[..whole.len() / 2].to_vec(), 0..300),
        ("cut within a page", whole[..whole.len() / 3 * 2 + 17].to_vec(), 0..300),
        // Their index is before the cut.
        ("cut after 90 %", whole[..whole.len() / 10 * 9].to_vec(), 250..300),
        ("without its last page", whole[..whole.len() - 4096].to_vec(), 299..301),
        ("truncated header", whole[..100].to_vec(), 0..1),
    ] {
        std::fs::write(folder.store(), &content).unwrap();
        let store = Store::open(&folder.store()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = usize::try_from(store.counts().await.unwrap().orders).unwrap();
        assert!(readable.contains(&read) && store.was_damaged(), "{name}: {read}");
        store.put(Queue::Orders, 1_000, item("new")).await.unwrap();
        let due = store.due(Queue::Orders, 1_000, 1_000).await.unwrap();
        assert_eq!(due.len(), read + 1, "{name}");
        drop(store);
        assert!(!Store::open(&folder.store()).await.unwrap().was_damaged(), "{name}");
    }
    let kept =
        std::fs::read_dir(&folder.0).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().contains("damaged-"));
    assert_eq!(kept.count(), 8);
}

#[tokio::test]
async fn a_store_that_is_damaged_while_it_runs_goes_on_with_what_is_readable() {
    use std::io::{Seek as _, Write as _};
    let folder = Folder::new();
    let whole = filled(&folder).await;
    let store = Store::open(&folder.store()).await.unwrap();
    let mut file = std::fs::File::options().write(true).open(folder.store()).unwrap();
    file.seek(std::io::SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0x5a; whole.len() - 4096]).unwrap();
    let mut failures = 0;
    while let Err(fault) = store.put(Queue::Orders, 1_000, item(&"new ".repeat(50_000))).await {
        failures += 1;
        assert!(failures < 3, "{fault}");
    }
    for _ in 0..20 {
        let _ = store.due(Queue::Orders, 1_000, 1_000).await;
    }
    drop(store);
    let store = Store::open(&folder.store()).await.unwrap();
    store.put(Queue::Orders, 1_000, item("after")).await.unwrap();
}

#[tokio::test]
async fn a_store_that_a_later_version_made_is_left_to_it() {
    let folder = Folder::new();
    drop(Store::open(&folder.store()).await.unwrap());
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    {
        let database = redb::Database::create(folder.store()).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(meta).unwrap().insert("schema", 2).unwrap();
        write.commit().unwrap();
    }
    let error = Store::open(&folder.store()).await.unwrap_err();
    assert!(matches!(error, StoreError::Later(_)), "{error}");
}

#[tokio::test]
async fn a_foreign_database_is_never_written() {
    let folder = Folder::new();
    for table in ["accounts", "orders"] {
        let table = redb::TableDefinition::<&str, u64>::new(table);
        let database = redb::Database::create(folder.store()).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(table).unwrap().insert("anna", 1).unwrap();
        write.commit().unwrap();
        drop(database);
        let error = Store::open(&folder.store()).await.unwrap_err().to_string();
        assert!(error.contains("of another program"), "{error}");
        let database = redb::Database::open(folder.store()).unwrap();
        let tables = redb::ReadableDatabase::begin_read(&database).unwrap().list_tables().unwrap().count();
        assert_eq!(tables, 1);
        drop(database);
        std::fs::remove_file(folder.store()).unwrap();
    }
}

#[tokio::test]
async fn a_half_created_store_is_created_again() {
    let folder = Folder::new();
    for length in [1, 4096, 1024 * 1024] {
        std::fs::write(folder.store(), vec![0; length]).unwrap();
        let store = Store::open(&folder.store()).await.unwrap();
        store.put(Queue::Orders, 1, item("order")).await.unwrap();
        drop(store);
        std::fs::remove_file(folder.store()).unwrap();
    }
    // The file has content after the header, so the store refuses to overwrite it.
    let mut content = vec![0; 8192];
    content[5000] = 1;
    std::fs::write(folder.store(), &content).unwrap();
    assert!(matches!(Store::open(&folder.store()).await, Err(StoreError::Damaged(..))));
}

#[tokio::test]
async fn a_store_that_cannot_be_made_says_what_to_do() {
    let folder = Folder::new();
    let error = Store::open(&folder.0.join("nowhere").join("x.redb")).await.unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("Make its folder"), "{error}");
    let error = Store::open(&folder.0).await.unwrap_err().to_string();
    assert!(error.contains("cannot be opened or made"), "{error}");
}
