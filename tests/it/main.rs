//! x
mod pages;
