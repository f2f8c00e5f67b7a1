//! `status`, `remind` and `renew` through the real program: how far each customer is, from tables and records.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::northwind::{APPLE_AND_CHAIN, BY_READER, DIRECTORY_AND_REQUESTS, KEY, USUAL, head, mail_backup, reader};
use crate::support::stage::checked_record;
use crate::support::terminal::{Terminal, Told};

const BASE: &str = "https://consent.northwind.example";

/// A terminal with the installation of Northwind: a reader, an app and Apple's mail app in a chain. No command asks Microsoft.
pub(crate) fn terminal() -> Terminal {
    let mut terminal = Terminal::new();
    terminal.set("READER_SECRET", "s");
    terminal.write("keys.json", KEY);
    terminal.write("consent.toml", &config(""));
    terminal
}

fn config(links: &str) -> String {
    let site = head(BASE, "{ file = \"keys.json\" }", "http://127.0.0.1:9", "");
    format!("{site}{}{}{APPLE_AND_CHAIN}\n{links}", reader(DIRECTORY_AND_REQUESTS), mail_backup(BY_READER, USUAL))
}

fn tenant(number: usize) -> String {
    format!("12345678-0000-4000-8000-{number:012}")
}

/// A table of this many customers.
fn customers(terminal: &Terminal, count: usize) {
    let row = |at: usize| format!("{},Customer {at},T-{at},admin{at}@customer-{at}.example,{}\n", tenant(at), ["en", "de"][at % 2]);
    let rows: String = (0..count).map(row).collect();
    terminal.write("customers.csv", &format!("tenant,label,reference,contact,language\n{rows}"));
}

fn link(terminal: &Terminal, what: [&str; 2], from: &str, to: &str) {
    let told = terminal.run(&["link", what[0], what[1], "--from", from, "--to", to, "--offline"]);
    assert_eq!(told.status, 0, "{told:?}");
}

/// The rows of a table by the cell in one of its columns.
fn by(terminal: &Terminal, table: &str, key: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = terminal.read(table);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize().map(|row| row.unwrap());
    rows.map(|row: BTreeMap<String, String>| (row[key].clone(), row)).collect()
}

/// One record of a tenant, which the schema accepts.
struct Line {
    event: &'static str,
    at: OffsetDateTime,
    record: Value,
}

fn ago(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() - Duration::minutes(minutes)
}

fn line(event: &'static str, minutes: i64, tenant: &str, app: Option<&str>, invitation: Option<&str>) -> Line {
    let mut record = json!({"request": tenant, "front_door": "local", "tenant": tenant});
    if let Some(app) = app {
        record["app"] = app.into();
        record["client_id"] = "0a1b0000-0000-4000-8000-0000000000a2".into();
    }
    if let Some(invitation) = invitation {
        record["invitation"] = invitation.into();
    }
    if matches!(event, "claimed" | "concluded") {
        record["ticket"] = "00000002-0000-4000-8000-000000000001".into();
        record["binding"] = "none".into();
        record["late"] = false.into();
        record["claim"] = json!({"kind": "success"});
        record["durations_ms"] = json!({"total": 1});
    }
    Line { event, at: ago(minutes), record }
}

impl Line {
    fn outcome(mut self, after: &str) -> Self {
        self.record["outcome"] = json!({"before": null, "after": after});
        self.record["transition"] = "AAAAAAAAAAAAAAAAAAAAAAAA".into();
        self
    }

    fn text(&self) -> String {
        let mut record = self.record.clone();
        record["schema"] = "entra-consent/record/1".into();
        record["event"] = self.event.into();
        record["at"] = self.at.format(&Rfc3339).unwrap().into();
        let line = format!("{record}\n");
        checked_record(&line);
        line
    }
}

fn rows(told: &Told) -> Vec<Value> {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

/// The step, outcome and party of each row, by customer and app.
fn states(told: &Told) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let state = |row: &Value| format!("{} {} {}", text(&row["step"]), text(&row["outcome"]), text(&row["who"]));
    rows(told).iter().map(|row| (format!("{} {}", text(&row["label"]), text(&row["app"])), state(row))).collect()
}

