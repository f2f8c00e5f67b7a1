//! Shared by the commands for many tenants: requests that are retried and throttled together, and a CSV table that an interrupted run
//! leaves in a state to resume from.
//!
//! | file | |
//! | --- | --- |
//! | [`runner`] | how often a request is retried, and when; running until the end or Ctrl-C |
//! | [`throttle`] | how many requests run at once, and the pauses that all of them share |
//! | [`table`] | the CSV table: append, find the end of the complete rows, resume |

pub(super) mod runner;
pub(super) mod table;
pub(super) mod throttle;
