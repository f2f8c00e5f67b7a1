//! The audit records. Each is one JSON line. We flush the line before the recorded step has any further effect (law 2).
//!
//! The schema is `docs/record.schema.json`. No line contains a secret, a token, a raw `state` or a control character.

mod check;
mod line;
mod message;
mod recorder;
mod transition_id;

pub use check::{Measured, UpstreamLine};
pub use line::{
    AddressSource, ApprovalLine, ClaimedLine, ConclusionLine, Durations, FrontDoor, LinkLine, MAX_BYTES, OutcomeLine, Record, RejectedLine,
    RejectionLine, VisitLine,
};
pub(crate) use line::{ClaimLine, ExpiryLine, InvitationLine, ManglingLine, SCHEMA, WRONG_PATH, in_invocation};
pub use message::MessageLine;
pub(crate) use message::{Fate, SendsLine};
pub use recorder::{Recorder, Sink};
pub use transition_id::{TransitionId, hashed_id};
