//! The scenario of `entra-consent demo`: one operator, one app, three customers.

use super::ids::{ClientId, ResourceId, TenantId};

use super::scenario::{
    AppRegistration, ClientSecret, GrantSetup, PartnerCustomer, PermissionSet, Replication, Scenario, TenantSetup, UserRole, UserSetup,
};

/// The operator's own tenant, Northwind.
pub const HOME: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0001);
/// A customer without any complication.
pub const CONTOSO: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0002);
/// A customer where a consent becomes visible with a delay, as is common.
pub const FABRIKAM: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0003);
/// A customer without an admin consent workflow, and with letters outside ASCII in its name.
pub const WOODGROVE: TenantId = TenantId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_0004);
/// The operator's app, "Northwind Mail Backup".
pub const APP: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a1);
/// The client secret of [`APP`]. It is useless outside the sandbox.
pub const APP_SECRET: &str = "sandbox-secret-of-northwind-mail-backup";
/// Apple Internet Accounts, another company's app (protocol reference §8).
pub const APPLE: ClientId = ClientId::from_u128(0xf8d9_8a96_0999_43f5_8af3_6997_1c7b_b423);

impl Scenario {
    /// The scenario of the demo: the operator's home tenant, three customers, and a multi-tenant app that no tenant has approved yet.
    /// `redirect_uri` is the app's registered redirect URI.
    #[must_use]
    pub fn demo(redirect_uri: &str) -> Self {
        let app = AppRegistration {
            publisher: Some("Northwind Managed Services".into()),
            publisher_domain: Some("northwind.example".into()),
            home: Some(HOME),
            redirect_uris: vec![redirect_uri.to_owned()],
            secrets: vec![ClientSecret { value: APP_SECRET.into(), expires: None }],
            permissions: vec![PermissionSet::graph(&["Mail.Read", "User.Read.All"], &["User.Read", "openid"])],
            ..AppRegistration::new(APP, "Northwind Mail Backup")
        };
        let apple = AppRegistration {
            publisher: Some("Apple Inc.".into()),
            verified_publisher: Some("2345678".into()),
            third_party: true,
            redirect_uris: vec!["com.apple.Preferences://oauth-redirect".into()],
            permissions: vec![
                PermissionSet::graph(&[], &["User.Read"]),
                PermissionSet::of(ResourceId::EXCHANGE_ONLINE, &[], &["EAS.AccessAsUser.All", "EWS.AccessAsUser.All"]),
            ],
            ..AppRegistration::new(APPLE, "Apple Internet Accounts")
        };
        let own = GrantSetup {
            app: APP,
            permissions: Some(vec![PermissionSet::graph(&["CrossTenantInformation.ReadBasic.All"], &[])]),
            enabled: true,
        };
        let tenants = vec![
            TenantSetup {
                granted: vec![own],
                customers: vec![
                    customer(CONTOSO, "Contoso Ltd", "contoso.example"),
                    customer(FABRIKAM, "Fabrikam, Inc.", "fabrikam.example"),
                    customer(WOODGROVE, "Woodgrove Bank Zürich – Łódź", "woodgrove.example"),
                ],
                ..tenant(HOME, "Northwind Managed Services", "northwind.example", ["Nora Wind", "Noah West"])
            },
            tenant(CONTOSO, "Contoso Ltd", "contoso.example", ["Anna Contoso", "Otto Contoso"]),
            TenantSetup {
                replication: Replication { service_principal: 5, roles: 15, graph: 10, flapping: 0 },
                ..tenant(FABRIKAM, "Fabrikam, Inc.", "fabrikam.example", ["Fatima Brik", "Fabio Kam"])
            },
            TenantSetup {
                workflow: false,
                ..tenant(WOODGROVE, "Woodgrove Bank Zürich – Łódź", "woodgrove.example", ["Wanda Grün", "Łukasz Wood"])
            },
        ];
        Self { apps: vec![app, apple], tenants, ..Self::default() }
    }
}

fn customer(tenant: TenantId, name: &str, domain: &str) -> PartnerCustomer {
    PartnerCustomer::new(tenant, name, domain)
}

fn tenant(id: TenantId, name: &str, domain: &str, [administrator, user]: [&str; 2]) -> TenantSetup {
    let person = |full: &str, local: &str, role| UserSetup { id: None, name: full.into(), upn: format!("{local}@{domain}"), role };
    TenantSetup {
        users: vec![person(administrator, "admin", UserRole::Administrator), person(user, "user", UserRole::User)],
        ..TenantSetup::new(id, name, domain)
    }
}