#[test]
fn records_in_any_order_say_how_far_each_customer_is() {
    let terminal = terminal();
    customers(&terminal, 8);
    link(&terminal, ["--app", "mail-backup"], "customers.csv", "links.csv");
    let links = by(&terminal, "links.csv", "tenant");
    let id = |at: usize| links[&tenant(at)]["link_id"].clone();
    let of = |event, minutes, at: usize| line(event, minutes, &tenant(at), Some("mail-backup"), Some(&id(at)));
    let mut lines = vec![
        of("seen", 60, 1).text(),
        of("seen", 60, 2).text(),
        of("started", 50, 2).text(),
        of("started", 50, 3).text(),
        of("claimed", 40, 3).text(),
        of("claimed", 40, 4).text(),
        of("concluded", 39, 4).outcome("pending").text(),
        of("concluded", 20, 4).outcome("granted").text(),
        of("claimed", 40, 5).text(),
        of("concluded", 39, 5).outcome("declined").text(),
        // Approved through another link, and without any callback.
        line("concluded", 30, &tenant(6), Some("mail-backup"), None).outcome("granted").text(),
        // A misuse of the link afterwards says nothing about the approval.
        of("concluded", 10, 6).outcome("wrong_tenant").text(),
        // Another app and another customer.
        line("concluded", 30, &tenant(7), Some("reader"), None).outcome("granted").text(),
        line("concluded", 30, &tenant(99), Some("mail-backup"), None).outcome("granted").text(),
    ];
    let foreign = ["REPORT RequestId: x\n".to_owned(), "{\"schema\":\"other\"}\n".to_owned(), lines[1][..90].to_owned() + "\n"];
    let expected = [
        ("Customer 0 mail-backup", "invited - customer"),
        ("Customer 1 mail-backup", "seen - customer"),
        ("Customer 2 mail-backup", "started - customer"),
        ("Customer 3 mail-backup", "returned - nobody_yet"),
        ("Customer 4 mail-backup", "confirmed granted nobody"),
        ("Customer 5 mail-backup", "returned declined customer"),
        ("Customer 6 mail-backup", "confirmed granted nobody"),
        ("Customer 7 mail-backup", "invited - customer"),
    ]
    .map(|(name, state)| (name.to_owned(), state.to_owned()));
    let duplicates: Vec<String> = lines.iter().take(6).cloned().collect();
    lines.extend(foreign.into_iter().chain(duplicates));
    for order in 0..lines.len() {
        lines.rotate_left(order);
        terminal.write("records.jsonl", &lines.concat());
        let told = terminal.run(&["status", "--from", "links.csv", "--records", "records.jsonl", "--output", "json"]);
        assert_eq!(told.status, 3, "{told:?}");
        assert_eq!(states(&told), expected.clone().into(), "{order}");
        assert_eq!(
            told.err,
            "23 lines: 18 records of these customers, 2 other records, 3 that are no records of ours.\n\
             Customers: 8 (5 the customer's move, 1 wait, then check again, 2 complete).\n\
             Approvals: 8 (8 invited → 6 seen → 5 started → 4 returned → 2 confirmed).\n"
        );
    }
    let told = terminal.run_with(&["status", "--from", "links.csv", "--records", "-", "--output", "json"], &lines.concat());
    assert_eq!(states(&told), expected.into());
}

