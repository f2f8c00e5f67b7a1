//! `entra-consent`: the redirect target for Microsoft Entra admin consent that never believes the redirect.
//!
//! A functional core inside an imperative shell. Arrows never turn back:
//!
//! ```text
//! bin → cli → web → approval → site → record, aws, config → entra, link → consent
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`consent`] | the rules: what a callback says, what Graph showed, what follows. No I/O, no HTTP or AWS type |
//! | [`link`] | the signed tokens (ticket, receipt, order) and the keys that sign them |
//! | [`verify`] | the use case: (tenant, app) → finding |
//! | [`entra`] | Microsoft's edge: clouds, credentials, tokens, Graph |
//! | [`approval`] | the use cases: start, callback, revisit, follow up; and the one place where an approval moves |
//! | [`web`] | what a browser sees: router, pages, headers |
//! | [`aws`] | AWS's edge: events made safe to parse, secrets |
//! | [`expiry`] | what is done once a day: credentials that end are warned of |
//! | [`outbox`] | orders and outcome events on their way out |
//! | [`record`] | what is kept for an auditor |
//! | [`config`] | `consent.toml` and the environment, parsed once |
//! | [`site`] | the composition root: the one place that builds clients |
//! | [`telemetry`] | structured logs |
//! | [`world`], [`secret`], `sync` | time and randomness, passed in; secrets that cannot be printed; locks |
//! | `cli` | the command line (feature `cli`) |
//!
//! The simulated Microsoft of `demo` and of the tests is a crate of its own, `entra-sandbox`, that knows nothing of this one.

pub mod approval;
pub mod aws;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod consent;
pub mod entra;
pub mod expiry;
pub mod link;
pub mod outbox;
mod panics;
pub mod record;
pub mod secret;
pub mod site;
mod sync;
pub mod telemetry;
pub mod verify;
pub mod web;
pub mod world;
