//! Soak tests: the real `serve` on loopback serves honest customers. At the same time, others abuse one genuine invitation, replay revoked
//! and expired links, or hold idle connections. In one test, the store was damaged before. Two tests freeze a callback process 300 times.
//!
//! `scripts/soak` runs these tests. Each test prints its figures and asserts counts and facts. Only a long run has enough measurements to
//! compare how long customers wait for `granted`, so only a long run asserts these times.

mod abuse;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::consent::{ExpectedTenant, Label, ProfileId};
use entra_consent::installation::Installation;
use entra_consent::serve::store::{Queue, Store, StoreCounts, StoredItem};
use entra_consent::token::{Invitation, Subject};
use entra_sandbox::{Change, Replication, TenantId, TenantSetup, demo};
use futures_util::future::join_all;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use self::abuse::{Abuse, ask, press};
use crate::freeze::freeze_and_thaw;
use crate::serve::webhook::{Receiver, SECRET};
use crate::support::installation::write_secret;
use crate::support::same_id;
use crate::support::service::{BASE_URL, Browser, Service};
use crate::support::stage::ticket_of;

/// The variable with the number of seconds for which a test abuses an invitation.
const SECONDS: &str = "ENTRA_CONSENT_SOAK_SECONDS";
const DAY: Duration = Duration::from_secs(86_400);
/// The maximum number of events and records about one abused link in an hour. In each span, at most a third of this number may rest on a
/// claim alone.
const MOST_EVENTS: usize = 30;
const MOST_RECORDS: usize = 150;

struct Plan {
    abuse: Duration,
    customers: usize,
    replication: Replication,
    /// Lines of `consent.toml`.
    schedule: &'static str,
    /// How long a customer may wait for `granted`. After this time, the run assumes that the customer never sees `granted`.
    patience: Duration,
    is_long: bool,
}

impl Plan {
    fn read() -> Self {
        let seconds = std::env::var(SECONDS).map_or(8, |seconds| seconds.parse().unwrap());
        let abuse = Duration::from_secs(seconds);
        if seconds < 60 {
            let replication = Replication { service_principal: 1, roles: 3, graph: 2, flapping: 0 };
            let schedule = r#"worker.schedule = ["1s", "3s", "6s", "10s", "15s", "30s"]"#;
            Self { abuse, customers: 2, replication, schedule, patience: Duration::from_secs(120), is_long: false }
        } else {
            let replication = Replication { service_principal: 5, roles: 15, graph: 10, flapping: 0 };
            Self { abuse, customers: 5, replication, schedule: "", patience: Duration::from_secs(600), is_long: true }
        }
    }
}

/// An honest customer whose administrator has approved.
struct Customer {
    invitation: String,
    ticket: String,
    called_back: OffsetDateTime,
}

struct Soak {
    plan: Plan,
    service: Service,
    receiver: Receiver,
    installation: Installation,
    records: RefCell<(File, String, Vec<Value>)>,
}

impl Soak {
    async fn new() -> Self {
        let (plan, service, receiver) = (Plan::read(), Service::new(), Receiver::start([]).await);
        write_secret(&service.file("webhook.txt"), SECRET);
        let hook = format!("webhook.url = \"{}/hook\"\nwebhook.secret = {{ file = \"webhook.txt\" }}", receiver.base);
        service.configure(&format!("store.path = \"soak.redb\"\n{hook}\n{}", plan.schedule));
        let records = File::options().create(true).append(true).read(true).open(service.file("records.jsonl")).unwrap();
        let installation = service.site_behind(Duration::ZERO);
        Self { plan, service, receiver, installation, records: RefCell::new((records, String::new(), Vec::new())) }
    }

    async fn started() -> Self {
        let mut soak = Self::new().await;
        soak.service.start();
        soak
    }

    fn server(&self) -> SocketAddr {
        self.service.process().1
    }