#[test]
fn a_chain_of_each_customer_is_one_line_that_fits_80_and_120_columns() {
    let mut terminal = terminal();
    customers(&terminal, 3);
    let long = "株式会社コントソ ".repeat(4);
    let table = terminal.read("customers.csv").replace("Customer 2", long.trim());
    terminal.write("customers.csv", &table);
    link(&terminal, ["--chain", "onboarding"], "customers.csv", "links.csv");
    let links = by(&terminal, "links.csv", "tenant");
    let of = |event, minutes, at: usize, app| line(event, minutes, &tenant(at), app, Some(&links[&tenant(at)]["link_id"]));
    let lines = [
        of("seen", -1, 1, None),
        of("concluded", -2, 1, Some("reader")).outcome("granted"),
        // A companion is approved without a callback.
        of("started", -3, 1, Some("apple")),
        of("concluded", -4, 1, Some("apple")).outcome("granted"),
        of("started", -5, 1, Some("mail-backup")),
    ];
    terminal.write("records.jsonl", &lines.iter().map(Line::text).collect::<String>());
    let arguments = ["status", "--from", "links.csv", "--records", "records.jsonl"];
    for (columns, contact) in [("80", ""), ("120", "  CONTACT")] {
        terminal.set("COLUMNS", columns);
        let told = terminal.run(&arguments);
        let words: Vec<Vec<&str>> = told.out.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0].join(" "), format!("CUSTOMER APP STATE LAST STEP WHO{contact}").replace("  ", " "), "{}", told.out);
        assert_eq!(words[1][..4], ["Customer", "0", "reader", "+2"], "{}", told.out);
        assert_eq!(words[1].contains(&"admin0@customer-0.example"), columns == "120");
        assert_eq!(words.len(), 6, "{}", told.out);
        let width = |line: &str| line.chars().map(|c| if c > '\u{2fff}' { 2 } else { 1 }).sum::<usize>();
        assert!(told.out.lines().all(|line| width(line) <= columns.parse().unwrap()), "{}", told.out);
    }
    let told = terminal.run(&[&arguments[..], &["--output", "json"]].concat());
    let states = states(&told);
    assert_eq!(states["Customer 1 reader"], "confirmed granted nobody");
    assert_eq!(states["Customer 1 apple"], "confirmed granted nobody");
    assert_eq!(states["Customer 1 mail-backup"], "started - customer");
}

#[test]
fn the_table_of_a_status_goes_on_where_older_records_are_gone() {
    let terminal = terminal();
    customers(&terminal, 4);
    link(&terminal, ["--app", "mail-backup"], "customers.csv", "links.csv");
    // The records of an older link, which the table does not have.
    let older = "00000003-0000-4000-8000-000000000001";
    let first: String = (1..4).map(|at| line("started", 9 * 24 * 60, &tenant(at), Some("mail-backup"), Some(older)).text()).collect();
    terminal.write("first.jsonl", &first);
    let told =
        terminal.run(&["status", "--from", "links.csv", "--records", "first.jsonl", "--to", "status.csv", "--report", "report.html"]);
    assert_eq!((told.status, told.out.as_str()), (3, ""), "{told:?}");
    assert!(terminal.read("report.html").contains("0 of 4 customers are complete"));
    let later = line("concluded", 5, &tenant(2), Some("mail-backup"), None).outcome("granted").text();
    // The results of `verify`: one approval was given in the portal, and an absence is older than a record.
    let checked = ago(60).format(&Rfc3339).unwrap();
    terminal.write(
        "results.csv",
        &format!(
            "row,tenant,tenant_id,app,outcome,checked_at\n1,a,{},mail-backup,granted,{checked}\n2,b,{},mail-backup,absent,{checked}\n\
             3,c,{},mail-backup,unavailable,{checked}\n4,c,{},reader,granted,{checked}\n",
            tenant(3),
            tenant(2),
            tenant(3),
            tenant(3)
        ),
    );
    let from = ["status", "--from", "status.csv", "--from", "results.csv", "--records", "-"];
    let told = terminal.run_with(&[&from[..], &["--output", "json"]].concat(), &later);
    let expected = [
        ("Customer 0 mail-backup", "invited - customer"),
        ("Customer 1 mail-backup", "started - customer"),
        ("Customer 2 mail-backup", "confirmed granted nobody"),
        ("Customer 3 mail-backup", "confirmed granted nobody"),
        ("Customer 3 reader", "confirmed granted nobody"),
    ];
    assert_eq!(states(&told), expected.map(|(name, state)| (name.to_owned(), state.to_owned())).into());
    // Customer 0 was invited just now, and customer 1 has not acted since the invitation.
    let told = terminal.run_with(&[&from[..], &["--output", "json", "--stale", "1d"]].concat(), &later);
    assert_eq!((told.status, told.out.as_str()), (0, "[]\n"), "{told:?}");
    let told = terminal.run_with(&[&from[..], &["--output", "json", "--stale", "0d"]].concat(), &later);
    assert_eq!(states(&told).into_keys().collect::<Vec<_>>(), ["Customer 0 mail-backup", "Customer 1 mail-backup"]);
    assert_eq!(terminal.run(&["status", "--from", "customers.csv"]).status, 2);
    // `link` takes the table too: one row for each customer, with the contact.
    link(&terminal, ["--app", "reader"], "status.csv", "again.csv");
    let again = by(&terminal, "again.csv", "tenant");
    assert_eq!((again.len(), again[&tenant(1)]["contact"].as_str()), (4, "admin1@customer-1.example"));
}

