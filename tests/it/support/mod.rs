//! What several tests share: the outside world's stand-ins.

pub(crate) mod golden;
pub(crate) mod http2;
pub(crate) mod moto;
pub(crate) mod northwind;
pub(crate) mod outbox;
pub(crate) mod runtime_api;
pub(crate) mod service;
pub(crate) mod site;
pub(crate) mod stage;
pub(crate) mod terminal;

/// The same id in another type: the sandbox and the product each have id types of their own.
pub(crate) fn same_id<T: std::str::FromStr<Err: std::fmt::Debug>>(id: impl std::fmt::Display) -> T {
    id.to_string().parse().unwrap()
}
