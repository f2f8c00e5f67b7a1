//! Reads the tables `[worker]` and `[events]`: when the worker checks again, and which systems receive outcomes.

use std::time::Duration;

use url::Url;

use super::reader::{Item, Reader, Section, ValueFault, address, show_duration};
use super::sections::variable;
use super::{BUS_VARIABLE, EventsConfig, QUEUE_VARIABLE, RECEIVER_VARIABLE, WorkerConfig};
use crate::consent::outcome::{GIVE_UP, PROVISIONAL};
use crate::consent::schedule::Schedule;

pub(super) const WORKER_KEYS: &[&str] = &["queue", "schedule", "every", "late"];
pub(super) const EVENTS_KEYS: &[&str] = &["bus", "receiver"];

/// Most times in one list. Each time costs a message and a check.
const MOST_MOMENTS: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
/// A check is cached for 30 s, so a shorter interval would not reach Microsoft. The upper limit makes sure that a new approval is noticed
/// soon.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(600);

pub(super) fn worker<'t>(reader: &mut Reader<'t>, root: &Section<'t>, env: &dyn Fn(&str) -> Option<String>) -> Option<WorkerConfig> {
    let section = reader.optional_section(root, "worker", WORKER_KEYS)?;
    let queue = match (variable(env, QUEUE_VARIABLE), section.get("queue")) {
        (Some(text), _) => reader.accept_variable(QUEUE_VARIABLE, queue_address(&text)).map(Some),
        (None, Some(item)) => reader.address(&item, queue_address).map(Some),
        (None, None) => Some(None),
    };
    let schedule = schedule(reader, &section);
    Some(WorkerConfig { queue: queue?, schedule: schedule? })
}

pub(super) fn events<'t>(reader: &mut Reader<'t>, root: &Section<'t>, env: &dyn Fn(&str) -> Option<String>) -> Option<EventsConfig> {
    let section = reader.optional_section(root, "events", EVENTS_KEYS)?;
    let receiver = match (variable(env, RECEIVER_VARIABLE), section.get("receiver")) {
        (Some(text), _) => Some(text.into()),
        (None, Some(item)) => Some(reader.text(&item, 200)?.into()),
        (None, None) => None,
    };
    let bus = match (variable(env, BUS_VARIABLE), section.get("bus")) {
        (Some(text), _) => Some(reader.accept_variable(BUS_VARIABLE, bus(&text))?),
        (None, Some(item)) => {
            let text = reader.text(&item, 2048)?;
            Some(reader.accept(&item.at, bus(text))?)
        }
        (None, None) => None,
    };
    Some(EventsConfig { bus, receiver })
}

/// Parses the address of a standard SQS queue. A FIFO queue does not support a delay for a single message, and the schedule consists of
/// such delays.
fn queue_address(text: &str) -> Result<Url, ValueFault> {
    let url = address(text)?;
    let segments: Vec<&str> = url.path_segments().map(|segments| segments.filter(|part| !part.is_empty()).collect()).unwrap_or_default();
    match segments.as_slice() {
        [.., name] if name.ends_with(".fifo") => Err(("it is a FIFO queue, which delays no single message", "make a standard queue")),
        [_, ..] if url.query().is_none() && url.fragment().is_none() => Ok(url),
        _ => Err(("it is not the address of a queue", "copy the queue's URL: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")),
    }
}

/// Names and ARNs of event buses: letters, digits and `/_.-`, in an ARN also `:`.
fn bus(text: &str) -> Result<Box<str>, ValueFault> {
    let is_bus = (1..=1600).contains(&text.len())
        && ((text.starts_with("arn:") && text.contains(":event-bus/")) || !text.contains(':'))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_.-:".contains(&byte));
    let remedy = "write the name or the ARN of an EventBridge bus, such as \"default\"";
    is_bus.then(|| text.into()).ok_or(("it is neither the name nor the ARN of an event bus", remedy))
}

fn schedule<'t>(reader: &mut Reader<'t>, section: &Section<'t>) -> Option<Schedule> {
    let default = Schedule::default();
    let first = section.get("schedule").map_or(Some(default.first), |item| moments(reader, &item, SECOND..=PROVISIONAL - SECOND));
    let every = reader.duration(section, "every", default.every, EVERY);
    let late = section.get("late").map_or(Some(default.late), |item| late(reader, &item));
    Some(Schedule { first: first?, every: every?, late: late? })
}

fn late<'t>(reader: &mut Reader<'t>, item: &Item<'t>) -> Option<Vec<Duration>> {
    let late = moments(reader, item, PROVISIONAL + SECOND..=GIVE_UP)?;
    if late.last() != Some(&GIVE_UP) {
        let what = "the last look is not a day after the callback, and only then an absence is final";
        return reader.fail(&item.at, what, "let the list end with \"24h\"");
    }
    Some(late)
}

/// Reads durations after the callback, each longer than the one before.
fn moments<'t>(reader: &mut Reader<'t>, item: &Item<'t>, bounds: std::ops::RangeInclusive<Duration>) -> Option<Vec<Duration>> {
    let Some(elements) = item.elements().filter(|elements| elements.len() <= MOST_MOMENTS) else {
        let remedy = format!("write at most {MOST_MOMENTS} durations in brackets: [\"5s\", \"15s\"]");
        return reader.fail(&item.at, "it is not a list of moments after the callback", remedy);
    };
    let moments: Vec<_> = elements.iter().map(|element| reader.duration_of(element, bounds.clone())).collect();
    let moments: Vec<Duration> = moments.into_iter().collect::<Option<_>>()?;
    for (element, pair) in elements.iter().skip(1).zip(moments.windows(2)) {
        if let [before, this] = pair
            && this <= before
        {
            let what = format!("it is not later than {}, the moment before it", show_duration(*before));
            return reader.fail(&element.at, what, "count each moment from the callback, in ascending order");
        }
    }
    Some(moments)
}
