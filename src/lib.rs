//! `entra-consent`: the redirect target for Microsoft Entra admin consent that never believes the redirect.
//!
//! A functional core, one application layer, and edges around it. Dependencies go one way, and a test checks that:
//!
//! ```text
//! bin → cli, lambda, serve → web → approval → installation → record, aws, config → entra, token → consent
//! ```
//!
//! | module | contains |
//! | --- | --- |
//! | [`consent`] | the rules: what a callback says, what Graph shows, what follows. No I/O, no HTTP or AWS type |
//! | [`token`] | the signed tokens (invitation, ticket, receipt, order) and the keys that sign them |
//! | [`entra`] | Microsoft's edge: clouds, credentials, tokens, Graph, and the verifier: (tenant, app) → finding |
//! | [`record`] | the audit records |
//! | [`config`] | `consent.toml` and the environment, parsed once |
//! | [`aws`] | what we ask of AWS: secrets, the queue, the event bus |
//! | [`installation`] | wiring: the one place that builds clients |
//! | [`approval`] | the use cases: the button, the callback, later visits and the worker's follow-up, all through one transition |
//! | [`web`] | what a browser sees: router, pages, headers |
//! | `texts` | every sentence for people, from `locales`, parsed on first use |
//! | [`lambda`] | what arrives from Lambda: HTTP events made safe, queue batches, the runtime loop |
//! | `serve`, `cli` | the server without AWS; the command line (feature `cli`) |
//! | [`outbox`] | the interface for orders and outcome events that leave |
//! | [`expiry`] | the daily task: warn of credentials that expire |
//! | [`env`](mod@env), [`secret`], [`telemetry`] | clock and random numbers, passed in; secrets that cannot be printed; structured logs |

#![cfg_attr(not(feature = "cli"), expect(dead_code, unused_imports, reason = "only the command line uses these items"))]

pub mod approval;
pub mod aws;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod consent;
pub mod entra;
pub mod env;
pub mod expiry;
#[cfg(feature = "cli")]
mod file;
pub mod installation;
pub mod lambda;
pub mod outbox;
mod panics;
pub mod record;
pub mod secret;
#[cfg(feature = "cli")]
pub mod serve;
mod sync;
pub mod telemetry;
mod texts;
pub mod token;
pub mod web;