    /// The number of records so far.
    fn read_records(&self) -> usize {
        let (file, rest, records) = &mut *self.records.borrow_mut();
        file.read_to_string(rest).unwrap();
        let whole = rest.rfind('\n').map_or(0, |end| end + 1);
        records.extend(rest.drain(..whole).as_str().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        records.len()
    }

    /// All records except the first `from` ones.
    fn records(&self, from: usize) -> Vec<Value> {
        self.read_records();
        self.records.borrow().2[from..].to_vec()
    }

    fn is_granted(&self, invitation: &str) -> Option<OffsetDateTime> {
        self.read_records();
        let records = &self.records.borrow().2;
        records.iter().find(|record| record["event"] == "concluded" && is_grant(record) && record["invitation"] == *invitation).map(moment)
    }

    async fn invitation(&self, tenant: TenantId) -> (String, String) {
        let tenant = ExpectedTenant::Tenant(same_id(tenant));
        let subject = Subject::App(ProfileId::parse("mail-backup").unwrap());
        let (id, address) = self.installation.invitation(subject, tenant, Label::parse("Soak").ok(), None, 30 * DAY).await.unwrap();
        (id.to_string(), address)
    }

    /// Acts as an administrator who has pressed the button: approves at Microsoft and comes back to the result page.
    async fn approve(&self, browser: &Browser<'_>, link: &str, tenant: TenantId, invitation: &str) -> Customer {
        let called_back = OffsetDateTime::now_utc();
        let page = browser.decide(link, tenant, "accept").await;
        assert!(page.status.is_success() && ["granted", "pending"].contains(&&*page.outcome()), "{}: {}", page.status, page.outcome());
        Customer { invitation: invitation.into(), ticket: ticket_id(link), called_back }
    }

    async fn customer(&self) -> Customer {
        let tenant: TenantId = same_id(Uuid::new_v4());
        let setup = TenantSetup::new(tenant, "An honest customer", &format!("t{tenant}.example"));
        let setup = TenantSetup { replication: self.plan.replication, ..setup };
        self.service.control.apply(Change::AddTenant(Box::new(setup))).unwrap();
        let (invitation, address) = self.invitation(tenant).await;
        let browser = self.service.browser();
        let link = browser.press(&address, "mail-backup").await;
        self.approve(&browser, &link, tenant, &invitation).await
    }

    /// Runs honest customers who approve at the same time. Prints and returns how long each customer waited for `granted`, in seconds.
    async fn customers(&self, name: &str) -> (Vec<Customer>, Vec<f64>) {
        let customers = join_all((0..self.plan.customers).map(|_| self.customer())).await;
        self.all_granted(&customers).await;
        let waited = |at: OffsetDateTime, customer: &Customer| (at - customer.called_back).as_seconds_f64();
        let granted: Vec<_> = customers.iter().map(|customer| waited(self.is_granted(&customer.invitation).unwrap(), customer)).collect();
        let posted = |customer: &Customer| {
            let posts = self.receiver.posts();
            let grant = posts.iter().find(|post| {
                let data = &post.json()["data"];
                is_grant(data) && data["correlation"]["invitation"] == customer.invitation
            });
            grant.map(|post| waited(post.at, customer))
        };
        self.until("each customer's granted event", || customers.iter().all(|customer| posted(customer).is_some())).await;
        let events = customers.iter().map(|customer| posted(customer).unwrap());
        figure(&format!("{name}: callback to granted, s"), seconds(granted.iter().copied()));
        figure(&format!("{name}: callback to the webhook's granted event, s"), seconds(events));
        (customers, granted)
    }

    async fn all_granted(&self, customers: &[Customer]) {
        self.until("granted", || customers.iter().all(|customer| self.is_granted(&customer.invitation).is_some())).await;
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..self.plan.patience.as_millis() / 200 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("never within {} s: {what}", self.plan.patience.as_secs());
    }

    async fn store(&self) -> Store {
        Store::open(&self.service.file("soak.redb")).await.unwrap()
    }

    async fn counts(&self) -> StoreCounts {
        self.store().await.counts().await.unwrap()
    }

    /// The JSON of all events that the webhook received.
    fn events(&self) -> Vec<Value> {
        self.receiver.posts().iter().map(|post| post.json()["data"].clone()).collect()
    }
}

/// The id of the ticket in an address at Microsoft.
fn ticket_id(link: &str) -> String {
    let ticket = ticket_of(&link.parse().unwrap());
    let claims = URL_SAFE_NO_PAD.decode(ticket.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["jti"].as_str().unwrap().to_owned()
}

/// Prints a row of the table of figures.
fn figure(name: &str, value: impl std::fmt::Display) {
    println!("{name:<66} | {value}");
}

fn is_grant(line: &Value) -> bool {
    line["outcome"]["after"] == "granted"
}

fn moment(line: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(line["at"].as_str().unwrap(), &Rfc3339).unwrap()
}

fn seconds(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(" ")
}

fn rate(count: u64, lasted: Duration) -> String {
    format!("{count} in {:.0} s, {:.0} a second", lasted.as_secs_f64(), count as f64 / lasted.as_secs_f64())
}

/// Returns the largest number of lines in one hour, and the largest number of lines in one span that rest on a claim alone. A line that
/// shows an approval does not rest on a claim, because no claim makes Microsoft show an approval.
fn most_of(name: &str, lines: &[&Value]) -> [usize; 2] {
    let most = |lines: &mut dyn Iterator<Item = &&Value>, span| {
        let mut spans = BTreeMap::<i64, usize>::new();
        lines.for_each(|line| *spans.entry(moment(line).unix_timestamp() / span).or_default() += 1);
        spans.into_values().max().unwrap_or(0)
    };
    let most = [most(&mut lines.iter(), 3_600), most(&mut lines.iter().filter(|line| !is_grant(line)), 1_200)];
    figure(&format!("most {name} in an hour, and by claims alone in 20 minutes"), format!("{} {}", most[0], most[1]));
    most
}

/// Counts the lines by name.
fn by<'l>(lines: impl Iterator<Item = &'l Value>, name: impl Fn(&Value) -> &Value) -> String {
    let mut names = BTreeMap::<String, usize>::new();
    for line in lines {
        *names.entry(name(line).as_str().unwrap_or("-").to_owned()).or_default() += 1;
    }
    names.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// Measures the descriptors and the resident kilobytes of a process ten times a second, until `stop` is set.
fn sample(process: u32, stop: &AtomicBool) -> Vec<[usize; 2]> {
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        samples.push([std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(), resident.unwrap()]);
        std::thread::sleep(Duration::from_millis(100));
    }
    samples
}

/// The largest values in the first and in the last quarter of the samples.
fn quarters(samples: &[[usize; 2]], which: usize) -> (usize, usize) {
    let quarter = samples.len() / 4;
    let most = |samples: &[[usize; 2]]| samples.iter().map(|sample| sample[which]).max().unwrap();
    (most(&samples[..quarter]), most(&samples[samples.len() - quarter..]))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/soak runs it"]
async fn one_abused_invitation_harms_no_other_customer() {
    let soak = Soak::started().await;
    let (mut honest, calm) = if soak.plan.is_long { soak.customers("undisturbed").await } else { Default::default() };

    let (abused, address) = soak.invitation(demo::CONTOSO).await;
    let control = &soak.service.control;
    control.apply(Change::SetReplication { tenant: demo::CONTOSO, replication: soak.plan.replication }).unwrap();
    let abuse = Abuse::start(soak.server(), address.strip_prefix(BASE_URL).unwrap(), &[]);
    let (process, stop) = (soak.service.process().0, std::sync::Arc::<AtomicBool>::default());
    let sampler = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || sample(process, &stop)
    });
    let customers = async {
        let (started, mut disturbed) = (Instant::now(), Vec::new());
        while disturbed.is_empty() || started.elapsed() < soak.plan.abuse {
            let (customers, waited) = soak.customers("during the abuse").await;
            honest.extend(customers);
            disturbed.extend(waited);
        }
        disturbed
    };
    // A second and a third administrator use the same link. Both press the button before one of them approves.
    let colleagues = async {
        tokio::time::sleep(soak.plan.abuse * 3 / 4).await;
        let browsers = [soak.service.browser(), soak.service.browser()];
        let links = join_all(browsers.iter().map(|browser| browser.press(&address, "mail-backup"))).await;
        let approvals = browsers.iter().zip(&links).map(|(browser, link)| soak.approve(browser, link, demo::CONTOSO, &abused));
        let approved = join_all(approvals).await;
        soak.all_granted(&approved).await;
        approved
    };
    let (disturbed, colleagues) = tokio::join!(customers, colleagues);
    stop.store(true, Ordering::Relaxed);
    let samples = sampler.join().unwrap();
    let (deeds, lasted) = abuse.stop();

