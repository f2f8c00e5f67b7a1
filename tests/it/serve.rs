//! `serve` without AWS: the store, the worker in process and the webhook.

mod clients;
mod network;
mod orders;
mod process;
pub(crate) mod store;
#[cfg(unix)]
mod thieves;
pub(crate) mod webhook;
mod whole;
