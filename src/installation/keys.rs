//! The keys that sign tokens. We read the keys on first use, and again if a token names a key that we do not know.

use std::sync::Arc;

use super::Installation;
use crate::secret::Secret;
use crate::token::{KeyRing, Signer};

/// The key ring and the secret that contains it. We parse a secret only once.
#[derive(Debug)]
pub(super) struct KnownKeys {
    secret: Arc<Secret>,
    ring: Arc<KeyRing>,
}

/// We cannot use the signing keys, so we can neither open nor sign a token.
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

    /// The keys of the last use. A request that has opened its token signs its answer with the same keys. A new read of the key secret
    /// would cost time while the browser waits.
    ///
    /// # Errors
    /// As [`Self::keys`], if this process has not used any keys yet.
    pub(crate) async fn cached_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        match self.known_keys().await {
            Some(ring) => Ok(ring),
            None => self.keys().await,
        }
    }

    pub(super) async fn known_keys(&self) -> Option<Arc<KeyRing>> {
        self.keys.lock().await.as_ref().map(|known| Arc::clone(&known.ring))
    }

    /// As [`Self::cached_keys`], but reads the key secret at most once a minute.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub(crate) async fn probed_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        match self.known_keys().await {
            Some(ring) => Ok(ring),
            None => self.ring(self.secrets.probe(&self.config.keys).await.map_err(|error| error.to_string())).await,
        }
    }

    /// As [`Self::keys`], but reads the key secret again, at most once a minute. We need this for a key that is newer than our copy.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub(crate) async fn refreshed_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.refresh(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
    }

    /// Reads the key secret again now, and every other secret at its next use. We need this after the operator has exchanged a secret.
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
            // A mistake in a rotation must not break a working key.
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
