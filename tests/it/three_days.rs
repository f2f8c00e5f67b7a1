//! Three days of a managed service provider with 300 customers: each command of docs/five-hundred-customers.md, typed as the page has it,
//! with administrators of ten habits. libfaketime moves the clock of the real program.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use entra_sandbox::{
    Change, GrantSetup, PartnerCustomer, PermissionSet, Replication, ReviewDecision, TenantId, TenantSetup, UserRole, UserSetup, demo,
};

use super::support::service::Service;
use super::support::stage::READER;
use super::support::terminal::Told;

const GUIDE: &str = include_str!("../../docs/five-hundred-customers.md");
const CUSTOMERS: u32 = 300;
/// Customers who approved long ago, and then customers who granted the partner a role that can approve.
const APPROVED: u32 = 24;
const BY_GDAP: u32 = 60;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Habit {
    Accepts,
    /// Microsoft shows the approval late.
    AcceptsWithLag,
    /// Declines, and accepts after the first reminder.
    DeclinesFirst,
    /// Signs in with an account of another organisation, then with the right one.
    WrongAccountFirst,
    /// Only looks, and accepts after the second reminder.
    LooksFirst,
    Never,
    /// Approves in the portal the next day, without the link.
    InThePortal,
    /// A user requests approval, and a reviewer approves the next day.
    RequestsApproval,
    /// Accepts, and disables the app on the third day.
    Disables,
}

fn habit(number: u32) -> Habit {
    use Habit::{Accepts, AcceptsWithLag, DeclinesFirst, Disables, InThePortal, LooksFirst, Never, RequestsApproval, WrongAccountFirst};
    [Accepts, Accepts, AcceptsWithLag, DeclinesFirst, WrongAccountFirst, LooksFirst, Never, InThePortal, RequestsApproval, Disables]
        [number as usize % 10]
}

fn tenant(number: u32) -> TenantId {
    TenantId::from_u128(0x3333_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

/// Northwind with 300 customers.
fn service() -> Service {
    let customer = |number: u32| {
        let lag = Replication { service_principal: 60, roles: 180, graph: 120, flapping: 0 };
        let person = |name: &str, role| UserSetup { id: None, name: name.into(), upn: format!("{name}@c{number}.example"), role };
        TenantSetup {
            users: vec![person("admin", UserRole::Administrator), person("user", UserRole::User)],
            replication: if habit(number) == Habit::AcceptsWithLag { lag } else { Replication::default() },
            granted: (0..APPROVED)
                .filter(|one| *one == number)
                .map(|_| GrantSetup { app: demo::APP, permissions: None, enabled: true })
                .collect(),
            ..TenantSetup::new(tenant(number), &format!("Customer {number}"), &format!("c{number}.example"))
        }
    };
    let listed = |number: u32| PartnerCustomer {
        gdap_roles: if (APPROVED..APPROVED + BY_GDAP).contains(&number) {
            vec!["e8611ab8-c189-46e8-94e1-60213ab1f814".into()]
        } else {
            Vec::new()
        },
        ..PartnerCustomer::new(tenant(number), &format!("Customer {number}"), &format!("c{number}.example"))
    };
    let service = Service::with(|scenario| {
        let home = scenario.tenants.iter_mut().find(|tenant| tenant.id == demo::HOME).unwrap();
        home.customers = (0..CUSTOMERS).map(listed).collect();
        let rights = PermissionSet::graph(&["Directory.Read.All", "DelegatedAdminRelationship.Read.All"], &[]);
        home.granted.push(GrantSetup { app: READER, permissions: Some(vec![rights]), enabled: true });
        scenario.tenants.extend((0..CUSTOMERS).map(customer));
    });
    let config = std::fs::read_to_string(service.file("consent.toml")).unwrap();
    let config = config.replace("mail-backup\"", "user-sync\"").replace("[keys]", &format!("home_tenant = \"{}\"\n[keys]", demo::HOME));
    std::fs::write(service.file("consent.toml"), format!("[store]\npath = \"entra-consent.redb\"\n{config}")).unwrap();
    service
}

struct Walk {
    service: Service,
    /// The command lines so far.
    walked: Vec<String>,
    mails: usize,
}

impl Walk {
    fn run(&mut self, line: &str, status: i32) -> Told {
        let told = self.service.shell(line);
        assert_eq!(told.status, status, "{line}: {told:?}");
        self.walked.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        told
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.service.file(file)).unwrap()
    }

    fn rows(&self, file: &str) -> Vec<BTreeMap<String, String>> {
        let text = self.read(file);
        csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes()).deserialize().map(Result::unwrap).collect()
    }

    /// Counts the mails in a folder, and returns the customers that they are for.
    fn mails(&mut self, folder: &str) -> BTreeSet<u32> {
        let files = std::fs::read_dir(self.service.file(folder)).unwrap().map(|file| file.unwrap().path());
        let mails: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "json")).collect();
        self.mails += mails.len();
        let number = |file: &std::path::PathBuf| {
            let mail: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            let to = mail["to"][0].as_str().unwrap();
            to.trim_start_matches("admin@c").trim_end_matches(".example").parse().unwrap()
        };
        mails.iter().map(number).collect()
    }

    /// Waits until the worker has concluded all that is due: two seconds pass without a record.
    fn settle(&self) {
        let mut before = (self.service.records().len(), Instant::now());
        while before.1.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.service.records().len();
            if now != before.0 {
                before = (now, Instant::now());
            }
        }
    }

    async fn accept(&self, number: u32, link: &str, what: &str) {
        let browser = self.service.browser();
        browser.open(link).await;
        let microsoft = browser.press(link, "user-sync").await;
        let role = if what == "request" { UserRole::User } else { UserRole::Administrator };
        browser.decide_as(&microsoft, tenant(number), role, what).await;
    }
}

