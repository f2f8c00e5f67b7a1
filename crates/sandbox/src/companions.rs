//! Mail clients of other companies, each with the page or address where its consent ends.
//!
//! The sandbox has its own list, so that an error in the product's catalogue shows in a test. The ids are from Microsoft's "Manage app
//! consent policies" (entra-docs, 2026-01-22), the names from the apps' publishers, and Apple's permissions from a published consent
//! screen. We made up the other permissions, because Entra refuses consent to an empty registration.

use super::ids::{ClientId, ResourceId};
use super::scenario::{AppRegistration, PermissionSet, Scenario};

impl Scenario {
    /// Adds the mail clients that the scenario does not describe. Entra stores their consent, but the browser does not come back (protocol
    /// reference §1.7). If the link has a redirect URI of the operator's, the browser ends on 900561. If neither the link nor the app has a
    /// redirect URI, it ends on 500113. If the app has one, it ends at an address that only a device can open. A fault at `consent` with
    /// `granted` shows another error, such as 50011.
    #[must_use]
    pub fn with_companions(mut self) -> Self {
        for app in companions() {
            if self.apps.iter().all(|described| described.client_id != app.client_id) {
                self.apps.push(app);
            }
        }
        self
    }
}

const EAS: &str = "EAS.AccessAsUser.All";
const EWS: &str = "EWS.AccessAsUser.All";

fn companions() -> [AppRegistration; 6] {
    let apple = vec![PermissionSet::of(ResourceId::EXCHANGE_ONLINE, &[], &[EAS, EWS]), PermissionSet::graph(&[], &["User.Read"])];
    let apple = AppRegistration {
        redirect_uris: vec!["com.apple.Preferences://oauth-redirect".into()],
        ..companion(0xf8d98a96_0999_43f5_8af3_69971c7bb423, "Apple Internet Accounts", apple)
    };
    let em_client = AppRegistration {
        publisher: Some("eM Client s.r.o.".into()),
        verified_publisher: Some("3456789".into()),
        redirect_uris: vec!["com.emclient.MailClient://oauth".into()],
        ..companion(0xe9a7fea1_1cc0_4cd9_a31b_9137ca5deedd, "eM Client", mail(EWS))
    };
    [
        apple,
        companion(0xb50c1dbd_1855_4e54_b07c_d3c3029e93d3, "Spark", mail(EWS)),
        em_client,
        companion(0x8acd33ea_7197_4a96_bc33_d7cc7101262f, "Samsung Email", mail(EAS)),
        companion(0x2cee05de_2b8f_45a2_8289_2a06ca32c4c8, "Gmail for Android", mail(EAS)),
        companion(0x9e5f94bc_e8a4_4e73_b8be_63364c29d753, "Thunderbird", mail(EWS)),
    ]
}

/// Another company's app without redirect URI or publisher.
fn companion(client_id: u128, name: &str, permissions: Vec<PermissionSet>) -> AppRegistration {
    AppRegistration { third_party: true, permissions, ..AppRegistration::new(ClientId::from_u128(client_id), name) }
}

fn mail(protocol: &str) -> Vec<PermissionSet> {
    vec![PermissionSet::graph(&[], &["openid", "offline_access"]), PermissionSet::of(ResourceId::EXCHANGE_ONLINE, &[], &[protocol])]
}
