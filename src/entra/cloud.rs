//! The hosts of each cloud (protocol reference §7).

use url::{Host, Url};

use crate::consent::{Cloud, ExpectedTenant, ResourceId, TenantId};

/// The addresses of one cloud. Built-in clouds use https; a custom one may use http on a loopback host only (the configuration enforces
/// this).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The authority, such as `https://login.microsoftonline.com`, without a trailing slash in its path.
    pub authority: Url,
    /// Microsoft Graph, such as `https://graph.microsoft.com`. Its origin is also the resource of `{graph}/.default`.
    pub graph: Url,
    /// An additional certificate authority in PEM for a custom cloud, trusted for this cloud only.
    pub extra_ca: Option<Vec<u8>>,
}

/// 21Vianet's older authority, which Graph's own documentation still names. We never send a browser there, but Microsoft may write it in an
/// answer (protocol reference §7).
const CHINA_OLDER_AUTHORITY: &str = "login.chinacloudapi.cn";
const CHINA_AUTHORITY: &str = "login.partner.microsoftonline.cn";

impl Endpoints {
    /// The endpoints of a built-in cloud (protocol reference §7). `None` for a custom one: only the configuration has its endpoints.
    pub(crate) fn of(cloud: &Cloud) -> Option<Self> {
        let (authority, graph) = match cloud {
            Cloud::Global => ("login.microsoftonline.com", "graph.microsoft.com"),
            Cloud::UsGovL4 => ("login.microsoftonline.us", "graph.microsoft.us"),
            Cloud::UsGovL5 => ("login.microsoftonline.us", "dod-graph.microsoft.us"),
            Cloud::China => (CHINA_AUTHORITY, "microsoftgraph.chinacloudapi.cn"),
            Cloud::Custom(_) => return None,
        };
        let https = |host: &str| Url::parse(&format!("https://{host}")).ok();
        Some(Self { authority: https(authority)?, graph: https(graph)?, extra_ca: None })
    }

    /// The token endpoint of a tenant (protocol reference §3.1). This address is also the `aud` of a certificate's assertion, so both
    /// contain the same tenant id (§3.3).
    #[must_use]
    pub fn token_url(&self, tenant: TenantId) -> Url {
        self.at_authority(&format!("{tenant}/oauth2/v2.0/token"))
    }

    /// The page where an administrator approves the permissions in `scope` (the v2 form, protocol reference §1.1). With `.default`, these
    /// are all permissions that the app's registration lists, application and delegated ones. The page takes `client_id`, `redirect_uri`,
    /// `scope` and `state`.
    ///
    /// A link for any tenant goes to `organizations`: Microsoft then uses the administrator's own tenant (§1.2).
    pub(crate) fn adminconsent_url(&self, tenant: ExpectedTenant) -> Url {
        match tenant {
            ExpectedTenant::Tenant(tenant) => self.at_authority(&format!("{tenant}/v2.0/adminconsent")),
            ExpectedTenant::Any => self.at_authority("organizations/v2.0/adminconsent"),
        }
    }

    /// Where Microsoft signs a browser out of every work account (the documented `logout` endpoint of the v2 authority).
    pub(crate) fn sign_out_url(&self) -> Url {
        self.at_authority("common/oauth2/v2.0/logout")
    }

    /// The list of Enterprise apps in the Microsoft Entra admin centre of this cloud. Microsoft's own instructions lead to this part of the
    /// portal by this path (for example those of Sentinel's data connectors). A custom cloud simulates the worldwide one.
    pub(crate) fn enterprise_apps_url(&self) -> String {
        let host = match self.authority.host_str() {
            Some("login.microsoftonline.us") => "entra.microsoft.us",
            Some(CHINA_AUTHORITY) => "entra.microsoftonline.cn",
            _ => "entra.microsoft.com",
        };
        format!("https://{host}/#view/Microsoft_AAD_IAM/StartboardApplicationsMenuBlade/~/AppAppsPreview")
    }

    /// The `scope` of a token for a resource. For Graph it contains the host of this cloud. For every other resource it contains the
    /// application id, which is the same in all clouds (protocol reference §3.1, §7).
    pub(crate) fn graph_scope(&self, resource: ResourceId) -> String {
        if resource == ResourceId::GRAPH {
            format!("{}/.default", self.graph.origin().ascii_serialization())
        } else {
            format!("{resource}/.default")
        }
    }