    let waited = soak.is_granted(&abused).unwrap() - colleagues[0].called_back;
    figure("second administrator of the abused link: callback to granted, s", seconds([waited.as_seconds_f64()].into_iter()));
    let of_honest = |invitation: &Value, ticket: &Value| {
        honest.iter().any(|customer| *invitation == customer.invitation) || colleagues.iter().any(|colleague| *ticket == colleague.ticket)
    };
    let (records, events) = (soak.records(0), soak.events());
    let records: Vec<_> = records.iter().filter(|record| !of_honest(&record["invitation"], &record["ticket"])).collect();
    let of_honest = |event: &Value| of_honest(&event["correlation"]["invitation"], &event["correlation"]["ticket"]);
    let events: Vec<_> = events.iter().filter(|event| !of_honest(event)).collect();
    figure("abuser: requests", rate(deeds.requests, lasted));
    figure("abuser: callbacks", rate(deeds.callbacks, lasted));
    figure("abuser: tickets", deeds.tickets);
    figure("abuser: answers by status", format!("{:?}", deeds.statuses));
    figure("abuser: records", by(records.iter().copied(), |record| &record["event"]));
    let concluded = records.iter().copied().filter(|record| record["event"] == "concluded");
    figure("abuser: concluded, by outcome", by(concluded, |record| &record["outcome"]["after"]));
    figure("abuser: events", by(events.iter().copied(), |event| &event["severity"]));
    figure("abuser: events by outcome", by(events.iter().copied(), |event| &event["outcome"]["after"]));
    let calls = soak.service.control.requests();
    let calls = calls.iter().filter(|call| call.kind.is_upstream() && call.tenant == Some(demo::CONTOSO)).count();
    figure("calls to Microsoft about the abused tenant", calls);
    let most = [most_of("records", &records), most_of("events", &events)];
    let (descriptors, resident) = (quarters(&samples, 0), quarters(&samples, 1));
    figure("descriptors, first and last quarter", format!("{} {}", descriptors.0, descriptors.1));
    figure("resident KB, first and last quarter", format!("{} {}", resident.0, resident.1));
    let worst = [&calm, &disturbed].map(|waited| waited.iter().copied().fold(0.0, f64::max));
    if soak.plan.is_long {
        figure("longest wait for granted, ratio", format!("{:.2}", worst[1] / worst[0]));
    }

