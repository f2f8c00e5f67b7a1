//! AWS's edge: events made safe to parse, and the loop that asks Lambda for them.

pub mod event;
pub mod lambda;
