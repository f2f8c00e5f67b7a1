//! Structured logs for the operator: one JSON object per line on standard error. Records for an auditor are not logs: they go to standard
//! output (see [`record`](crate::record)).
//!
//! At no level do logs contain secrets, tokens, tickets, queries, bodies, headers, addresses or the text of a panic, which may contain any
//! of these. Other crates log only from WARN upwards. Below WARN, HTTP clients and lambda_runtime print what they send and receive, and
//! lambda_runtime 1.5 ends the process if it cannot print an event.

use std::io::Write;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Starts logging, and limits panic messages to the place of the panic.
///
/// `level` is a name as Lambda's advanced logging controls spell it (`AWS_LAMBDA_LOG_LEVEL`: TRACE, DEBUG, INFO, WARN, ERROR, FATAL), in
/// any case. `None` and unknown names mean INFO. The fields `timestamp` and `level` have the names and formats that Lambda expects in JSON
/// logs; otherwise Lambda treats every line as INFO.
///
/// # Errors
/// If logging has already started.
pub fn init(level: Option<&str>) -> Result<(), TryInitError> {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let line = panic_line(OffsetDateTime::now_utc(), location.as_deref());
        // This does not go through `tracing`, because the panic may come from there. If the write fails too, no channel is left to report
        // it.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }));
    tracing_subscriber::registry().with(layer(level, std::io::stderr)).try_init()
}

fn layer<S, W>(level: Option<&str>, writer: W) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
    W: for<'writer> tracing_subscriber::fmt::MakeWriter<'writer> + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(targets(level))
}

fn targets(level: Option<&str>) -> Targets {
    let ours = level.and_then(parse).unwrap_or(Level::INFO);
    Targets::new().with_default(LevelFilter::from_level(ours.min(Level::WARN))).with_target(env!("CARGO_CRATE_NAME"), ours)
}

/// Parses the name of a level. tracing has no FATAL, and its own parser would take that word for the name of a target.
fn parse(level: &str) -> Option<Level> {
    let level = level.trim();
    if level.eq_ignore_ascii_case("FATAL") { Some(Level::ERROR) } else { level.parse().ok() }
}

fn panic_line(now: OffsetDateTime, location: Option<&str>) -> String {
    serde_json::json!({
        "timestamp": now.format(&Rfc3339).unwrap_or_default(),
        "level": "ERROR",
        "message": "panicked",
        "panic.location": location,
        "target": env!("CARGO_CRATE_NAME"),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use time::macros::datetime;
    use tracing::subscriber::with_default;
    use tracing::{debug, error, info, trace, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Option<&str>, log: impl FnOnce()) -> Vec<Value> {
        let sink = Sink::default();
        let writer = sink.clone();
        with_default(tracing_subscriber::registry().with(layer(level, move || writer.clone())), log);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn messages(level: Option<&str>, log: impl FnOnce()) -> Vec<String> {
        logged(level, log).iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_line_has_what_lambda_files_it_by() {
        let lines = logged(None, || {
            let _span = tracing::error_span!("invocation", requestId = "r-1").entered();
            warn!(attempts = 2, "no answer");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&line["level"], &line["message"], &line["attempts"]), (&"WARN".into(), &"no answer".into(), &2.into()));
        assert_eq!(line["span"]["requestId"], "r-1");
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(OffsetDateTime::parse(timestamp, &Rfc3339).is_ok(), "{timestamp}");
    }

    #[test]
    fn the_level_is_ours_alone_and_others_stay_at_warn() {
        let all = || {
            error!("ours error");
            warn!("ours warn");
            info!("ours info");
            debug!("ours debug");
            trace!("ours trace");
            for_others();
        };
        let others = ["others error", "others warn"];
        let ours = |names: &[&str]| names.iter().map(|name| format!("ours {name}")).collect::<Vec<_>>();
        let with_others = |mut ours: Vec<String>, others: &[&str]| {
            ours.extend(others.iter().map(ToString::to_string));
            ours
        };
        for (level, expected) in [
            (None, with_others(ours(&["error", "warn", "info"]), &others)),
            (Some("INFO"), with_others(ours(&["error", "warn", "info"]), &others)),
            (Some("trace"), with_others(ours(&["error", "warn", "info", "debug", "trace"]), &others)),
            (Some(" Debug "), with_others(ours(&["error", "warn", "info", "debug"]), &others)),
            (Some("WARN"), with_others(ours(&["error", "warn"]), &others)),
            (Some("ERROR"), with_others(ours(&["error"]), &others[..1])),
            (Some("FATAL"), with_others(ours(&["error"]), &others[..1])),
            (Some("nonsense=trace"), with_others(ours(&["error", "warn", "info"]), &others)),
        ] {
            assert_eq!(messages(level, all), expected, "{level:?}");
        }
    }

    fn for_others() {
        error!(target: "hyper::client", "others error");
        warn!(target: "lambda_runtime", "others warn");
        info!(target: "aws_config", "others info");
        debug!(target: "reqwest::connect", "others debug");
        trace!(target: "h2", "others trace");
    }

    #[test]
    fn a_panic_is_one_json_line_with_its_place() {
        let line = panic_line(datetime!(2026-11-02 10:00:00 UTC), Some("src/x.rs:1:2"));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "timestamp": "2026-11-02T10:00:00Z", "level": "ERROR", "message": "panicked", "panic.location": "src/x.rs:1:2",
                "target": "entra_consent",
            })
        );
    }
}
