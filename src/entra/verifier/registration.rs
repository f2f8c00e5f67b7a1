//! Reads an app's registration in its home tenant: to warn of credentials that expire, and to find configuration errors.

use super::{AskingApp, NoToken, Verifier};
use crate::consent::{ClientId, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::graph::Unread;
use crate::entra::registration::{self, NEEDS, Registration};

/// Which registration to read, and how.
#[derive(Clone, Copy)]
pub(crate) struct RegistrationRequest<'a> {
    /// The app whose registration we read.
    pub(crate) app: ClientId,
    /// The endpoints of the app's cloud.
    pub(crate) endpoints: &'a Endpoints,
    /// The tenant that owns the registration.
    pub(crate) home: TenantId,
    /// The app itself, or its verifier.
    pub(crate) asker: AskingApp<'a>,
}

/// Why we could not read a registration.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationUnread {
    /// `installation.home_tenant` is not set.
    #[error("the configuration does not say which tenant is yours: set site.home_tenant")]
    NoHomeTenant,
    /// No configured app has a credential that could read the registration.
    #[error("no app with a credential may ask: give the app a credential or a verified_by")]
    NobodyAsks,
    /// We got no token in the home tenant.
    #[error(transparent)]
    NoToken(#[from] NoToken),
    /// 403.
    #[error("our rights do not show it: the app that asks needs {NEEDS} (application permission), approved in the home tenant")]
    NotVisible,
    /// 404.
    #[error("there is no such registration in the home tenant: it is registered in another tenant, or site.home_tenant is wrong")]
    NotRegisteredHere,
    /// Any other answer of Graph.
    #[error(transparent)]
    Unread(Unread),
}

impl Verifier {
    /// Reads a registration. There is no cache: reads are rare, and follow a change in the portal.
    ///
    /// # Errors
    /// [`RegistrationUnread`]
    pub(crate) async fn registration(&self, request: RegistrationRequest<'_>) -> Result<Registration, RegistrationUnread> {
        let RegistrationRequest { app, endpoints, home, asker } = request;
        let token = self.graph_token(endpoints, home, asker).await?;
        let http = self.http(endpoints).map_err(NoToken::from)?;
        registration::read(&http, endpoints, &token.secret, app, self.clock.now()).await.map_err(|unread| match unread {
            Unread::NotVisible => RegistrationUnread::NotVisible,
            Unread::NotFound => RegistrationUnread::NotRegisteredHere,
            unread => RegistrationUnread::Unread(unread),
        })
    }
}
