//! The credential of an app: read when a token has to be minted, and looked for in the other stages of a rotation where Microsoft
//! refuses the one in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use time::OffsetDateTime;

use super::Installation;
use crate::aws::secrets::{Reason, SecretStage};
use crate::config::{ConfiguredApp, CredentialSource, SecretSource};
use crate::consent::ProfileId;
use crate::entra::credential::{CertificateKey, Credential};
use crate::entra::verifier::{CredentialFuture, CredentialProvider, CredentialUnavailable};
use crate::sync::locked;

/// How long a stage that worked is tried before the current one: a rotation ends within it, and until then each look pays for one
/// token and not for three.
const STAGE_STANDS: Duration = Duration::from_secs(600);
/// How long other stages are left alone after all of them were refused. What Secrets Manager has by then is still read and tried.
const REFUSAL_STANDS: Duration = Duration::from_secs(60);

/// What looks of this process remember of credentials, by app.
#[derive(Debug, Default)]
pub(super) struct CredentialMemory(Mutex<HashMap<ProfileId, Memory>>);

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    /// A stage other than the current one that Microsoft took, and when.
    works: Option<(SecretStage, OffsetDateTime)>,
    /// When Microsoft had refused all there was.
    refused: Option<OffsetDateTime>,
}

impl CredentialMemory {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProfileId, Memory>> {
        locked(&self.0)
    }
}

/// The credential of one app, for one look.
pub(super) struct KeptCredential<'s> {
    installation: &'s Installation,
    app: &'s ConfiguredApp,
    /// What was given, so that the stage of one that is taken is known.
    given: Mutex<Vec<(SecretStage, Arc<Credential>)>>,
}

impl Installation {
    /// The credential of an app that verifies.
    pub(super) fn credential_of<'s>(&'s self, app: &'s ConfiguredApp) -> KeptCredential<'s> {
        KeptCredential { installation: self, app, given: Mutex::default() }
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

/// Why a version of a credential cannot be used. The log says more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unusable {
    /// It cannot be read.
    Unread,
    /// It is there and no credential.
    Unfit,
}

impl KeptCredential<'_> {
    /// The stage that worked last, else the current one. Where that one is no credential, another that is: a slip in a rotation must
    /// not stop what still works.
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
            // Whoever cannot read this one cannot read the others either, and each attempt costs time.
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

    /// One that was not refused yet: the current one as it is kept by now, then other stages.
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

    /// Stages beside the current one, the likelier first. A certificate that Entra does not know yet has a predecessor that it knows
    /// still; a secret that it does not know any more has a successor.
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
            // Most of the time nothing has one of the other stages.
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

    /// Moments ahead are a clock that went backwards, and count for nothing.
    fn is_younger(&self, since: OffsetDateTime, than: Duration) -> bool {
        let now = self.installation.clock.now();
        since <= now && now - since < than
    }
}