    /// Whether an address from Microsoft (in a discovery document or an issuer) is this cloud's authority. 21Vianet has two spellings, and
    /// both are valid.
    pub(crate) fn is_authority(&self, address: &Url) -> bool {
        if address.origin() == self.authority.origin() {
            return true;
        }
        self.authority.host_str() == Some(CHINA_AUTHORITY)
            && address.scheme() == "https"
            && address.host_str() == Some(CHINA_OLDER_AUTHORITY)
            && address.port_or_known_default() == self.authority.port_or_known_default()
    }

    /// An address under the authority's own path. `path` must consist of safe parts: ids, constants, checked names.
    pub(super) fn at_authority(&self, path: &str) -> Url {
        below(&self.authority, path)
    }

    /// An address under Graph's own path, with the same rule for `path`.
    pub(crate) fn at_graph(&self, path: &str) -> Url {
        below(&self.graph, path)
    }
}

/// Whether an address is this machine's: `127.0.0.0/8` and `[::1]`, which no router can redirect, and `localhost`, which the system
/// resolves to these.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::from_u128(0xaaaa_bbbb_0000_cccc_1111_dddd_2222_eeee);

    #[test]
    fn each_built_in_cloud_has_its_own_hosts() {
        for (cloud, token, consent, scope) in [
            (Cloud::Global, "login.microsoftonline.com", "login.microsoftonline.com", "https://graph.microsoft.com/.default"),
            (Cloud::UsGovL4, "login.microsoftonline.us", "login.microsoftonline.us", "https://graph.microsoft.us/.default"),
            (Cloud::UsGovL5, "login.microsoftonline.us", "login.microsoftonline.us", "https://dod-graph.microsoft.us/.default"),
            (
                Cloud::China,
                "login.partner.microsoftonline.cn",
                "login.partner.microsoftonline.cn",
                "https://microsoftgraph.chinacloudapi.cn/.default",
            ),
        ] {
            let endpoints = Endpoints::of(&cloud).unwrap();
            assert_eq!(
                endpoints.token_url(TENANT).as_str(),
                format!("https://{token}/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/v2.0/token")
            );
            assert_eq!(
                endpoints.adminconsent_url(ExpectedTenant::Tenant(TENANT)).as_str(),
                format!("https://{consent}/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0/adminconsent")
            );
            assert_eq!(
                endpoints.adminconsent_url(ExpectedTenant::Any).as_str(),
                format!("https://{consent}/organizations/v2.0/adminconsent")
            );
            assert_eq!(endpoints.graph_scope(ResourceId::GRAPH), scope);
            assert_eq!(endpoints.graph_scope(ResourceId::EXCHANGE_ONLINE), "00000002-0000-0ff1-ce00-000000000000/.default");
        }
        assert_eq!(Endpoints::of(&Cloud::Custom("lab".into())), None);
    }

    #[test]
    fn a_custom_authority_keeps_its_path_and_port() {
        let endpoints = Endpoints {
            authority: Url::parse("http://127.0.0.1:8099/entra/").unwrap(),
            graph: Url::parse("http://127.0.0.1:8099/graph").unwrap(),
            extra_ca: None,
        };
        assert_eq!(
            endpoints.token_url(TENANT).as_str(),
            "http://127.0.0.1:8099/entra/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/v2.0/token"
        );
        assert_eq!(endpoints.graph_scope(ResourceId::GRAPH), "http://127.0.0.1:8099/.default");
    }

    #[test]
    fn both_spellings_of_the_chinese_authority_are_the_same_cloud() {
        let china = Endpoints::of(&Cloud::China).unwrap();
        let global = Endpoints::of(&Cloud::Global).unwrap();
        for (address, is_china) in [
            ("https://login.partner.microsoftonline.cn/x/oauth2/v2.0/token", true),
            ("https://login.chinacloudapi.cn/x", true),
            ("http://login.chinacloudapi.cn/x", false),
            ("https://login.chinacloudapi.cn:8443/x", false),
            ("https://login.chinacloudapi.cn.example/x", false),
            ("https://login.microsoftonline.com/x", false),
        ] {
            let address = Url::parse(address).unwrap();
            assert_eq!(china.is_authority(&address), is_china, "{address}");
            assert_eq!(global.is_authority(&address), address.host_str() == Some("login.microsoftonline.com"), "{address}");
        }
    }
    #[test]
    fn loopback_is_this_machine_by_its_own_names_only() {
        for (address, loopback) in [
            ("http://localhost:1/", true),
            ("http://LOCALHOST/", true),
            ("http://127.3.2.1/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost.example/", false),
            ("http://localhost./", false),
            ("http://sub.localhost/", false),
            ("http://128.0.0.1/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://0.0.0.0/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(address).unwrap()), loopback, "{address}");
        }
    }
}