#[test]
fn a_reminder_repeats_the_link_for_the_apps_that_are_missing() {
    let terminal = terminal();
    customers(&terminal, 5);
    let table = terminal.read("customers.csv").replace("admin2@customer-2.example", "+49 89 1234");
    terminal.write("customers.csv", &table);
    link(&terminal, ["--chain", "onboarding"], "customers.csv", "links.csv");
    let links = by(&terminal, "links.csv", "tenant");
    let granted = |at: usize, app| line("concluded", -1, &tenant(at), Some(app), None).outcome("granted").text();
    // 1 lacks an app; 3 has all of them; the link of 4 was changed in the table.
    let records: String =
        [granted(1, "reader"), granted(1, "apple"), granted(3, "reader"), granted(3, "mail-backup"), granted(3, "apple")].concat();
    terminal.write("records.jsonl", &records);
    let forged = &links[&tenant(4)]["link"];
    let mut changed = forged.clone();
    changed.replace_range(forged.len() - 3.., "AAA");
    let elsewhere = terminal.read("links.csv").replace(forged, &changed);
    terminal.write("links.csv", &elsewhere);

    let sources = ["--from", "links.csv", "--records", "records.jsonl"];
    let told = terminal.run(&[&["remind"], &sources[..]].concat());
    assert_eq!(told.status, 3, "{told:?}");
    assert!(told.err.contains("Customer 4: consent.toml has no app of this link, or the link is not genuine.\n"), "{}", told.err);
    assert!(told.err.contains("Customer 2: the column contact has no mail address.\n"), "{}", told.err);
    assert!(told.err.ends_with("\nMails: 3.\n"), "{}", told.err);
    let mails: Vec<&str> = told.out.split("To: ").skip(1).collect();
    assert!(mails[0].starts_with("admin0@customer-0.example\nSubject: "), "{}", mails[0]);
    assert!(mails[0].contains("  * Northwind Reader\n  * Northwind Mail Backup\n  * Apple"), "{}", mails[0]);
    // The language of the row, one app, and the same link.
    assert!(mails[1].contains("Guten Tag") && mails[1].contains("  * Northwind Mail Backup\n\n"), "{}", mails[1]);
    for (mail, at) in mails.iter().zip([0, 1, 2]) {
        assert!(mail.contains(&format!("\n{}\n", links[&tenant(at)]["link"])), "{mail}");
    }

    // The table of the status says the same, and each mail is a draft.
    terminal.run(&[&["status", "--to", "status.csv"], &sources[..]].concat());
    let told = terminal.run(&["remind", "--from", "status.csv", "--to", "reminders"]);
    assert_eq!((told.status, told.out.as_str()), (3, ""), "{told:?}");
    assert!(told.err.ends_with("Mails: 3, in reminders.\n"), "{}", told.err);
    let draft = terminal.read("reminders/row-2.eml");
    assert!(draft.contains("To: <admin1@customer-1.example>") && draft.contains("X-Unsent: 1"), "{draft}");
    assert_eq!(terminal.run(&["remind", "--from", "status.csv", "--to", "reminders"]).status, 1, "the folder exists");
    // The rows of one link get one new link.
    let told = terminal.run(&["renew", "--from", "status.csv", "--within", "90d", "--to", "renewed.csv"]);
    assert_eq!(told.out.matches('"').count(), 2 * 3, "{told:?}");
    let renewed: std::collections::BTreeSet<String> = terminal
        .read("renewed.csv")
        .lines()
        .filter(|row| row.contains(",replaces "))
        .map(|row| row.split(',').find(|cell| cell.starts_with("https")).unwrap().to_owned())
        .collect();
    assert_eq!(renewed.len(), 3, "{told:?}");
    // Customers who were invited just now are not stale.
    let told = terminal.run(&["remind", "--from", "status.csv", "--stale", "1d"]);
    assert_eq!((told.status, told.out.as_str(), told.err.lines().last()), (0, "", Some("Mails: 0.")), "{told:?}");
}

