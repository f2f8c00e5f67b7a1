//! Rules.
pub mod cloud;
pub mod ids;
pub mod text;
