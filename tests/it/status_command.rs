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
        let told = terminal.run(&["status", "--from", "links.csv", "--records", "records.jsonl", "--json"]);
        assert_eq!(told.status, 3, "{told:?}");
        assert_eq!(states(&told), expected.clone().into(), "{order}");
        assert_eq!(
            told.err,
            "23 lines: 18 records of these customers, 2 other records, 3 that are no records of ours.\n\
             8 customers: 5 the customer's move, 1 wait, then check again, 2 complete.\n\
             8 approvals: 8 invited → 6 seen → 5 started → 4 returned → 2 confirmed.\n"
        );
    }
    let told = terminal.run_with(&["status", "--from", "links.csv", "--records", "-", "--json"], &lines.concat());
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
    let told = terminal.run(&[&arguments[..], &["--json"]].concat());
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
             3,c,{},mail-backup,unavailable,{checked}\n",
            tenant(3),
            tenant(2),
            tenant(3)
        ),
    );
    let from = ["status", "--from", "status.csv", "--from", "results.csv", "--records", "-"];
    let told = terminal.run_with(&[&from[..], &["--json"]].concat(), &later);
    let expected = [
        ("Customer 0 mail-backup", "invited - customer"),
        ("Customer 1 mail-backup", "started - customer"),
        ("Customer 2 mail-backup", "confirmed granted nobody"),
        ("Customer 3 mail-backup", "confirmed granted nobody"),
    ];
    assert_eq!(states(&told), expected.map(|(name, state)| (name.to_owned(), state.to_owned())).into());
    // Customer 0 was invited just now, and customer 1 has not acted since the invitation.
    let told = terminal.run_with(&[&from[..], &["--json", "--stale", "1d"]].concat(), &later);
    assert_eq!((told.status, told.out.as_str()), (0, "[]\n"), "{told:?}");
    let told = terminal.run_with(&[&from[..], &["--json", "--stale", "0d"]].concat(), &later);
    assert_eq!(states(&told).into_keys().collect::<Vec<_>>(), ["Customer 0 mail-backup", "Customer 1 mail-backup"]);
    assert_eq!(terminal.run(&["status", "--from", "customers.csv"]).status, 2);
}
