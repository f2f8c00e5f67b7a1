//! What an app's registration says, read in its home tenant: for warnings of credentials that end, and for finding out what is wrong.

use super::{CredentialProvider, Verifier};
use crate::consent::{ClientId, ResourceId, TenantId, TokenId};
use crate::entra::cloud::Endpoints;
use crate::entra::registration::{self, Registration, Unread};
use crate::entra::token::{TokenRefusal, TokenRequest};

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
    pub asker: ClientId,
    /// The asker's credential.
    pub credential: &'a dyn CredentialProvider,
}

/// Why a registration could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationUnread {
    /// `site.home_tenant` is not set.
    #[error("the configuration does not say which tenant is yours: set site.home_tenant")]
    NoHomeTenant,
    /// No client can be made for the cloud.
    #[error("the cloud cannot be asked: {0}")]
    NoClient(Box<str>),
    /// The app that would ask has no credential, or it cannot be read. The log says why.
    #[error("the credential of the app that asks cannot be read")]
    NoCredential,
    /// The home tenant's token endpoint refused.
    #[error("no token in the home tenant{}", .0.code.map(|code| format!(" ({code})")).unwrap_or_default())]
    NoToken(Box<TokenRefusal>),
    /// Graph did not show it.
    #[error(transparent)]
    Unread(#[from] Unread),
}

impl Verifier {
    /// Reads a registration. Nothing of it is remembered: it is asked for seldom, and by people who have just changed it.
    ///
    /// # Errors
    /// [`RegistrationUnread`]
    pub async fn registration(&self, request: RegistrationRequest<'_>) -> Result<Registration, RegistrationUnread> {
        let RegistrationRequest { app, endpoints, home, asker, credential } = request;
        let http = self.http(endpoints).map_err(|fault| RegistrationUnread::NoClient(fault.to_string().into()))?;
        let token = TokenRequest { endpoints, tenant: home, client: asker, resource: ResourceId::GRAPH };
        let jti = || TokenId::from_random(self.entropy.bytes());
        let mut refused = None;
        for refresh in [false, true] {
            let credential = credential.credential(refresh).await.map_err(|_| RegistrationUnread::NoCredential)?;
            match token.send(&http, &credential, self.clock.now(), jti).await.0 {
                Ok(token) => return Ok(registration::read(&http, endpoints, &token.secret, app, self.clock.now()).await.0?),
                Err(refusal) => {
                    let is_final = !refusal.wants_fresh_credential();
                    refused = Some(refusal);
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(refused.map_or(RegistrationUnread::NoCredential, |refusal| RegistrationUnread::NoToken(Box::new(refusal))))
    }
}
