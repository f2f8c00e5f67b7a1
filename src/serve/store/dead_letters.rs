//! Audit records for dead letters.

use std::io;

use super::DeadLetter;
use crate::installation::Installation;
use crate::record::{MessageLine, Record};

/// An event was given up: no receiver has its outcome, although its `dispatched` record says that it was sent.
pub(super) const NOT_DELIVERED: &str = "not_delivered";
/// An event was held in memory while another process had the store, and could not be stored: no receiver has its outcome.
pub(super) const NOT_STORED: &str = "not_stored";
/// The oldest dead letter was evicted: no command restores it.
const DROPPED: &str = "dropped";

/// Records that the message with this id is given up.
///
/// # Errors
/// The sink's.
pub(super) fn record(installation: &Installation, id: &str, failures: u32, reason: &'static str) -> io::Result<()> {
    installation.records.write(&Record::Failed { message: MessageLine::new(id, failures, Some(reason)) })
}

/// Records that a dead letter was evicted.
pub(super) fn note_dropped(installation: &Installation, dropped: Option<DeadLetter>) {
    let Some(letter) = dropped else { return };
    let id = letter.message_id();
    tracing::error!(message.id = id, "there are too many dead letters; the oldest was dropped");
    if let Err(error) = record(installation, &id, letter.failures, DROPPED) {
        tracing::error!(message.id = id, error.kind = %error.kind(), "that could not be recorded");
    }
}
