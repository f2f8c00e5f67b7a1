//! The credential of an app. We read the credential to request a token. If Microsoft refuses the current version, we try the versions of
//! the other stages of a rotation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use time::OffsetDateTime;

use super::Installation;
use crate::aws::secrets::{Reason, SecretStage};
use crate::config::{ConfiguredApp, CredentialSource, SecretSource};
use crate::consent::ProfileId;
use crate::consent::profile::VerifyIn;
use crate::entra::credential::{CertificateKey, Credential};
use crate::entra::verifier::{CredentialFuture, CredentialProvider, CredentialUnavailable};
use crate::sync::locked;
use crate::token::unchecked::{Said, Unchecked};

/// How long we first try a stage that has worked, although it is not the current stage. A rotation ends within this time. Until then, a
/// check sends 1 request for a token instead of 3.
const STAGE_STANDS: Duration = Duration::from_secs(600);
/// How long we skip the other stages after Microsoft refused all stages. In this time, we still read the current stage again, and try a new
/// version.
const REFUSAL_STANDS: Duration = Duration::from_secs(60);

/// What this process remembers about each app's credential.
#[derive(Debug, Default)]
pub(super) struct CredentialMemory(Mutex<HashMap<ProfileId, Memory>>);

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    /// The stage that Microsoft accepted, if it is not the current one, and when Microsoft accepted it.
    works: Option<(SecretStage, OffsetDateTime)>,
    /// When Microsoft had refused all stages, if it did.
    refused: Option<OffsetDateTime>,
}

impl CredentialMemory {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProfileId, Memory>> {
        locked(&self.0)
    }
}

/// The credential of one app, for one check.
pub(super) struct KeptCredential<'s> {
    installation: &'s Installation,
    app: &'s ConfiguredApp,
    /// The credentials that we returned, with their stages. We need the stage if Microsoft accepts a credential.
    given: Mutex<Vec<(SecretStage, Arc<Credential>)>>,
}

impl Installation {
    pub(super) fn credential_of<'s>(&'s self, app: &'s ConfiguredApp) -> KeptCredential<'s> {
        KeptCredential { installation: self, app, given: Mutex::default() }
    }

    /// In a process that has not read the key secret yet, reads the credential for a ticket's check at the same time, which saves a call.
    /// The ticket is not verified yet, so a forged one can cause this read, once in a process.
    pub(crate) async fn read_credential_early(&self, ticket: &str) {
        let is_remote = |source: &SecretSource| matches!(source, SecretSource::SecretsManager(_));
        if !is_remote(&self.config.keys) || self.known_keys().await.is_some() {
            return;
        }
        let Ok(Unchecked { said: Said::Ticket(ticket), .. }) = Unchecked::read(ticket) else { return };
        let app = self.config.app(&ticket.expectation.app).filter(|app| app.profile.verify_in == VerifyIn::Callback);
        let Some(asking) = app.and_then(|app| self.config.verifier_of(app)) else { return };
        let needs_a_call = match &asking.credential {
            Some(CredentialSource::ClientSecret(place) | CredentialSource::Certificate(place)) => is_remote(place),
            Some(CredentialSource::Federated { .. }) => true,
            None => false,
        };
        if needs_a_call {
            // The check takes the credential from the cache, or logs why it is unavailable.
            let _ = self.credential_of(asking).first().await;
        }
    }
}

impl CredentialProvider for KeptCredential<'_> {
    fn credential<'a>(&'a self, refused: &'a [Arc<Credential>]) -> CredentialFuture<'a> {
        Box::pin(async move {
            let (stage, credential) = if refused.is_empty() { self.first().await? } else { self.another(refused).await? };
            self.given().push((stage, Arc::clone(&credential)));
            Ok(credential)
        })
    }

    fn accepted(&self, credential: &Arc<Credential>) {
        let given = self.given().iter().find(|(_, given)| Arc::ptr_eq(given, credential)).map(|(stage, _)| *stage);
        let Some(stage) = given else { return };
        let works = (stage != SecretStage::Current).then(|| (stage, self.installation.clock.now()));
        let before = self.remember(|memory| std::mem::replace(memory, Memory { works, refused: None }));
        if works.is_some() && before.works.is_none_or(|(known, _)| known != stage) {
            tracing::warn!(
                app.id = %self.app.profile.id,
                secret.stage = stage.name(),
                "Microsoft refused the current credential of an app and took another version of it, which stays in use for a while"
            );
        }
    }
}

/// Why we cannot use one version of a credential. The log has the details.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unusable {
    /// The source did not return the version.
    Unread,
    /// The source returned the version, but its content is not a credential.
    Unfit,
}