    assert_eq!(deeds.faults(), 0, "each visitor gets a page");
    for (most, bound) in most.into_iter().zip([MOST_RECORDS, MOST_EVENTS]) {
        assert!(most[0] <= bound && most[1] <= bound / 3, "{most:?} of {bound}");
    }
    assert!(descriptors.1 <= descriptors.0 + 16, "descriptors grow");
    assert!(resident.1 <= resident.0 + resident.0 / 4 + 8_192, "memory grows");
    assert!(!soak.plan.is_long || worst[1] <= 2.0 * worst[0] + 15.0, "honest customers wait: {worst:?} s");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/soak runs it"]
async fn revoked_and_expired_invitations_are_quiet() {
    let mut soak = Soak::started().await;
    let (revoked, address) = soak.invitation(demo::CONTOSO).await;
    let path = address.strip_prefix(BASE_URL).unwrap();
    let mut tickets: Vec<_> = (0..100).map(|_| press(soak.server(), path, None).unwrap().1.unwrap()).collect();
    // The tickets of the expired invitation expired 3 days ago.
    let past = soak.service.site_behind(3 * DAY + Duration::from_secs(7_200));
    let tenant = ExpectedTenant::Tenant(same_id(demo::FABRIKAM));
    let now = past.clock.now_unix();
    let invitation = Invitation {
        id: past.new_id(),
        issued_at: now - 86_400,
        expires_at: now + 7_200,
        subject: Subject::App(ProfileId::parse("mail-backup").unwrap()),
        tenant,
        label: Label::parse("Soak").ok(),
        reference: None,
    };
    let app = past.config.apps.iter().find(|app| app.profile.id.as_str() == "mail-backup").unwrap();
    for _ in 0..100 {
        let expectation = invitation.expectation(app.profile.id.clone());
        let (_, link) = past.direct_link(app, expectation, Duration::from_secs(7_200)).await.unwrap();
        tickets.push(link.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned());
    }
    soak.service.stop();
    let orders = soak.counts().await.orders;
    soak.service.configure(&format!("links.revoked = [\"{revoked}\"]"));

    let ids = [revoked, invitation.id.to_string()];
    let (mut posted, mut loud) = (BTreeSet::new(), Vec::new());
    for process in ["first", "second"] {
        soak.service.start();
        let (from, events_before) = (soak.read_records(), soak.events().len());
        let abuse = Abuse::start(soak.server(), path, &tickets);
        tokio::time::sleep(soak.plan.abuse / 4).await;
        let (deeds, lasted) = abuse.stop();
        let of = |event: &Value, id: &str| event["correlation"]["invitation"] == *id;
        soak.until("an event of each", || ids.iter().all(|id| soak.events()[events_before..].iter().any(|event| of(event, id)))).await;
        soak.service.stop();
        let counts = soak.counts().await;
        figure(&format!("{process} process: callbacks"), rate(deeds.callbacks, lasted));
        figure(&format!("{process} process: answers by status"), format!("{:?}", deeds.statuses));
        let (records, events) = (soak.records(from), &soak.events()[events_before..]);
        for (name, id) in ["revoked", "expired"].into_iter().zip(&ids) {
            let name = format!("{process} process, {name}");
            let records: Vec<_> = records.iter().filter(|record| record["invitation"] == **id).collect();
            let events: Vec<_> = events.iter().filter(|event| of(event, id)).collect();
            figure(&format!("{name}: records"), by(records.iter().copied(), |record| &record["event"]));
            // The worker records the order of a press before the revocation as well.
            let is_visit = |record: &&Value| record["event"] == "rejected" && record["message"].is_null();
            let (rejected, sends): (Vec<_>, Vec<_>) = records.into_iter().partition(is_visit);
            let sends = sends.into_iter().filter(|record| record["event"] == "dispatched");
            figure(&format!("{name}: fate of the event"), by(sends.clone(), |record| &record["sends"]["event"]));
            let ids: BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
            figure(&format!("{name}: posts, and their ids"), format!("{} {}", events.len(), ids.len()));
            let days: BTreeSet<_> = rejected.iter().map(|record| moment(record).date()).collect();
            if rejected.len() != days.len() || ids.len() > days.len() || sends.clone().any(|record| record["sends"]["order"] == "sent") {
                loud.push(name);
            }
            posted.extend(ids);
        }
        figure(&format!("{process} process: waiting, and orders before"), format!("{counts:?}, {orders}"));
        assert_eq!((counts.orders.saturating_sub(orders), deeds.faults()), (0, 0), "no order, and a page for each visitor");
    }
    figure("ids of the events of both processes", posted.len());
    assert!(loud.is_empty(), "{loud:?}");
    assert_eq!(posted.len(), 2, "one id for each invitation and day");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/soak runs it"]
async fn idle_and_half_sent_connections_keep_no_page_from_answering() {
    let soak = Soak::started().await;
    let (_, address) = soak.invitation(demo::CONTOSO).await;
    let page = format!("GET {}", address.strip_prefix(BASE_URL).unwrap());
    let half_body = "POST /callback HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\nsta";
    let mut silent = Vec::new();
    for text in ["", "GET /health HTTP/1.1\r\nHos", half_body].into_iter().cycle().take(600) {
        silent.push(TcpStream::connect(soak.server()).unwrap());
        silent.last_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
    let pages = (0..50).filter(|_| ask(soak.server(), &page, None, "").is_ok_and(|answer| answer.status == 200)).count();
    figure("connections without a request", silent.len());
    figure("pages of 50 that answered", pages);
    assert_eq!(pages, 50);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "scripts/soak runs it"]
async fn a_damaged_store_is_named_and_customers_are_served() {
    const ROWS: u64 = 400;
    let mut soak = Soak::new().await;
    {
        let store = soak.store().await;
        let due = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap() * 1_000 + 86_400_000;
        for row in 0..ROWS {
            let item = StoredItem {
                id: format!("row-{row}"),
                body: format!("[\"{}\"]", format!("a soaked row {row} ").repeat(80)),
                failures: 0,
                since: 0,
            };
            store.put(Queue::Deliveries, due, item).await.unwrap();
        }
    }
    soak.service.start();
    let health = |soak: &Soak| ask(soak.server(), "GET /health", None, "").unwrap().body;
    figure("health before", health(&soak));
    soak.service.stop();
    figure("rows before", soak.counts().await.deliveries);

    // Most of a store's file is free space, so we damage the middle of the part that has content.
    let path = soak.service.file("soak.redb");
    let content = std::fs::read(&path).unwrap();
    let used: Vec<_> = content.windows(13).enumerate().filter(|(_, window)| window == b"a soaked row ").map(|(at, _)| at).collect();
    let middle = used[used.len() / 2];
    let random: Vec<u8> = (0..25).flat_map(|_| *Uuid::new_v4().as_bytes()).collect();
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(middle.try_into().unwrap())).unwrap();
    file.write_all(&random).unwrap();
    drop(file);
    figure("bytes of the file, and where the damage is", format!("{} {middle}", content.len()));

    soak.service.start();
    let said = health(&soak);
    figure("health after", &said);
    soak.customers("with the damaged store").await;
    soak.service.stop();
    figure("rows after", soak.counts().await.deliveries);
    assert!(said.contains(r#""store":"damaged""#), "{said}");
}

#[test]
#[ignore = "scripts/soak runs it"]
fn three_hundred_freezes_lose_at_most_three_orders_or_events() {
    freeze_and_thaw(true, 300);
}

#[test]
#[ignore = "scripts/soak runs it"]
fn three_hundred_freezes_with_another_clock_lose_at_most_three() {
    freeze_and_thaw(false, 300);
}
