//! The audit records: one JSON line per event, flushed before the event has any further effect (law 2).
//!
//! The schema is `docs/record.schema.json`. No line contains a secret, a token, a raw `state` or a control character.

mod check;
mod line;
mod message;
mod recorder;
mod transition_id;

pub use check::{Measured, UpstreamLine};
pub use line::{
    AddressSource, ApprovalLine, Before, ClaimLine, ClaimedLine, ConclusionLine, Durations, ExpiryLine, FrontDoor, InvitationLine,
    LinkLine, MAX_BYTES, ManglingLine, OutcomeLine, Record, RejectedLine, RejectionLine, RepeatedToken, SCHEMA, VisitLine,
};
pub use message::{Fate, MessageLine, SendsLine};
pub use recorder::{Recorder, Sink};
pub use transition_id::{TransitionId, hashed_id};
