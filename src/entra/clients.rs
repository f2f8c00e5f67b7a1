//! The HTTP clients of a process, one for each cloud.

use std::sync::{Arc, Mutex};

use super::cloud::Endpoints;
use super::http::{ClientFault, Http};
use crate::env::{Rng, Roots};
use crate::sync::locked;

/// Makes the client for a cloud when a caller first needs it. Clones share the clients, and so the connections.
#[derive(Debug, Clone)]
pub struct Clients {
    roots: Roots,
    rng: Rng,
    made: Arc<Mutex<Vec<(Endpoints, Http)>>>,
}

impl Clients {
    /// No client yet.
    #[must_use]
    pub fn new(roots: Roots, rng: Rng) -> Self {
        Self { roots, rng, made: Arc::default() }
    }

    /// The client for a cloud.
    ///
    /// # Errors
    /// [`ClientFault`] if no client can be built.
    pub(crate) fn of(&self, endpoints: &Endpoints) -> Result<Http, ClientFault> {
        let mut made = locked(&self.made);
        if let Some((_, http)) = made.iter().find(|(known, _)| known == endpoints) {
            return Ok(http.clone());
        }
        let http = Http::new(self.roots, endpoints, self.rng.clone())?;
        made.push((endpoints.clone(), http.clone()));
        Ok(http)
    }
}
