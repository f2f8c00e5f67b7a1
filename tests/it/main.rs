//! x
#[cfg(test)]
mod sandbox;
