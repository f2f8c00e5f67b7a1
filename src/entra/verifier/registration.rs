//! What an app's registration says, read in its home tenant: for warnings of credentials that end, and for finding out what is wrong.

use super::{AskingApp, NoToken, Verifier};
use crate::consent::{ClientId, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::graph::Unread;
use crate::entra::registration::{self, NEEDS, Registration};

/// Whose registration to read, and with what.
#[derive(Clone, Copy)]
pub struct RegistrationRequest<'a> {
    /// The app.
    pub app: ClientId,
    /// Its cloud.
    pub endpoints: &'a Endpoints,
    /// The tenant it is registered in.
    pub home: TenantId,
    /// Who asks: the app itself, or the one that verifies it.
    pub asker: AskingApp<'a>,
}

/// Why a registration could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationUnread {
    /// `installation.home_tenant` is not set.
    #[error("the configuration does not say which tenant is yours: set site.home_tenant")]
    NoHomeTenant,
    /// No app with a credential may ask.
    #[error("no app with a credential may ask: give the app a credential or a verified_by")]
    NobodyAsks,
    /// No token in the home tenant.
    #[error(transparent)]
    NoToken(#[from] NoToken),
    /// 403.
    #[error("our rights do not show it: the app that asks needs {NEEDS} (application permission), approved in the home tenant")]
    NotVisible,
    /// 404.
    #[error("there is no such registration in the home tenant: it is registered in another tenant, or site.home_tenant is wrong")]
    NotRegisteredHere,
    /// Graph did not show it for another reason.
    #[error(transparent)]
    Unread(Unread),
}

impl Verifier {
    /// Reads a registration. Nothing of it is remembered: it is asked for seldom, and by people who have just changed it.
    ///
    /// # Errors
    /// [`RegistrationUnread`]
    pub async fn registration(&self, request: RegistrationRequest<'_>) -> Result<Registration, RegistrationUnread> {
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
