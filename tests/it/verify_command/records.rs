//! `--from-records` checks again the claims without a conclusion, and the outcomes that are not final.

use entra_sandbox::{Effect, Fault, FaultAt};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::super::support::stage::checked_record;
use super::*;

/// One line of the records, which the schema accepts.
fn line(event: &str, ticket: u32, tenant: TenantId, minutes_ago: i64, claim: &Value, after: Option<&str>) -> String {
    let id = |kind: u32| format!("{kind:08x}-0000-4000-8000-{ticket:012x}");
    let mut record = json!({
        "schema": "entra-consent/record/1", "event": event,
        "at": (OffsetDateTime::now_utc() - Duration::minutes(minutes_ago)).format(&Rfc3339).unwrap(),
        "request": id(1), "ticket": id(2), "tenant": tenant, "app": "mail-backup", "client_id": demo::APP, "label": format!("Customer {ticket}"),
        "reference": format!("T-{ticket}"), "claim": claim, "binding": "none", "late": false, "front_door": "local", "durations_ms": {"total": 1},
    });
    if let Some(after) = after {
        record["outcome"] = json!({"before": null, "after": after});
        record["transition"] = json!("AAAAAAAAAAAAAAAAAAAAAAAA");
    }
    let line = format!("{record}\n");
    checked_record(&line);
    line
}

fn claimed(ticket: u32, tenant: TenantId, minutes_ago: i64) -> String {
    line("claimed", ticket, tenant, minutes_ago, &json!({"kind": "success"}), None)
}

fn concluded(ticket: u32, tenant: TenantId, minutes_ago: i64, after: &str) -> String {
    line("concluded", ticket, tenant, minutes_ago, &json!({"kind": "success"}), Some(after))
}

fn by_row(mut rows: Vec<Value>) -> Vec<(String, String, String)> {
    rows.sort_by_key(|row| row["label"].as_str().unwrap().to_owned());
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| (text(&row["label"]), text(&row["before"]), text(&row["outcome"]))).collect()
}

