//! What a browser sees: one router for every front door.

pub mod request;

pub use request::{FrontDoor, Request};