#[test]
fn links_that_end_soon_are_replaced_and_old_ones_listed() {
    let terminal = terminal();
    terminal.write(
        "customers.csv",
        &format!("tenant;label;manager\n{};=Customer 0;Nora\n{};Customer 1;Noah\n{};Customer 2;x\n", tenant(0), tenant(1), tenant(2)),
    );
    let made = ["link", "--app", "mail-backup", "--from", "customers.csv", "--to", "links.csv", "--offline", "--mail", "--days", "5"];
    assert_eq!(terminal.run(&made).status, 0);
    let text = terminal.read("links.csv");
    let cells = |text: &str| -> Vec<Vec<String>> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    let before = cells(&text);
    let place = |name: &str| before[0].iter().position(|column| column == name).unwrap();
    let id = |table: &[Vec<String>], row: usize| table[row][place("link_id")].clone();
    terminal.write("consent.toml", &config(&format!("[links]\nrevoked = [\"{}\"]\n", id(&before, 3))));
    let granted = line("concluded", -1, &tenant(1), Some("mail-backup"), None).outcome("granted").text();

    // Nothing ends within 3 days.
    let renew = |within: &str, to: &str| {
        let arguments = ["renew", "--from", "links.csv", "--records", "-", "--within", within, "--to", to];
        terminal.run_with(&arguments, &granted)
    };
    let told = renew("3d", "same.csv");
    assert_eq!((told.status, told.out.as_str()), (0, ""), "{told:?}");
    assert_eq!(cells(&terminal.read("same.csv")), before);

    let told = renew("7d", "renewed.csv");
    assert_eq!(told.status, 0, "{told:?}");
    assert_eq!(told.out, format!("revoked = [\"{}\", \"{}\"]\n", id(&before, 3), id(&before, 1)));
    let after = cells(&terminal.read("renewed.csv"));
    assert_eq!((&after[0], &after[2], &after[3]), (&before[0], &before[2], &before[3]), "granted and revoked ones stay");
    assert_ne!(id(&after, 1), id(&before, 1));
    assert_eq!((after[1][place("manager")].as_str(), after[1][place("label")].as_str()), ("Nora", "'=Customer 0"));
    assert_eq!(after[1][place("problem")], format!("replaces {}", id(&before, 1)));
    assert_eq!(after[1][place("mail_text")], "");
    assert_eq!(renew("7d", "renewed.csv").status, 2, "an existing table stays");

    // A record of the old link is about the same approval, and the reminder has the new link.
    let seen = line("seen", -1, &tenant(0), Some("mail-backup"), Some(&id(&before, 1))).text();
    let told = terminal.run_with(&["status", "--from", "renewed.csv", "--records", "-", "--output", "json"], &(granted + &seen));
    assert_eq!(rows(&told)[0]["step"], "seen", "{told:?}");
    let told = terminal.run_with(&["remind", "--from", "links.csv", "--from", "renewed.csv"], "");
    assert!(told.out.contains(&after[1][place("link")]) && !told.out.contains(&before[1][place("link")]), "{told:?}");
    assert!(told.err.contains("Customers without a link that works: 1."), "{told:?}");
}

