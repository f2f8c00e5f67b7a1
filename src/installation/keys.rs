//! The keys that sign tokens. We read them on first use, and again if a token names a newer key.

use std::sync::Arc;

use super::Installation;
use crate::secret::Secret;
use crate::token::{KeyRing, Signer};

/// The key ring with the secret that it comes from, so that we parse it once.
#[derive(Debug)]
pub(super) struct KnownKeys {
    secret: Arc<Secret>,
    ring: Arc<KeyRing>,
}

/// We cannot read the signing keys, so we can neither open nor make a token.
#[derive(Debug, thiserror::Error)]
#[error("the key that signs links is unavailable: {0}")]
pub struct KeysUnavailable(pub(crate) String);

impl Installation {
    /// The keys that sign tokens.
    ///
    /// # Errors
    /// [`KeysUnavailable`] if we cannot read the key secret or cannot sign with it.
    pub async fn keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.get(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
    }

    /// The keys of the last use. A request opens its token with them, so we sign the tokens of its answer with them too. A refresh of the
    /// cached secret would cost time while the browser waits.
    ///
    /// # Errors
    /// As [`Self::keys`], if this process has not used any keys yet.
    pub(crate) async fn cached_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        match self.known_keys().await {
            Some(ring) => Ok(ring),
            None => self.keys().await,
        }
    }

    async fn known_keys(&self) -> Option<Arc<KeyRing>> {
        self.keys.lock().await.as_ref().map(|known| Arc::clone(&known.ring))
    }

    /// As [`Self::cached_keys`], after at most one read of the key secret a minute.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub(crate) async fn probed_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        match self.known_keys().await {
            Some(ring) => Ok(ring),
            None => self.ring(self.secrets.probe(&self.config.keys).await.map_err(|error| error.to_string())).await,
        }
    }

    /// As [`Self::keys`], after a new read of the key secret (at most one a minute): for a key newer than our copy.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub(crate) async fn refreshed_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.refresh(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
    }

    /// Reads the key secret again now, and every other secret at its next use: the operator has exchanged one.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub(crate) async fn reload_secrets(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        self.secrets.expire();
        self.keys().await
    }

    async fn ring(&self, secret: Result<Arc<Secret>, String>) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let unavailable = |reason: String| {
            tracing::error!(reason, "the key that signs links is unavailable");
            KeysUnavailable(reason)
        };
        let secret = secret.map_err(unavailable)?;
        let mut known = self.keys.lock().await;
        if let Some(known) = known.as_ref()
            && Arc::ptr_eq(&known.secret, &secret)
        {
            return Ok(Arc::clone(&known.ring));
        }
        match (KeyRing::parse(&secret), known.as_ref()) {
            (Ok(ring), _) => {
                let ring = Arc::new(ring);
                *known = Some(KnownKeys { secret, ring: Arc::clone(&ring) });
                Ok(ring)
            }
            // A slip in a rotation must not break a working key.
            (Err(error), Some(known)) => {
                tracing::error!(%error, "the new key secret cannot be used; the keys read before stay in use");
                Ok(Arc::clone(&known.ring))
            }
            (Err(error), None) => Err(unavailable(error.to_string())),
        }
    }

    /// Signs and opens tokens with these keys, at the current time.
    #[must_use]
    pub fn signer<'a>(&'a self, keys: &'a KeyRing) -> Signer<'a> {
        Signer { keys, issuer: self.issuer(), now: self.clock.now_unix() }
    }
}
