//! Everything that leaves the product: answers, records, orders, events and posts, for each outcome through each front door and for the
//! steps of the worker and of `serve`. `tests/it/golden/walks` contains the structure, `tests/it/golden/texts` the sentences.
//!
//! These tests use the product only from outside: an event of Lambda, a queue or HTTP goes in, and the tests compare what comes out. An
//! internal change without an external effect passes them unchanged. After an intended change, update them with `UPDATE_GOLDEN=1 cargo test
//! --test it goldens` and review the diff in the commit.

mod doors;
mod faults;
mod invitations;
mod names;
mod outcomes;
mod pages;
mod product;
mod rejections;
mod serve;
mod walk;
mod worker;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use self::doors::Door;
use self::product::{Product, Setup};
use self::walk::{Trace, Walk, differences};
use super::support::golden::assert_same;

/// Runs a walk through some doors and compares the results with its goldens. The golden shows the results of the first door in full, and
/// only the differences of the other doors.
async fn golden(name: &str, reached: &str, doors: &[Door], setup: impl Fn() -> Setup, way: impl AsyncFn(&mut Walk)) {
    let mut first: Option<Trace> = None;
    let mut others = Map::new();
    for door in doors {
        let mut walk = Walk::new(Product::new(setup()).await, *door).await;
        way(&mut walk).await;
        let shown = walk.trace();
        match &first {
            None => first = Some(shown),
            Some(first) => {
                let parts = [
                    (&first.usual, &shown.usual),
                    (&first.steps, &shown.steps),
                    (&first.tokens, &shown.tokens),
                    (&first.texts, &shown.texts),
                ];
                let differs: Map<String, Value> = parts.into_iter().flat_map(|(one, other)| differences(one, other)).collect();
                others.insert(door.name().to_owned(), if differs.is_empty() { json!("the same") } else { json!(differs) });
            }
        }
    }
    let shown = first.unwrap();
    let mut golden = json!({ "reached": reached, "usual_headers": shown.usual, "steps": shown.steps, "tokens": shown.tokens });
    if !others.is_empty() {
        golden["through"] = json!(doors[0].name());
        golden["other_doors"] = json!(others);
    }
    keep(name, &golden, &shown.texts);
}

/// Compares a walk and its texts with their files.
fn keep(name: &str, golden: &Value, texts: &Value) {
    assert_same(&format!("walks/{name}.json"), &pretty(golden));
    let texts: Vec<_> = texts.as_array().unwrap().iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect();
    assert_same(&format!("texts/{name}.txt"), &texts.join("\n"));
}

/// Readable JSON: a value that fits on one line is on one line.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(value, 0, 0, &mut text);
    text + "\n"
}

/// Writes a value. `before` is the number of characters that the line already has.
fn write_pretty(value: &Value, depth: usize, before: usize, text: &mut String) {
    let short = value.to_string();
    let items: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, member)| (format!("{}: ", json!(name)), member)).collect(),
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        _ => Vec::new(),
    };
    if items.is_empty() || before + short.len() <= 130 {
        text.push_str(&short);
        return;
    }
    let [open, close] = if value.is_object() { ['{', '}'] } else { ['[', ']'] };
    let indent = "  ".repeat(depth + 1);
    text.push(open);
    for (at, (name, item)) in items.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&indent);
        text.push_str(name);
        write_pretty(item, depth + 1, indent.len() + name.len(), text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(close);
}

#[test]
fn every_outcome_of_the_event_schema_has_a_golden() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/outcome.schema.json")).unwrap();
    let names: BTreeSet<_> = outcome_names(&schema).into_iter().collect();
    assert_eq!(names.len(), 28);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/walks/outcomes");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let goldens: BTreeSet<_> = files.map(|file| file.trim_end_matches(".json").to_owned()).collect();
    assert_eq!(goldens, names);
}

/// The schema's only list that contains `granted`.
fn outcome_names(schema: &Value) -> Vec<String> {
    match schema {
        Value::Array(items) if items.contains(&json!("granted")) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Array(items) => items.iter().flat_map(outcome_names).collect(),
        Value::Object(members) => members.values().flat_map(outcome_names).collect(),
        _ => Vec::new(),
    }
}
