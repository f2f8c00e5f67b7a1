//! Two hundred customers, from a hand-written table to a table with the state of each approval: real links, scripted administrators, a
//! simulated day, and a comparison of Microsoft's final state with every record.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use entra_sandbox::{Change, Replication, TenantId, TenantSetup, UserRole, demo};
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use super::support::northwind::{APP_SECRET, KEY};
use super::support::stage::{Options, Stage};

const COUNT: u32 = 200;
const HOUR: u64 = 3_600;

/// What an administrator does with the invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Administrator {
    Accepts,
    /// The approval takes a long time to become visible.
    AcceptsWhereItTakesLong,
    Declines,
    /// Microsoft refuses the account and sends the browser back with an error.
    UsesTheWrongAccount,
    /// Microsoft refuses the account. Then an administrator uses the right account.
    UsesTheWrongAccountFirst,
    /// The administrator presses the button, and accepts only the next day.
    ComesBackTomorrow,
    /// The administrator accepts, and disables the app the next day.
    AcceptsAndDisables,
    /// An ordinary user who requests approval.
    AsksForApproval,
    /// The recipient reads the mail and does nothing.
    NeverCalls,
}

use Administrator::{
    Accepts, AcceptsAndDisables, AcceptsWhereItTakesLong, AsksForApproval, ComesBackTomorrow, Declines, NeverCalls, UsesTheWrongAccount,
    UsesTheWrongAccountFirst,
};

const SCRIPT: [Administrator; 10] = [
    Accepts,
    AcceptsWhereItTakesLong,
    Declines,
    UsesTheWrongAccount,
    UsesTheWrongAccountFirst,
    ComesBackTomorrow,
    AcceptsAndDisables,
    AsksForApproval,
    NeverCalls,
    Accepts,
];

fn administrator(number: u32) -> Administrator {
    SCRIPT[number as usize % SCRIPT.len()]
}

