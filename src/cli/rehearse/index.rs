//! The index page of a rehearsal, its events, and what a ticket system would do with them.

use std::collections::BTreeMap;

use maud::{PreEscaped, html};
use serde_json::Value;

use super::Rehearsed;
use super::visit::Rehearsal;
use crate::cli::csv_safe::safe_cell;
use crate::cli::document::document;
use crate::file::{self, Readers};
use crate::serve::store::Queue;

/// The events in the order of their time, as a webhook gets them.
async fn events(stage: &Rehearsal) -> Result<Vec<(String, Value)>, String> {
    let now = stage.installation.clock.now_unix().saturating_mul(1_000);
    let mut events = Vec::new();
    loop {
        let due = stage.store.due(Queue::Deliveries, now, 1_000).await.map_err(|error| error.to_string())?;
        if due.is_empty() {
            break;
        }
        for (slot, item) in due {
            stage.store.done(slot).await.map_err(|error| error.to_string())?;
            let event = serde_json::from_str(&item.body).map_err(|error| error.to_string())?;
            events.push((item.body, event));
        }
    }
    events.sort_by_cached_key(|(_, event)| text(event, "/timestamp").to_owned());
    Ok(events)
}

fn text<'e>(event: &'e Value, pointer: &str) -> &'e str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Apps and outcomes of each tenant, from the results of `verify`.
fn outcomes(stage: &Rehearsal) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut results = csv::Reader::from_path(stage.folder.join("results.csv")).map_err(|error| error.to_string())?;
    let mut outcomes = BTreeMap::<String, Vec<String>>::new();
    for row in results.deserialize::<BTreeMap<String, String>>() {
        let row = row.map_err(|error| error.to_string())?;
        let cell = |name: &str| row.get(name).map_or("", String::as_str);
        outcomes.entry(cell("tenant_id").to_owned()).or_default().push(format!("{}: {}", cell("app"), cell("outcome")));
    }
    Ok(outcomes)
}

pub(super) async fn write(stage: &Rehearsal, customers: &[Rehearsed]) -> Result<(), String> {
    let (events, outcomes) = (events(stage).await?, outcomes(stage)?);
    let mut tickets = csv::Writer::from_writer(Vec::new());
    let fields = ["/timestamp", "/data/severity", "/data/subject", "/data/label", "/data/reference", "/data/summary"];
    tickets.write_record(fields.map(|field| field.rsplit('/').next().unwrap_or_default())).map_err(|error| error.to_string())?;
    for (_, event) in &events {
        let cells = fields.map(|field| safe_cell(text(event, field)).into_owned());
        tickets.write_record(cells).map_err(|error| error.to_string())?;
    }
    let tickets = tickets.into_inner().map_err(|error| error.to_string())?;
    let tickets = String::from_utf8(tickets).map_err(|error| error.to_string())?;
    let events: String = events.into_iter().map(|(body, _)| body + "\n").collect();
    let page = page(stage, customers, &outcomes).into_string();
    for (name, text) in [("events.jsonl", &events), ("tickets.csv", &tickets), ("index.html", &page)] {
        file::create(&stage.folder.join(name), text, Readers::Owner).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn page(stage: &Rehearsal, customers: &[Rehearsed], outcomes: &BTreeMap<String, Vec<String>>) -> maud::Markup {
    let title = format!("Rehearsal of {}", stage.installation.config.site.operator);
    let body = html! {
        body.report {
            main.start {
                h1 { (title) }
                p { "Simulated administrators saw these pages. No customer got anything, and no link of the rehearsal works." }
                p {
                    a href="report.html" { "Report" } " · " a href="results.csv" { "Results" } " · " a href="links.csv" { "Links" } " · "
                    a href="events.jsonl" { "Events" } " · " a href="tickets.csv" { "Tickets" } " · " a href="records.jsonl" { "Records" }
                }
                table {
                    thead { tr { th scope="col" { "Customer" } th scope="col" { "Pages that the administrator saw" } th scope="col" { "Outcome" } } }
                    tbody {
                        @for customer in customers {
                            @let mail = format!("links.mails/row-{}.eml", customer.browser.row + 1);
                            tr {
                                th scope="row" {
                                    bdi { (customer.name) }
                                    span.small { "Row " (customer.browser.row) ": " (customer.habit.1) }
                                }
                                td {
                                    ol {
                                        @if stage.folder.join(&mail).exists() { li { a href=(mail) { "The mail" } } }
                                        @for (file, title) in &customer.browser.shown { li { a href=(file) { (PreEscaped(title)) } } }
                                    }
                                }
                                td { ul { @for outcome in outcomes.get(&customer.tenant.to_string()).into_iter().flatten() { li { (outcome) } } } }
                            }
                        }
                    }
                }
            }
        }
    };
    document(&title, &body)
}
