//! Finds out when an app's credential expires, from the certificate, the configuration or the registration.

use time::OffsetDateTime;

use super::Installation;
use crate::aws::secrets::SecretStage;
use crate::config::{ConfiguredApp, CredentialSource};
use crate::entra::credential::CertificateKey;
use crate::entra::registration::Registration;
use crate::entra::verifier::RegistrationUnread;
use crate::secret::Secret;

/// When a credential expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialEnd {
    /// The credential expires at this time. The source of the time is the second field.
    At(OffsetDateTime, ToldBy),
    /// The credential never expires, because we store no secret and no certificate.
    Never,
    /// We could not find out when the credential expires. The text is the reason, without a full stop at its end.
    Unseen(Box<str>),
}

crate::consent::named! {
    /// The source of an expiry date.
    pub enum ToldBy {
        /// The certificate (`notAfter`).
        Certificate = "certificate",
        /// `credential.expires` of `consent.toml`.
        Configuration = "configuration",
        /// The app's registration in the home tenant.
        Registration = "registration",
    }
}

impl CredentialEnd {
    fn unseen(why: impl Into<Box<str>>) -> Self {
        Self::Unseen(why.into())
    }
}

impl Installation {
    /// Returns when an app's credential expires if the configuration alone says so, else `None`.
    pub(crate) fn credential_end_configured(app: &ConfiguredApp) -> Option<CredentialEnd> {
        match app.credential.as_ref()? {
            CredentialSource::Federated { .. } => Some(CredentialEnd::Never),
            CredentialSource::ClientSecret(_) => app.credential_expires.map(|end| CredentialEnd::At(end, ToldBy::Configuration)),
            CredentialSource::Certificate(_) => None,
        }
    }

    /// Returns when an app's credential expires, or `None` for an app without a credential. Reads the registration only for a client secret
    /// whose expiry the configuration omits.
    pub(crate) async fn credential_end(&self, app: &ConfiguredApp) -> Option<CredentialEnd> {
        let registration = match app.credential.as_ref()? {
            CredentialSource::ClientSecret(_) if app.credential_expires.is_none() => self.registration(app).await,
            CredentialSource::ClientSecret(_) | CredentialSource::Certificate(_) | CredentialSource::Federated { .. } => {
                Err(RegistrationUnread::NobodyAsks)
            }
        };
        self.credential_end_with(app, registration.as_ref()).await
    }

    /// As [`Self::credential_end`], with a registration that the caller has read, or with the reason why the caller has no registration.
    pub(crate) async fn credential_end_with(
        &self,
        app: &ConfiguredApp,
        registration: Result<&Registration, &RegistrationUnread>,
    ) -> Option<CredentialEnd> {
        if let Some(end) = Self::credential_end_configured(app) {
            return Some(end);
        }
        let source = app.credential.as_ref()?;
        let secret = match self.secrets.get_staged(source.kept_in()?, SecretStage::Current).await {
            Ok(secret) => secret,
            Err(error) => return Some(CredentialEnd::unseen(format!("it cannot be read: {}", error.reason))),
        };
        Some(match (source, registration) {
            (CredentialSource::Certificate(_), _) => match CertificateKey::from_pem(&secret) {
                Err(error) => CredentialEnd::unseen(format!("it cannot be used: {error}")),
                Ok(key) => match key.ends() {
                    Some(end) => CredentialEnd::At(end, ToldBy::Certificate),
                    None => CredentialEnd::unseen("the certificate cannot be taken apart"),
                },
            },
            (_, Ok(registration)) => end_of_secret(&secret, registration, self.clock.now()),
            (_, Err(unread)) => CredentialEnd::unseen(format!("{unread}; or say it in credential.expires")),
        })
    }
}

/// Returns when a secret expires, from the registration. Several secrets of a registration may be ours. If so, returns the next expiry of
/// these secrets, or the latest expiry if all have expired.
fn end_of_secret(secret: &Secret, registration: &Registration, now: OffsetDateTime) -> CredentialEnd {
    let like_ours = |wanted: Option<bool>| registration.secrets.iter().filter(move |one| one.may_be(secret) == wanted);
    let mut candidates: Vec<_> = like_ours(Some(true)).collect();
    if candidates.is_empty() {
        candidates = like_ours(None).collect();
    }
    if candidates.is_empty() {
        return CredentialEnd::unseen("no secret of the registration begins like ours: it was removed there, or belongs to another app");
    }
    let ends = candidates.into_iter().filter_map(|one| one.ends);
    let (ahead, over): (Vec<_>, Vec<_>) = ends.partition(|end| *end > now);
    match ahead.into_iter().min().or_else(|| over.into_iter().max()) {
        Some(end) => CredentialEnd::At(end, ToldBy::Registration),
        None => CredentialEnd::unseen("the registration does not say when it ends"),
    }
}
