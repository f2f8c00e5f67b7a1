//! What the commands for many tenants share: requests with common retries and a common throttle, and a CSV table from which an interrupted
//! run can resume.
//!
//! | file | |
//! | --- | --- |
//! | [`runner`] | how often and when a request is retried, and how Ctrl-C ends a run |
//! | [`throttle`] | how many requests run at once, and the pauses that all of them share |
//! | [`table`] | the CSV table: append, find the end of the complete rows, resume |

pub(super) mod runner;
pub(super) mod table;
pub(super) mod throttle;
