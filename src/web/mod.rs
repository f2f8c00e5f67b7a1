//! What a browser sees: one router for every front door.

pub mod headers;
pub mod pages;
pub mod request;
pub mod words;

pub use request::{FrontDoor, Request};
