//! A record as one line for people.

use std::io::{self, Write as _};

use serde_json::Value;

use crate::record::Sink;

/// Prints each record as a line for people. The record itself is printed if it cannot be read.
pub(super) fn sink() -> Sink {
    Sink::new(|record| {
        let mut out = io::stdout().lock();
        match serde_json::from_slice(record) {
            Ok(record) => writeln!(out, "{}", line(&record))?,
            Err(_) => out.write_all(record)?,
        }
        out.flush()
    })
}

fn line(record: &Value) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let event = text("/event").unwrap_or_default();
    let outcome = text("/outcome/after").unwrap_or_default();
    let before = text("/outcome/before");
    let what = match event {
        "seen" => "the invitation was opened".to_owned(),
        "started" => "the button was pressed".to_owned(),
        "claimed" => match record.pointer("/claim/aadsts") {
            Some(code) => format!("the callback claims AADSTS{code}"),
            None => format!("the callback claims {}", text("/claim/kind").unwrap_or_default()),
        },
        "concluded" if before.is_some_and(|before| before != outcome) => format!("{} becomes {outcome}", before.unwrap_or_default()),
        "concluded" | "settled" | "shown" => outcome.to_owned(),
        "rejected" => format!("refused: {}", text("/rejection/reason").unwrap_or_default()),
        "dispatched" => format!("the order for the next check: {}", text("/sends/order").unwrap_or_default()),
        _ => record.to_string(),
    };
    let time = text("/at").and_then(|time| time.get(11..19)).unwrap_or_default();
    let about: Vec<&str> = [text("/tenant_name/value"), text("/app").or_else(|| text("/chain"))].into_iter().flatten().collect();
    let colon = if about.is_empty() { "" } else { ": " };
    format!("{time}  {event:<10}  {}{colon}{what}", about.join(", "))
}