impl KeptCredential<'_> {
    /// Returns the credential of the stage that worked last, else of the current stage. If the current stage does not contain a credential,
    /// returns that of another stage, because a mistake in a rotation must not break a working credential.
    async fn first(&self) -> Result<(SecretStage, Arc<Credential>), CredentialUnavailable> {
        let source = self.source()?;
        let works = self.remember(|memory| memory.works).filter(|(_, since)| self.is_younger(*since, STAGE_STANDS));
        if let Some((stage, _)) = works
            && let Ok(credential) = self.read(source, stage, false).await
        {
            return Ok((stage, credential));
        }
        match self.read(source, SecretStage::Current, false).await {
            Ok(credential) => return Ok((SecretStage::Current, credential)),
            // If we cannot read the current stage, we cannot read the other stages either, and each attempt costs time.
            Err(Unusable::Unread) => return Err(CredentialUnavailable),
            Err(Unusable::Unfit) => {}
        }
        for stage in self.others(source) {
            if let Ok(credential) = self.read(source, stage, false).await {
                return Ok((stage, credential));
            }
        }
        Err(CredentialUnavailable)
    }

    /// Returns a credential that Microsoft has not refused yet. Reads the current stage again, then the other stages.
    async fn another(&self, refused: &[Arc<Credential>]) -> Result<(SecretStage, Arc<Credential>), CredentialUnavailable> {
        let source = self.source()?;
        let all_refused_lately = self.remember(|memory| memory.refused).is_some_and(|since| self.is_younger(since, REFUSAL_STANDS));
        let others = self.others(source).into_iter().filter(|_| !all_refused_lately);
        for stage in [SecretStage::Current].into_iter().chain(others) {
            if let Ok(credential) = self.read(source, stage, true).await
                && !refused.iter().any(|refused| refused.is_same_as(&credential))
            {
                return Ok((stage, credential));
            }
        }
        if !all_refused_lately {
            let now = self.installation.clock.now();
            self.remember(|memory| *memory = Memory { works: None, refused: Some(now) });
        }
        Err(CredentialUnavailable)
    }

    /// The stages other than the current one. The stage that Entra accepts more likely comes first. If Entra does not know a new
    /// certificate yet, it still accepts the previous certificate. If Entra no longer accepts a secret, it already accepts the next secret.
    fn others(&self, source: &CredentialSource) -> Vec<SecretStage> {
        match source {
            CredentialSource::Certificate(SecretSource::SecretsManager(_)) => vec![SecretStage::Previous, SecretStage::Pending],
            CredentialSource::ClientSecret(SecretSource::SecretsManager(_)) => vec![SecretStage::Pending, SecretStage::Previous],
            CredentialSource::Certificate(_) | CredentialSource::ClientSecret(_) | CredentialSource::Federated { .. } => Vec::new(),
        }
    }

    fn source(&self) -> Result<&CredentialSource, CredentialUnavailable> {
        self.app.credential.as_ref().ok_or_else(|| {
            tracing::error!(app.id = %self.app.profile.id, "the app that verifies has no credential");
            CredentialUnavailable
        })
    }

    async fn read(&self, source: &CredentialSource, stage: SecretStage, doubted: bool) -> Result<Arc<Credential>, Unusable> {
        let place = match source {
            CredentialSource::ClientSecret(place) | CredentialSource::Certificate(place) => place,
            CredentialSource::Federated { audience } => return self.vouched_for(audience, doubted).await,
        };
        let secrets = &self.installation.secrets;
        let secret = if doubted { secrets.refresh_staged(place, stage).await } else { secrets.get_staged(place, stage).await };
        let secret = secret.map_err(|error| {
            // Most of the time, the other stages have no version, so a missing version is no error.
            if stage == SecretStage::Current || error.reason != Reason::NotFound {
                tracing::error!(app.id = %self.app.profile.id, secret.stage = stage.name(), %error, "a credential is unavailable");
            }
            Unusable::Unread
        })?;
        if let CredentialSource::ClientSecret(_) = source {
            return Ok(Arc::new(Credential::ClientSecret((*secret).clone())));
        }
        match CertificateKey::from_pem(&secret) {
            Ok(key) => Ok(Arc::new(Credential::Certificate(key))),
            Err(error) => {
                tracing::error!(app.id = %self.app.profile.id, secret.stage = stage.name(), %error, "a certificate cannot be used");
                Err(Unusable::Unfit)
            }
        }
    }

    async fn vouched_for(&self, audience: &str, doubted: bool) -> Result<Arc<Credential>, Unusable> {
        let identity = &self.installation.web_identity;
        let token = if doubted { identity.refresh(audience).await } else { identity.token(audience).await };
        match token {
            Ok(token) => Ok(Arc::new(Credential::Federated((*token).clone()))),
            Err(error) => {
                tracing::error!(app.id = %self.app.profile.id, %error, "AWS does not vouch for this process");
                Err(Unusable::Unread)
            }
        }
    }

    fn given(&self) -> MutexGuard<'_, Vec<(SecretStage, Arc<Credential>)>> {
        locked(&self.given)
    }

    fn remember<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(self.installation.credentials.lock().entry(self.app.profile.id.clone()).or_default())
    }

    /// Whether `since` is less than `than` ago. If `since` is in the future, the clock went backwards, and the result is `false`.
    fn is_younger(&self, since: OffsetDateTime, than: Duration) -> bool {
        let now = self.installation.clock.now();
        since <= now && now - since < than
    }
}
