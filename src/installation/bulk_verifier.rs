//! Checks a large number of tenants in one run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::check_request;
use super::{Installation, TimedCheck};
use crate::config::ConfiguredApp;
use crate::consent::TenantId;
use crate::entra::http::{ClientFault, Http};
use crate::entra::token::AccessToken;
use crate::entra::verifier::{Asker, AskingApp, CheckReason, CredentialProvider as _, CredentialUnavailable, NoToken, Verifier};

/// Checks tenants with the installation's credentials or with a person's token. Its use of memory does not grow with the number of tenants.
#[derive(Debug)]
pub(crate) struct BulkVerifier<'s> {
    installation: &'s Installation,
    verifier: Verifier,
}

impl Installation {
    /// A bulk verifier that caches at most `tokens` tokens. It reuses a token for further apps that have the same verifier in the same
    /// tenant.
    pub(crate) fn bulk_verifier(&self, tokens: usize) -> BulkVerifier<'_> {
        BulkVerifier { installation: self, verifier: self.verifier.apart(tokens) }
    }
}

impl BulkVerifier<'_> {
    /// Checks an app in a tenant with the credential of its verifier.
    pub(crate) async fn check(&self, app: &ConfiguredApp, tenant: TenantId, budget: Duration) -> TimedCheck {
        let Some(asking) = self.installation.config.verifier_of(app) else {
            return TimedCheck::without_verifier(self.installation.clock.now());
        };
        let asker = AskingApp { client: asking.profile.client_id, credential: &self.installation.credential_of(asking) };
        self.timed(app, tenant, Asker::App(asker), budget).await
    }

    /// Checks an app in a tenant with a person's token for that tenant.
    pub(crate) async fn check_with(&self, app: &ConfiguredApp, tenant: TenantId, token: &Arc<AccessToken>, budget: Duration) -> TimedCheck {
        self.timed(app, tenant, Asker::Person(token), budget).await
    }

    async fn timed(&self, app: &ConfiguredApp, tenant: TenantId, asker: Asker<'_>, budget: Duration) -> TimedCheck {
        let started = Instant::now();
        let check = self.verifier.check_now(check_request(app, tenant, asker, CheckReason::Overview, budget)).await;
        TimedCheck::new(check, started)
    }

    /// Reads the credential of an app, so that the caller can report a missing credential once, before the first call to Microsoft.
    ///
    /// # Errors
    /// [`CredentialUnavailable`].
    pub(crate) async fn check_credential(&self, app: &ConfiguredApp) -> Result<(), CredentialUnavailable> {
        self.installation.credential_of(app).credential(&[]).await.map(|_| ())
    }

    /// Requests a Graph token for an app in a tenant.
    ///
    /// # Errors
    /// [`NoToken`].
    pub(crate) async fn graph_token(&self, app: &ConfiguredApp, tenant: TenantId) -> Result<AccessToken, NoToken> {
        let asker = AskingApp { client: app.profile.client_id, credential: &self.installation.credential_of(app) };
        self.verifier.graph_token(&app.endpoints, tenant, asker).await
    }

    /// The client for the app's cloud.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub(crate) fn http(&self, app: &ConfiguredApp) -> Result<Http, ClientFault> {
        self.verifier.http(&app.endpoints)
    }
}
