//! Looking at very many tenants, each for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::look::look_request;
use super::{Site, TimedLook};
use crate::config::ConfiguredApp;
use crate::consent::TenantId;
use crate::entra::http::{ClientFault, Http};
use crate::entra::token::AccessToken;
use crate::verify::{Asker, AskingApp, CredentialProvider as _, CredentialUnavailable, NoToken, Occasion, Verifier};

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
        let Some(asking) = self.site.config.verifier_of(app) else {
            return TimedLook::nobody_may(self.site.clock.now());
        };
        let asker = AskingApp { client: asking.profile.client_id, credential: &self.site.credential_of(asking) };
        self.timed(app, tenant, Asker::App(asker), budget).await
    }

    /// Looks at an app in a tenant with a person's token for that tenant.
    pub async fn look_with(&self, app: &ConfiguredApp, tenant: TenantId, token: &Arc<AccessToken>, budget: Duration) -> TimedLook {
        self.timed(app, tenant, Asker::Person(token), budget).await
    }

    async fn timed(&self, app: &ConfiguredApp, tenant: TenantId, asker: Asker<'_>, budget: Duration) -> TimedLook {
        let started = Instant::now();
        let look = self.verifier.look_now(look_request(app, tenant, asker, Occasion::Overview, budget)).await;
        TimedLook::new(look, started)
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
        let asker = AskingApp { client: app.profile.client_id, credential: &self.site.credential_of(app) };
        self.verifier.graph_token(&app.endpoints, tenant, asker).await
    }

    /// The client for the cloud of an app.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub fn http(&self, app: &ConfiguredApp) -> Result<Http, ClientFault> {
        self.verifier.http(&app.endpoints)
    }
}
