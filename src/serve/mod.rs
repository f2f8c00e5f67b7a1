//! The installation without AWS: an HTTP server, a durable store for orders and outcome events, and the webhook.

pub mod http;
pub mod store;
pub mod webhook;
