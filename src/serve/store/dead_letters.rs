//! Audit records for dead letters.

use std::io;

use super::DeadLetter;
use crate::installation::Installation;
use crate::record::{MessageLine, Record};

/// The reason of a record: we gave up an event. No receiver has its outcome, although its `dispatched` record says that it was sent.
pub(super) const NOT_DELIVERED: &str = "not_delivered";
/// The reason of a record: an event was in memory while another process had the store, and we could not store it afterwards. No receiver
/// has its outcome.
pub(super) const NOT_STORED: &str = "not_stored";
/// The reason of a record: we evicted the oldest dead letter. No command restores it.
const DROPPED: &str = "dropped";

/// Records that we gave up the message with this id.
///
/// # Errors
/// The sink's error.
pub(super) fn record(installation: &Installation, id: &str, failures: u32, reason: &'static str) -> io::Result<()> {
    installation.records.write(&Record::Failed { message: MessageLine::new(id, failures, Some(reason)) })
}

/// Records that we evicted a dead letter, if we did.
pub(super) fn note_dropped(installation: &Installation, dropped: Option<DeadLetter>) {
    let Some(letter) = dropped else { return };
    let id = letter.message_id();
    tracing::error!(message.id = id, "there are too many dead letters; the oldest was dropped");
    if let Err(error) = record(installation, &id, letter.failures, DROPPED) {
        tracing::error!(message.id = id, error.kind = %error.kind(), "that could not be recorded");
    }
}
