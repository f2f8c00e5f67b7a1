//! Shared test code: simulations of the outside world.

pub(crate) mod golden;
pub(crate) mod http2;
pub(crate) mod installation;
pub(crate) mod moto;
pub(crate) mod northwind;
pub(crate) mod order;
pub(crate) mod outbox;
pub(crate) mod relay;
pub(crate) mod runtime_api;
pub(crate) mod service;
pub(crate) mod stage;
pub(crate) mod terminal;

/// Converts an ID to another type: the sandbox and the product have separate ID types.
pub(crate) fn same_id<T: std::str::FromStr<Err: std::fmt::Debug>>(id: impl std::fmt::Display) -> T {
    id.to_string().parse().unwrap()
}