fn tenant(number: u32) -> TenantId {
    TenantId::from_u128(0x2222_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

/// The domain as people write it.
fn domain(number: u32) -> String {
    if number.is_multiple_of(50) { format!("müller-{number}.example") } else { format!("customer-{number}.example") }
}

/// The domain as Microsoft has it.
fn registered(number: u32) -> String {
    Url::parse(&format!("http://{}", domain(number))).unwrap().host_str().unwrap().to_owned()
}

/// A temporary folder that is deleted on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("two-hundred-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entra-consent"));
        command.args(arguments).current_dir(&self.0).env_clear().env("APP_SECRET", APP_SECRET).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn rows(&self, arguments: &[&str], status: i32) -> Vec<Value> {
        let output = self.run(&[&["verify", "--output", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The stage's configuration on disk, with the same apps, keys and addresses.
fn config(stage: &Stage) -> String {
    format!(
        "[site]\nname = \"Northwind Managed Services\"\nbase_url = \"{base}\"\nsupport = \"support@northwind.example\"\n\
         privacy_url = \"https://northwind.example/privacy\"\n[keys]\nsecret = {{ file = \"keys.json\" }}\n\
         [clouds.sandbox]\nauthority = \"{microsoft}\"\ngraph = \"{microsoft}\"\n\
         [[apps]]\nid = \"mail-backup\"\nclient_id = \"{app}\"\nname = \"Northwind Mail Backup\"\ncloud = \"sandbox\"\n\
         credential = {{ client_secret = {{ env = \"APP_SECRET\" }} }}\n[apps.permissions.\"Microsoft Graph\"]\n\
         application = {{ required = [\"Mail.Read\", \"User.Read.All\"], forbidden = [\"Mail.ReadWrite\"] }}\n\
         delegated = {{ optional = [\"User.Read\"] }}\n",
        base = stage.base,
        microsoft = stage.microsoft,
        app = demo::APP,
    )
}

/// A table as a person keeps it: a byte order mark, semicolons, quotes, blank lines, domains and IDs in any case, a few wrong rows.
fn messy_table() -> String {
    let mut table = "\u{feff}Nr;Label ;TENANT;Reference;contact;Language\r\n".to_owned();
    for number in 0..COUNT {
        let name = match number % 4 {
            0 => format!("\"Customer \"\"{number}\"\"; Ltd\""),
            1 => format!("=Customer {number}"),
            2 => format!("Kunde Nº {number} – Łódź"),
            _ => format!("  Customer {number} "),
        };
        let tenant = match number % 3 {
            0 => domain(number).to_uppercase(),
            1 => tenant(number).to_string().to_uppercase(),
            _ => format!(" {} ", domain(number)),
        };
        write!(table, "{number};{name};{tenant};T-{number};admin{number}@customer-{number}.example;de\r\n").unwrap();
        if number % 60 == 30 {
            table.push_str(";;;;;\r\n\r\n");
        }
    }
    table.push_str("x;No tenant;;;;\r\ny;A person;anna@contoso.example;;;\r\n");
    table
}

impl Administrator {
    /// Acts on the first day, from the invitation to the answer. Returns the address at Microsoft if the administrator stopped there.
    async fn acts(self, stage: &Stage, number: u32, invitation: &str) -> Option<Url> {
        if self == NeverCalls {
            return None;
        }
        let pressed = stage.read(stage.http.post(invitation).form(&[("step", "mail-backup")]).send().await.unwrap()).await;
        let address = Url::parse(pressed.header("location").unwrap_or_else(|| panic!("{number}: {}", pressed.text()))).unwrap();
        match self {
            Accepts | AcceptsWhereItTakesLong | AcceptsAndDisables => {
                come_back(stage, &address, number, UserRole::Administrator, "accept").await
            }
            Declines => come_back(stage, &address, number, UserRole::Administrator, "cancel").await,
            AsksForApproval => come_back(stage, &address, number, UserRole::User, "request").await,
            UsesTheWrongAccount | UsesTheWrongAccountFirst => {
                let answer = stage.decide(&address, demo::CONTOSO, UserRole::Administrator, "accept").await;
                stage.open(answer.headers()["location"].to_str().unwrap()).await;
                if self == UsesTheWrongAccountFirst {
                    come_back(stage, &address, number, UserRole::Administrator, "accept").await;
                }
            }
            ComesBackTomorrow => return Some(address),
            NeverCalls => {}
        }
        None
    }
}

async fn come_back(stage: &Stage, address: &Url, number: u32, role: UserRole, what: &str) {
    let answer = stage.decide(address, tenant(number), role, what).await;
    stage.open(answer.headers()["location"].to_str().unwrap()).await;
}

/// The last outcome of each tenant in the records. Each link of this test is for one app and one tenant.
fn last_outcomes(records: &[Value]) -> BTreeMap<String, String> {
    let mut last = BTreeMap::new();
    for record in records {
        if let (Some(tenant), Some(after)) = (record["tenant"].as_str(), record["outcome"]["after"].as_str()) {
            last.insert(tenant.to_owned(), after.to_owned());
        }
    }
    last
}

/// The state at Microsoft that a last record with this outcome implies.
fn shown_for(recorded: Option<&str>) -> &'static str {
    match recorded {
        Some("granted") => "granted",
        Some("disabled") => "disabled",
        // No approval is visible, so the claim does not matter.
        Some("declined" | "wrong_account" | "not_an_admin" | "not_found") | None => "absent",
        Some(other) => panic!("no record should end with {other}"),
    }
}

fn counted<'r>(outcomes: impl IntoIterator<Item = &'r str>) -> BTreeMap<&'r str, usize> {
    let mut counts = BTreeMap::new();
    outcomes.into_iter().for_each(|outcome| *counts.entry(outcome).or_default() += 1);
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn records_match_microsoft_for_200_invited_tenants() {
    let stage = Stage::with(Options { queue: true, ..Options::default() }).await;
    for number in 0..COUNT {
        let slow = Replication { service_principal: 300, roles: 300, graph: 300, flapping: 0 };
        let replication = if administrator(number) == AcceptsWhereItTakesLong { slow } else { Replication::default() };
        let setup = TenantSetup { replication, ..TenantSetup::new(tenant(number), &format!("Customer {number}"), &registered(number)) };
        stage.change(Change::AddTenant(Box::new(setup)));
    }
    let folder = Folder::new();
    folder.write("consent.toml", &config(&stage));
    folder.write("keys.json", KEY);
    folder.write("customers.csv", &messy_table());

    // Monday: `link` makes a link for each row except the two wrong ones.
    let linked = folder.run(&["link", "--app", "mail-backup", "--from", "customers.csv", "--to", "links.csv"]);
    assert_eq!(linked.status.code(), Some(3), "{}", String::from_utf8_lossy(&linked.stderr));
    let text = std::fs::read_to_string(folder.0.join("links.csv")).unwrap();
    let mut links = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let column = links.headers().unwrap().iter().position(|name| name == "link").unwrap();
    let invitations: Vec<String> = links.records().map(|row| row.unwrap()[column].to_owned()).filter(|link| !link.is_empty()).collect();
    assert_eq!(invitations.len(), COUNT as usize);

    // The program signed the links with the machine's clock, so the simulated day begins now.
    stage.clock.set(OffsetDateTime::now_utc());
    let mut left_at_microsoft = Vec::new();
    for (number, invitation) in (0..).zip(&invitations) {
        if let Some(address) = administrator(number).acts(&stage, number, invitation).await {
            left_at_microsoft.push((number, address));
        }
    }
    // Some records are not final yet: the worker has not checked again, or a replica lags.
    let first_day = last_outcomes(&stage.records());
    assert_eq!(counted(first_day.values().map(String::as_str))["pending"], 40);

    stage.work(20 * HOUR).await;
    for (number, address) in &left_at_microsoft {
        come_back(&stage, address, *number, UserRole::Administrator, "accept").await;
    }
    for number in (0..COUNT).filter(|number| administrator(*number) == AcceptsAndDisables) {
        stage.change(Change::Disable { tenant: tenant(number), app: demo::APP });
    }
    stage.work(28 * HOUR).await;

    let records = stage.records();
    let recorded = last_outcomes(&records);
    let rows = folder.rows(&["--app", "mail-backup", "--from", "customers.csv"], 3);
    assert_eq!(rows.len(), COUNT as usize + 2);
    assert_eq!(
        counted(rows.iter().map(|row| row["outcome"].as_str().unwrap())),
        BTreeMap::from([("granted", 100), ("disabled", 20), ("absent", 80), ("not_asked", 2)])
    );
    for row in rows.iter().filter(|row| row["outcome"] != "not_asked") {
        let tenant_id = row["tenant_id"].as_str().unwrap();
        let recorded = recorded.get(tenant_id).map(String::as_str);
        // The worker does not check again after a record with `granted`. So if an app was disabled later, only a new check shows that.
        let number: u32 = row["reference"].as_str().unwrap()[2..].parse().unwrap();
        assert_eq!(tenant_id, tenant(number).to_string());
        if administrator(number) == AcceptsAndDisables {
            assert_eq!((recorded, row["outcome"].as_str()), (Some("granted"), Some("disabled")), "{row}");
        } else {
            assert_eq!(row["outcome"], shown_for(recorded), "{:?}: {recorded:?} {row}", administrator(number));
        }
    }

    // Verifies from the records only, first with those of all days and then with those of the first day. Each claim that is checked again
    // ends with the same outcome as the last record of its tenant.
    let lines = |records: &[Value]| records.iter().map(|record| format!("{record}\n")).collect::<String>();
    folder.write("records.jsonl", &lines(&records));
    for row in folder.rows(&["--from-records", "records.jsonl"], 3) {
        let recorded = recorded[row["tenant_id"].as_str().unwrap()].as_str();
        assert_eq!((row["before"].as_str(), row["outcome"].as_str()), (Some(recorded), Some(recorded)), "{row}");
    }
    let cut = records.iter().position(|record| record["outcome"]["before"].is_string()).unwrap();
    folder.write("first-day.jsonl", &lines(&records[..cut]));
    let rows = folder.rows(&["--from-records", "first-day.jsonl"], 3);
    for row in &rows {
        let now = recorded[row["tenant_id"].as_str().unwrap()].as_str();
        assert_eq!(row["outcome"].as_str().unwrap(), now, "{row}");
    }
    assert_eq!(rows.iter().filter(|row| row["before"] == "pending" && row["outcome"] == "granted").count(), 40);
}
