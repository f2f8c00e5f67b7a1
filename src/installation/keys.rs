//! The keys that sign links: read when they are first needed, and again where a token names one that is younger.

use std::sync::Arc;

use super::Installation;
use crate::secret::Secret;
use crate::token::{Flaw, KeyRing, Signer};

/// The key ring beside the secret it was read from, so that it is parsed once.
#[derive(Debug)]
pub(super) struct KnownKeys {
    secret: Arc<Secret>,
    ring: Arc<KeyRing>,
}

/// The key that signs links cannot be had: no ticket can be opened and none be made.
#[derive(Debug, thiserror::Error)]
#[error("the key that signs links is unavailable: {0}")]
pub struct KeysUnavailable(pub String);

impl Installation {
    /// The keys that sign links.
    ///
    /// # Errors
    /// [`KeysUnavailable`] when the key secret cannot be read or is not fit to sign with.
    pub async fn keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.get(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
    }

    /// The keys that were used last, for signing what a request leads to: it opened a token with them. Nobody is asked, because a key secret
    /// that has just grown too old would be read now, on time that the browser has not got.
    ///
    /// # Errors
    /// As [`Self::keys`], where none were used yet.
    pub(crate) async fn cached_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let cached = self.keys.lock().await.as_ref().map(|known| Arc::clone(&known.ring));
        match cached {
            Some(ring) => Ok(ring),
            None => self.keys().await,
        }
    }

    /// As [`Self::keys`], after the key secret was read again (at most once a minute): for a key that is younger than our copy.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn refreshed_keys(&self) -> Result<Arc<KeyRing>, KeysUnavailable> {
        let secret = self.secrets.refresh(&self.config.keys).await;
        self.ring(secret.map_err(|error| error.to_string())).await
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
            // A slip in a rotation must not stop what still works.
            (Err(error), Some(known)) => {
                tracing::error!(%error, "the new key secret cannot be used; the keys read before stay in use");
                Ok(Arc::clone(&known.ring))
            }
            (Err(error), None) => Err(unavailable(error.to_string())),
        }
    }

    /// Opens a token of any kind. An unknown key may be one that was made since we last read the key secret: it is read again, at
    /// most once a minute, and the token tried once more.
    ///
    /// # Errors
    /// [`KeysUnavailable`]; inside, the token's [`Flaw`].
    pub async fn open<T>(&self, token: impl Fn(Signer<'_>) -> Result<T, Flaw>) -> Result<Result<T, Flaw>, KeysUnavailable> {
        let keys = self.keys().await?;
        match token(self.signer(&keys)) {
            Err(Flaw::UnknownKey) => {
                let keys = self.refreshed_keys().await?;
                Ok(token(self.signer(&keys)))
            }
            opened => Ok(opened),
        }
    }

    /// Signs and opens with these keys, now.
    #[must_use]
    pub fn signer<'a>(&'a self, keys: &'a KeyRing) -> Signer<'a> {
        Signer { keys, issuer: self.issuer(), now: self.clock.now_unix() }
    }
}