#[test]
fn only_the_links_of_customers_who_asked_are_replaced() {
    let terminal = terminal();
    let table: String = (0..5).map(|at| format!("{},Customer {at},admin{at}@customer-{at}.example\n", tenant(at))).collect();
    terminal.write("customers.csv", &format!("tenant,label,contact\n{table}"));
    let made = ["link", "--chain", "onboarding", "--from", "customers.csv", "--to", "links.csv", "--offline", "--days", "1"];
    assert_eq!(terminal.run(&made).status, 0);
    let links = by(&terminal, "links.csv", "tenant");
    let id = |at: usize| links[&tenant(at)]["link_id"].as_str();
    terminal.write("consent.toml", &config(&format!("[links]\nrevoked = [\"{}\"]\n", id(3))));
    let asked = |minutes, at| {
        let mut asked = line("renewal_requested", minutes, &tenant(at), None, Some(id(at)));
        asked.record["chain"] = "onboarding".into();
        asked.record["transition"] = "AAAAAAAAAAAAAAAAAAAAAAAA".into();
        asked.text()
    };
    let granted = |app| line("concluded", -2, &tenant(1), Some(app), Some(id(1))).outcome("granted").text();
    // Customer 0 asked twice. Customer 1 has approved everything since, customer 2 never asked, and customer 3 has a revoked link.
    let apps = ["reader", "mail-backup", "apple"];
    let records = [asked(-1, 0), asked(-3, 0), asked(-1, 1), asked(-1, 3)].concat() + &apps.map(granted).concat();
    terminal.write("records.jsonl", &records);

    let sources = ["--from", "links.csv", "--records", "records.jsonl"];
    let told = terminal.run(&[&["status", "--output", "json"], &sources[..]].concat());
    let of = |told: &Told, at: usize| rows(told).into_iter().find(|row| row["tenant"] == tenant(at).as_str()).unwrap();
    let first = of(&told, 0);
    assert_eq!((&first["who"], &first["last_step_at"]), (&json!("operator"), &first["asked"]), "{first}");
    assert_eq!(first["next"], "The customer asked for another link. Make it with `renew --asked`.");
    assert_eq!((&of(&told, 2)["asked"], &of(&told, 2)["who"]), (&Value::Null, &json!("customer")));
    let told = terminal.run(&[&["status"], &sources[..]].concat());
    assert!(told.out.contains("asked") && told.out.matches("asked").count() == 1, "{told:?}");

    let renew = |sources: &[&str], to: &str| terminal.run(&[&["renew", "--asked", "--to", to], sources].concat());
    let told = renew(&sources, "renewed.csv");
    assert_eq!((told.status, told.err.contains("Links replaced: 1,")), (0, true), "{told:?}");
    let renewed = by(&terminal, "renewed.csv", "tenant");
    let changed: Vec<usize> = (0..5).filter(|at| renewed[&tenant(*at)]["link"] != links[&tenant(*at)]["link"]).collect();
    assert_eq!(changed, [0], "{told:?}");
    let both = terminal.run(&["renew", "--asked", "--within", "3d", "--from", "links.csv", "--to", "both.csv"]);
    assert_eq!(both.status, 2, "{both:?}");

    // The mail goes to the contact of the table, and the request is answered: a second run replaces nothing.
    let told = terminal.run(&["remind", "--from", "links.csv", "--from", "renewed.csv"]);
    let mail = told.out.split("To: ").find(|mail| mail.starts_with("admin0@customer-0.example")).unwrap();
    assert!(mail.contains(&renewed[&tenant(0)]["link"]), "{told:?}");
    // A table of `status` keeps the request where the records are gone.
    assert_eq!(terminal.run(&[&["status", "--to", "status.csv"], &sources[..]].concat()).status, 3);
    assert!(renew(&["--from", "status.csv"], "again.csv").err.contains("Links replaced: 1,"));
    let told = renew(&["--from", "renewed.csv", "--from", "links.csv", "--from", "status.csv"], "none.csv");
    assert!(told.err.contains("Links replaced: 0,"), "{told:?}");
}

#[tokio::test]
async fn records_are_read_from_a_log_group() {
    use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Config, Credentials, Region};
    use aws_sdk_cloudwatchlogs::types::InputLogEvent;

    let moto = crate::support::moto::Moto::start();
    let mut terminal = terminal();
    customers(&terminal, 3);
    link(&terminal, ["--app", "mail-backup"], "customers.csv", "links.csv");
    let client = aws_sdk_cloudwatchlogs::Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&moto.url)
            .build(),
    );
    let (group, stream) = ("entra-consent-records", "s");
    client.create_log_group().log_group_name(group).send().await.unwrap();
    client.create_log_stream().log_group_name(group).log_stream_name(stream).send().await.unwrap();
    let event = |message: String, days: i64| {
        let at = (OffsetDateTime::now_utc() - Duration::days(days)).unix_timestamp() * 1_000;
        InputLogEvent::builder().message(message).timestamp(at).build().unwrap()
    };
    let of = |event, at: usize| line(event, 5, &tenant(at), Some("mail-backup"), Some(&tenant(at)));
    let mut events = vec![event(of("started", 0).text(), 4), event("START RequestId: 1".to_owned(), 2)];
    // More than a page.
    events.extend((0..150).map(|_| event(of("seen", 1).text(), 1)));
    events.push(event(of("concluded", 1).outcome("granted").text(), 0));
    client.put_log_events().log_group_name(group).log_stream_name(stream).set_log_events(Some(events)).send().await.unwrap();

    for (name, value) in [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
    ] {
        terminal.set(name, value);
    }
    let status = |arguments: &[&str]| terminal.run(&[&["status", "--from", "links.csv", "--output", "json"], arguments].concat());
    let told = status(&["--log-group", group, "--since", "3d"]);
    let steps: Vec<_> = rows(&told).iter().map(|row| row["step"].as_str().unwrap().to_owned()).collect();
    assert_eq!(steps, ["invited", "confirmed", "invited"], "{told:?}");
    assert!(
        told.err.starts_with("151 lines: 151 records of these customers, 0 other records, 0 that are no records of ours.\n"),
        "{told:?}"
    );
    assert_eq!(rows(&status(&["--log-group", group]))[0]["step"], "started");
    let told = status(&["--log-group", "other"]);
    assert_eq!((told.status, told.out.as_str()), (1, ""), "{told:?}");
    assert!(told.err.contains("the log group other cannot be read: ResourceNotFoundException: "), "{told:?}");
}

