//! Reads the registrations of the operator's apps in the operator's home tenant.

use super::Installation;
use crate::config::ConfiguredApp;
use crate::entra::registration::Registration;
use crate::entra::verifier::{AskingApp, RegistrationRequest, RegistrationUnread};

impl Installation {
    /// Reads the registration of an app in `installation.home_tenant`, with the credential of its verifier.
    ///
    /// # Errors
    /// [`RegistrationUnread`], for example if the verifier lacks `Application.Read.All` in the home tenant.
    pub async fn registration(&self, app: &ConfiguredApp) -> Result<Registration, RegistrationUnread> {
        let home = self.config.site.home_tenant.ok_or(RegistrationUnread::NoHomeTenant)?;
        let asker = self.config.verifier_of(app).ok_or(RegistrationUnread::NobodyAsks)?;
        let request = RegistrationRequest {
            app: app.profile.client_id,
            endpoints: &app.endpoints,
            home,
            asker: AskingApp { client: asker.profile.client_id, credential: &self.credential_of(asker) },
        };
        self.verifier.registration(request).await
    }
}
