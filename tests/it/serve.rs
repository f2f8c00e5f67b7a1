//! `serve` without AWS: the store, the worker in process and the webhook.

mod store;
mod webhook;
