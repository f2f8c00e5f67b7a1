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