#[test]
fn the_store_of_a_running_service_is_read_and_stays_unchanged() {
    let terminal = terminal();
    customers(&terminal, 3);
    link(&terminal, ["--app", "mail-backup"], "customers.csv", "links.csv");
    let told = terminal.run(&["status", "--from", "links.csv", "--store"]);
    assert_eq!(
        (told.status, told.err.as_str()),
        (2, "error: consent.toml has no [store], so there is no store to read.\ntry: --records, with the records of the service\n")
    );
    terminal.write("consent.toml", &config("[store]\npath = \"store.redb\"\n"));
    let arguments = ["status", "--from", "links.csv", "--store", "--output", "json"];
    assert_eq!(terminal.run(&arguments).status, 1, "there is no file yet");
    assert!(!terminal.path("store.redb").exists());

    // The test has the file open, as `serve` does.
    let database = redb::Database::create(terminal.path("store.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let client = entra_sandbox::demo::APP;
    let last = |outcome: &str| json!({"outcome": outcome, "since": 1, "as_of": ago(5).format(&Rfc3339).unwrap(), "callback_at": 1, "provisional": false, "event": "e"});
    {
        let mut table = write.open_table(redb::TableDefinition::<&str, &str>::new("statements")).unwrap();
        table.insert(format!("{}/{client}", tenant(0)).as_str(), last("granted").to_string().as_str()).unwrap();
        table.insert(format!("{}/{client}", tenant(1)).as_str(), last("declined").to_string().as_str()).unwrap();
        table.insert(format!("{}/{client}", tenant(9)).as_str(), last("granted").to_string().as_str()).unwrap();
        table.insert("nonsense", "{}").unwrap();
    }
    write.commit().unwrap();
    let before = std::fs::read(terminal.path("store.redb")).unwrap();
    let told = terminal.run(&arguments);
    let outcomes: Vec<_> = rows(&told).iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("granted"), json!("declined"), Value::Null], "{told:?}");
    assert_eq!(std::fs::read(terminal.path("store.redb")).unwrap(), before);
    drop(database);
}

#[test]
fn a_direct_link_to_another_host_is_not_repeated() {
    let terminal = terminal();
    customers(&terminal, 2);
    let made = ["link", "--direct", "--app", "mail-backup", "--from", "customers.csv", "--to", "links.csv", "--offline"];
    assert_eq!(terminal.run(&made).status, 0);
    let links = by(&terminal, "links.csv", "tenant");
    let told = terminal.run(&["remind", "--from", "links.csv"]);
    assert_eq!(told.status, 0, "{told:?}");
    assert!((0..2).all(|at| told.out.contains(&links[&tenant(at)]["link"])), "{}", told.out);
    // The ticket is genuine, and the address is not Microsoft's.
    let elsewhere = links[&tenant(1)]["link"].replace("127.0.0.1:9", "login.example");
    terminal.write("links.csv", &terminal.read("links.csv").replace(&links[&tenant(1)]["link"], &elsewhere));
    for command in [&["remind", "--from", "links.csv"][..], &["renew", "--from", "links.csv", "--within", "90d", "--to", "renewed.csv"]] {
        let told = terminal.run(command);
        assert_eq!(told.status, 3, "{told:?}");
        assert!(told.err.contains("the link is not genuine") && !told.out.contains("login.example"), "{told:?}");
    }
    assert_eq!(by(&terminal, "renewed.csv", "tenant")[&tenant(1)]["link"], elsewhere);
}
