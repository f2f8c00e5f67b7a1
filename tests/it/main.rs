//! One integration crate: the real library against the simulated Microsoft, over real HTTP.

mod sandbox;
mod upstream;
mod verify;