#[test]
fn open_claims_are_concluded_and_final_outcomes_are_kept() {
    let lab = Lab::with(tenants(9, |number| number != 4 && number != 5));
    let declined = json!({"kind": "error", "class": "declined", "aadsts": 65004});
    let records = [
        // 0: the process crashed between claim and conclusion.
        claimed(0, tenant(0), 3000),
        // 1: granted, which is final.
        claimed(1, tenant(1), 60),
        concluded(1, tenant(1), 60, "granted"),
        // 2: pending for days, without another check.
        claimed(2, tenant(2), 9000),
        concluded(2, tenant(2), 9000, "pending"),
        // 3: pending, then granted by a later check.
        claimed(3, tenant(3), 60),
        concluded(3, tenant(3), 60, "pending"),
        concluded(3, tenant(3), 50, "granted"),
        // 4: declined a moment ago, and still declined.
        line("claimed", 4, tenant(4), 5, &declined, None),
        line("concluded", 4, tenant(4), 5, &declined, Some("declined")),
        // 5: claimed as approved, never concluded, and not visible after a day.
        claimed(5, tenant(5), 2000),
        // 6: declined yesterday, which is final, although the app is granted by now.
        line("concluded", 6, tenant(6), 2000, &declined, Some("declined")),
        // 7: granted once; the link was used again, and that claim has no conclusion.
        claimed(7, tenant(7), 100),
        concluded(7, tenant(7), 100, "granted"),
        claimed(7, tenant(7), 10),
        // 8: an app that is no longer in consent.toml.
        claimed(8, tenant(8), 10).replace("mail-backup", "gone"),
    ];
    let noise = "{\"schema\":\"somebody/else\"}\nplain words\n\n[1,2]\n\u{1}\u{2}\n{\"schema\":\"entra-consent/record/1\",\"event\":\"suppressed\",\"at\":\"2026-11-20T00:00:00Z\",\"count\":3}\n";
    let torn = &claimed(0, tenant(0), 1)[..100];
    lab.write("records.jsonl", &format!("{noise}{}{torn}", records.concat()));
    let output = lab.run(&["verify", "--from-records", "records.jsonl", "--output", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let rows = by_row(serde_json::from_slice(&output.stdout).unwrap());
    let expected = [
        ("Customer 0", "-", "granted"),
        ("Customer 2", "pending", "granted"),
        ("Customer 4", "declined", "declined"),
        ("Customer 5", "-", "not_found"),
        ("Customer 7", "granted", "granted"),
        ("Customer 8", "-", "not_asked"),
    ];
    assert_eq!(rows, expected.map(|(label, before, outcome)| (label.to_owned(), before.to_owned(), outcome.to_owned())));
    insta::assert_snapshot!(told(&output), @r#"
    22 lines: 16 of claims and outcomes, 1 other records, 5 that are not records of this program.
    6 claims need a check, in 6 tenants and apps. 3 are final.
           3  granted
           1  declined
           1  not_found
           1  not_asked           The row is wrong, so no tenant was asked.
           6  rows, each accounted for
    "#);
}

#[test]
fn several_claims_about_one_tenant_are_one_look_at_the_latest() {
    let lab = Lab::with(tenants(1, |_| true));
    let declined = json!({"kind": "error", "class": "declined"});
    let records = [claimed(1, tenant(0), 90), claimed(2, tenant(0), 30), line("claimed", 3, tenant(0), 60, &declined, None)];
    lab.write("records.jsonl", &records.concat());
    let rows = lab.rows(&["--from-records", "records.jsonl"], 0);
    assert_eq!(by_row(rows), [("Customer 2".to_owned(), "-".to_owned(), "granted".to_owned())]);
    assert_eq!(lab.control().upstream_calls(), 2);
}

#[test]
fn piped_records_report_a_lost_approval() {
    let lab = Lab::with(tenants(2, |_| false));
    let records = lab.write("records.jsonl", &[concluded(1, tenant(0), 15, "granted_in_part"), claimed(2, tenant(1), 3)].concat());
    let unwell = Effect::Status { status: 503, code: None, retry_after: None };
    lab.control().fault(Fault::new(FaultAt::Token, unwell).in_tenant(tenant(1))).unwrap();
    let mut command = lab.command(&["verify", "--from-records", "-", "--output", "json", "--attempts", "1"]);
    let output = checked(command.stdin(std::fs::File::open(records).unwrap()).output().unwrap());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let rows = by_row(serde_json::from_slice(&output.stdout).unwrap());
    // In the first 20 minutes, an absent approval may be replication lag.
    assert_eq!(rows[0].2, "pending");
    assert_eq!(rows[1].2, "unavailable");
}

#[test]
fn a_line_whose_texts_could_steer_a_terminal_is_none_of_ours() {
    let lab = Lab::with(tenants(2, |_| true));
    let steering = [r"\u001b[2Jx", r"a\u0007", r"a\nb"].map(|text| claimed(1, tenant(1), 3).replace("Customer 1", text));
    let in_reference = claimed(1, tenant(1), 3).replace("T-1", r"\u001b]0;x");
    lab.write("records.jsonl", &[claimed(0, tenant(0), 3), steering.concat(), in_reference].concat());
    let output = lab.run(&["verify", "--from-records", "records.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        told(&output).starts_with("5 lines: 1 of claims and outcomes, 0 other records, 4 that are not records of this program."),
        "{}",
        told(&output)
    );
    assert!(!shown(&output).contains(['\u{1b}', '\u{7}']), "{}", shown(&output));
}

#[test]
fn resume_continues_with_grown_records_without_repeats() {
    let lab = Lab::with(tenants(3, |_| true));
    let run = ["verify", "--from-records", "records.jsonl", "--to", "results.csv", "--resume"];
    lab.write("records.jsonl", &[claimed(0, tenant(0), 90), claimed(1, tenant(1), 80)].concat());
    assert_eq!(lab.run(&run).status.code(), Some(0));
    lab.control().forget_requests();
    // The last claim about the first tenant has moved to another line, and the second tenant has the first one's old line.
    let grown = [claimed(1, tenant(1), 80), claimed(0, tenant(0), 90), claimed(2, tenant(2), 70), claimed(3, tenant(0), 60)];
    lab.write("records.jsonl", &grown.concat());
    let output = lab.run(&run);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let mut results = csv::Reader::from_path(lab.folder.join("results.csv")).unwrap();
    let mut asked: Vec<String> = results.records().map(|row| row.unwrap()[1].to_owned()).collect();
    asked.sort();
    assert_eq!(asked, [0, 1, 2].map(|number| tenant(number).to_string()));
}
