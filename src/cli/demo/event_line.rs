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
        "concluded" if before.is_none_or(|before| before == outcome) => outcome.to_owned(),
        "concluded" => format!("{} becomes {outcome}", before.unwrap_or_default()),
        "settled" => format!("{outcome}, after the last look"),
        "shown" => format!("the page shows {outcome}, because Microsoft shows less than before"),
        "rejected" => format!("refused: {}", text("/rejection/reason").unwrap_or_default()),
        "dispatched" => {
            let sent = [("/sends/order", "the order for another look"), ("/sends/event", "the outcome event")];
            let sent: Vec<&str> = sent.iter().filter(|(at, _)| text(at) == Some("sent")).map(|(_, what)| *what).collect();
            format!("sent: {}", sent.join(" and "))
        }
        _ => record.to_string(),
    };
    let time = text("/at").and_then(|time| time.get(11..19)).unwrap_or_default();
    let about: Vec<&str> = [text("/tenant_name/value"), text("/app").or_else(|| text("/chain"))].into_iter().flatten().collect();
    let colon = if about.is_empty() { "" } else { ": " };
    format!("{time}  {event:<10}  {}{colon}{what}", about.join(", "))
}
