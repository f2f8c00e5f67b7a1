//! Looking at very many tenants, each for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Site, TimedLook, millis};
use crate::config::ConfiguredApp;
use crate::consent::TenantId;
use crate::entra::http::{ClientFault, Http};
use crate::entra::token::AccessToken;
use crate::verify::{CredentialProvider as _, CredentialUnavailable, HeldLook, Look, LookRequest, NoToken, Occasion, Verifier};

/// Looks at tenants with the site's credentials or with a token that a person holds, and remembers next to nothing: what it keeps does
/// not grow with the number of tenants.
#[derive(Debug)]
pub struct Survey<'s> {
    site: &'s Site,
    verifier: Verifier,
}

impl Site {
    /// A survey in which at most `tokens` tokens are kept, for further apps of the same tenant that the same app verifies.
    #[must_use]
    pub fn survey(&self, tokens: usize) -> Survey<'_> {
        Survey { site: self, verifier: self.verifier.apart(tokens) }
    }
}

impl Survey<'_> {
    /// Looks at an app in a tenant with the credential of whoever verifies it.
    pub async fn look(&self, app: &ConfiguredApp, tenant: TenantId, budget: Duration) -> TimedLook {
        let started = Instant::now();
        let Some(verifier) = self.site.config.verifier_of(app) else {
            return TimedLook { look: Look::nobody_may(self.site.clock.now()), took_millis: 0 };
        };
        let request = LookRequest {
            profile: &app.profile,
            endpoints: &app.endpoints,
            tenant,
            verifier: verifier.profile.client_id,
            credential: &self.site.credential_of(verifier),
            popular: app.is_popular(),
            occasion: Occasion::AfterConsent,
            budget,
        };
        let look = self.verifier.look_anew(request).await;
        TimedLook { look, took_millis: millis(started) }
    }

    /// Looks at an app in a tenant with a person's token for that tenant.
    pub async fn look_with(&self, app: &ConfiguredApp, tenant: TenantId, token: &Arc<AccessToken>, budget: Duration) -> TimedLook {
        let started = Instant::now();
        let question = HeldLook { profile: &app.profile, endpoints: &app.endpoints, tenant, popular: app.is_popular(), budget };
        let look = self.verifier.look_with_token(question, token).await;
        TimedLook { look, took_millis: millis(started) }
    }

    /// Reads the credential of an app, so that a missing one is told once and before anybody is asked.
    ///
    /// # Errors
    /// [`CredentialUnavailable`].
    pub async fn check_credential(&self, app: &ConfiguredApp) -> Result<(), CredentialUnavailable> {
        self.site.credential_of(app).credential(&[]).await.map(|_| ())
    }

    /// A Graph token of an app in a tenant, minted now.
    ///
    /// # Errors
    /// [`NoToken`].
    pub async fn graph_token(&self, app: &ConfiguredApp, tenant: TenantId) -> Result<AccessToken, NoToken> {
        self.verifier.graph_token(&app.endpoints, tenant, app.profile.client_id, &self.site.credential_of(app)).await
    }

    /// The client for the cloud of an app.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub fn http(&self, app: &ConfiguredApp) -> Result<Http, ClientFault> {
        self.verifier.http(&app.endpoints)
    }
}