/// The links of `links.csv` by customer.
fn links(walk: &Walk) -> BTreeMap<u32, String> {
    let number = |row: &BTreeMap<String, String>| row["label"].trim_start_matches("Customer ").parse().ok();
    let rows = walk.rows("links.csv");
    rows.iter().filter(|row| row["status"] == "made").filter_map(|row| Some((number(row)?, row["link"].clone()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_customer_is_forgotten_in_three_days() {
    let began = Instant::now();
    let mut walk = Walk { service: service(), walked: Vec::new(), mails: 0 };

    // The first morning: a table, a plan, and links with mails.
    walk.run("entra-consent tenants --app reader > tenants.csv", 0);
    let listed = walk.read("tenants.csv");
    assert_eq!(listed.lines().count(), 301);
    // A technician adds contacts from another list, and four rows that are wrong.
    let mut table = String::from("tenant,label,contact,language\n");
    for (number, line) in listed.lines().skip(1).enumerate() {
        let id = line.split(',').next().unwrap();
        table.push_str(&format!("{id},Customer {number},admin@c{number}.example,{}\n", ["en", "de", "fr"][number % 3]));
    }
    table.push_str("anna@c1.example,Person,,\nnobody.example,Nobody,,\n,Empty,,\n");
    table.push_str(&format!("{},Customer 200,admin@c200.example,en\n", tenant(200)));
    std::fs::write(walk.service.file("tenants.csv"), table).unwrap();
    let told = walk.run("entra-consent rehearse --app user-sync --from tenants.csv --to rehearsal", 0);
    assert!(walk.service.file("rehearsal/index.html").is_file(), "{told:?}");
    let told = walk.run("entra-consent plan --app user-sync --from tenants.csv --requests gdap.http --links --to invite.csv", 3);
    for count in [
        "    24 approved already",
        "    60 you can grant through GDAP",
        "   217 need a link to a Global Administrator",
        "     3 need a correction",
    ] {
        assert!(told.err.contains(count), "{count}: {}", told.err);
    }
    // The technician sends these requests, and Microsoft grants.
    assert_eq!(walk.read("gdap.http").matches("/applicationconsents").count(), 60);
    (APPROVED..APPROVED + BY_GDAP).for_each(|number| {
        walk.service.control.apply(Change::Grant { tenant: tenant(number), app: demo::APP, permissions: None }).unwrap()
    });
    let told = walk.run("entra-consent link --app user-sync --from invite.csv --to links.csv --mail", 3);
    assert!(told.err.contains("216 links, 3 rows without a link"), "{}", told.err);
    let links = links(&walk);
    let invited: BTreeSet<u32> = (APPROVED + BY_GDAP..CUSTOMERS).collect();
    assert_eq!(links.keys().copied().collect::<BTreeSet<_>>(), invited);
    assert_eq!(walk.mails("links.mails"), invited);

    // The first day.
    walk.service.start();
    for (number, link) in &links {
        match habit(*number) {
            Habit::Accepts | Habit::AcceptsWithLag | Habit::Disables => walk.accept(*number, link, "accept").await,
            Habit::DeclinesFirst => walk.accept(*number, link, "cancel").await,
            Habit::RequestsApproval => walk.accept(*number, link, "request").await,
            Habit::WrongAccountFirst => {
                let browser = walk.service.browser();
                let microsoft = browser.press(link, "user-sync").await;
                browser.decide(&microsoft, demo::CONTOSO, "accept").await;
                walk.accept(*number, link, "accept").await;
            }
            Habit::LooksFirst => drop(walk.service.browser().open(link).await),
            Habit::Never | Habit::InThePortal => {}
        }
    }

    // The second morning.
    walk.service.pass(DAY);
    walk.settle();
    let status = "entra-consent status --from links.csv --records records.jsonl";
    let told = walk.run(status, 3);
    assert!(told.err.contains("Customers: 219 ("), "{}", told.err);
    let of = |habits: &[Habit]| -> BTreeSet<u32> { invited.iter().copied().filter(|number| habits.contains(&habit(*number))).collect() };
    walk.run("entra-consent remind --from links.csv --records records.jsonl --to first-reminders", 3);
    let open = of(&[Habit::DeclinesFirst, Habit::LooksFirst, Habit::Never, Habit::InThePortal, Habit::RequestsApproval]);
    assert_eq!(walk.mails("first-reminders"), open);
    for number in &invited {
        let (tenant, app) = (tenant(*number), demo::APP);
        match habit(*number) {
            Habit::DeclinesFirst => walk.accept(*number, &links[number], "accept").await,
            Habit::InThePortal => walk.service.control.apply(Change::Grant { tenant, app, permissions: None }).unwrap(),
            Habit::RequestsApproval => {
                walk.service.control.apply(Change::Review { tenant, app, decision: ReviewDecision::Approve }).unwrap()
            }
            _ => {}
        }
    }

    // The third morning. Records do not show the portal, so a check joins in.
    walk.service.pass(DAY);
    walk.settle();
    walk.run("entra-consent verify --app user-sync --from links.csv --to second-day.csv", 3);
    walk.run("entra-consent remind --from links.csv --from second-day.csv --records records.jsonl --to second-reminders", 3);
    assert_eq!(walk.mails("second-reminders"), of(&[Habit::LooksFirst, Habit::Never]));
    for number in &invited {
        match habit(*number) {
            Habit::LooksFirst => walk.accept(*number, &links[number], "accept").await,
            Habit::Disables => walk.service.control.apply(Change::Disable { tenant: tenant(*number), app: demo::APP }).unwrap(),
            _ => {}
        }
    }

    // The third evening: every row has one true outcome.
    walk.run("entra-consent verify --app user-sync --from tenants.csv --to results.csv --report report.html", 3);
    let results = walk.rows("results.csv");
    assert_eq!(results.len(), 304);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &results {
        *counts.entry(&row["outcome"]).or_default() += 1;
        let number = row["label"].trim_start_matches("Customer ").parse();
        let expected = match number {
            Err(_) if row["label"] == "Nobody" => "tenant_not_found",
            Err(_) => "not_asked",
            Ok(number) if invited.contains(&number) && habit(number) == Habit::Never => "absent",
            Ok(number) if invited.contains(&number) && habit(number) == Habit::Disables => "disabled",
            Ok(_) => "granted",
        };
        assert_eq!(row["outcome"], expected, "{row:?}");
    }
    assert!(walk.read("report.html").contains("Customer 299"));
    let told = walk.run("entra-consent status --from links.csv --from results.csv", 3);
    assert!(told.err.contains("Customers: 304 (44 the customer's move, 4 your move, 256 complete)."), "{}", told.err);

    // A week later: who has not moved, and links that end.
    walk.service.pass(23 * DAY);
    walk.settle();
    walk.run("entra-consent status --from links.csv --records records.jsonl --stale 7d", 3);
    walk.run("entra-consent remind --from links.csv --records records.jsonl --stale 7d --to reminders", 3);
    walk.mails("reminders");
    walk.run("entra-consent renew --from links.csv --records records.jsonl --within 7d --to renewed.csv", 0);
    let (before, after) = (walk.rows("links.csv"), walk.rows("renewed.csv"));
    let renewed: BTreeSet<_> =
        before.iter().zip(&after).filter(|(old, new)| old["link"] != new["link"]).map(|(old, _)| old["label"].clone()).collect();
    assert!(of(&[Habit::Never]).iter().all(|number| renewed.contains(&format!("Customer {number}"))), "{renewed:?}");
    assert!(!renewed.contains("Customer 100"), "an approved customer keeps the link");

    walk.run("entra-consent remind --from renewed.csv --records records.jsonl --to new-links", 3);
    let mails = walk.mails("new-links");
    assert!(mails.is_superset(&of(&[Habit::Never])) && !mails.contains(&100), "an approved customer gets no mail: {mails:?}");

    // Each command line of the guide was typed as the guide has it. CloudWatch has a test of its own, with a table from somewhere else too.
    let elsewhere = ["--log-group", "kunden.csv"];
    let lines = GUIDE.lines().filter_map(|line| line.strip_prefix("$ ")).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    for line in lines.filter(|line| elsewhere.iter().all(|word| !line.contains(word))) {
        assert!(walk.walked.contains(&line), "not walked: {line}");
    }
    println!(
        "three days of an MSP: {} commands, {CUSTOMERS} customers, {} mails, {:.1} minutes; {counts:?}",
        walk.walked.len(),
        walk.mails,
        began.elapsed().as_secs_f64() / 60.0
    );
}
