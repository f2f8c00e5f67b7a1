//! A simulated Microsoft that has the apps of a configuration, and the configuration that asks it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use entra_sandbox::{
    AppRegistration, ClientId, ClientSecret, NotAGuid, Permission, PermissionSet, ResourceApp, ResourceId, Scenario, TenantSetup,
};
use url::Url;

use crate::config::{Config, ConfiguredApp, CredentialSource, EventsConfig, SecretSource, WorkerConfig};
use crate::consent::Cloud;
use crate::consent::profile::{Need, PermissionKind};
use crate::entra::cloud::Endpoints;

/// The secrets of a rehearsal. No other installation trusts the key, and only the simulated Microsoft knows the client secret.
const KEY: &str = r#"{"kid":"rehearsal","key":"only-for-rehearsals-5pT2vL9xQ8mC4sW7kJ3h"}"#;
const CLIENT_SECRET: &str = "only-for-rehearsals";
const KEY_NAME: &str = "REHEARSAL_KEY";
const SECRET_NAME: &str = "REHEARSAL_SECRET";

pub(super) fn environment(name: &str) -> Option<String> {
    match name {
        KEY_NAME => Some(KEY.to_owned()),
        SECRET_NAME => Some(CLIENT_SECRET.to_owned()),
        _ => None,
    }
}

/// Converts an id, because the sandbox has its own types.
pub(super) fn id<T: FromStr<Err = NotAGuid>>(of_product: impl Display) -> Result<T, String> {
    of_product.to_string().parse().map_err(|error: NotAGuid| error.to_string())
}

pub(super) fn client(app: &ConfiguredApp) -> Result<ClientId, String> {
    id(app.profile.client_id)
}

/// The scenario with the configured apps, each with what its profile expects, and with the APIs that publish these permissions.
pub(super) fn scenario(config: &Config, tenants: Vec<TenantSetup>) -> Result<Scenario, String> {
    let redirect = format!("{}/callback", config.site.base_url.as_str().trim_end_matches('/'));
    let (mut apps, mut resources) = (Vec::new(), BTreeMap::<ResourceId, ResourceApp>::new());
    for app in &config.apps {
        let graph = app.endpoints.graph.origin().ascii_serialization();
        let resource =
            |app_id, name: &str, identifiers| ResourceApp { app_id, name: name.into(), identifiers, roles: vec![], scopes: vec![] };
        resources.entry(ResourceId::GRAPH).or_insert_with(|| resource(ResourceId::GRAPH, "Microsoft Graph", vec![graph]));
        let mut permissions = Vec::new();
        for expected in &app.profile.expected {
            let resource_id = id(expected.resource)?;
            let exchange = (resource_id == ResourceId::EXCHANGE_ONLINE).then(|| "https://outlook.office.com".to_owned());
            let published =
                resources.entry(resource_id).or_insert_with(|| resource(resource_id, &expected.name, exchange.into_iter().collect()));
            let mut set = PermissionSet::of(resource_id, &[], &[]);
            for permission in &expected.permissions {
                let value = permission.value.to_string();
                let (known, asked) = match permission.kind {
                    PermissionKind::Application => (&mut published.roles, &mut set.application),
                    PermissionKind::Delegated => (&mut published.scopes, &mut set.delegated),
                };
                if known.iter().all(|known| known.value != value) {
                    let id = permission.id.map_or_else(|| Ok(uuid::Uuid::new_v4().into()), id)?;
                    known.push(Permission { id, value: value.clone(), name: value.clone() });
                }
                if permission.need != Need::Forbidden {
                    asked.push(value);
                }
            }
            permissions.push(set);
        }
        if app.profile.expects_any_grant() {
            let graph = resources.entry(ResourceId::GRAPH).or_insert_with(|| resource(ResourceId::GRAPH, "Microsoft Graph", vec![]));
            if graph.scopes.iter().all(|scope| scope.value != "openid") {
                graph.scopes.push(Permission { id: uuid::Uuid::new_v4().into(), value: "openid".into(), name: "Sign users in".into() });
            }
            permissions.push(PermissionSet::graph(&[], &["openid"]));
        }
        let publisher = app.publisher.as_ref().and_then(|publisher| publisher.name()).map(str::to_owned);
        apps.push(AppRegistration {
            verified_publisher: publisher.as_ref().map(|_| "1".to_owned()),
            publisher,
            third_party: app.companion.is_some(),
            redirect_uris: app.companion.is_none().then(|| redirect.clone()).into_iter().collect(),
            secrets: vec![ClientSecret { value: CLIENT_SECRET.into(), expires: None }],
            permissions,
            ..AppRegistration::new(client(app)?, &app.profile.name)
        });
    }
    Ok(Scenario { apps, tenants, resources: resources.into_values().collect(), ..Scenario::default() })
}

/// Points every app to the simulated Microsoft, replaces every credential, and removes the ways out of this process.
pub(super) fn lead_to(config: &mut Config, sandbox: &str) -> Result<(), String> {
    let url = Url::parse(sandbox).map_err(|error| error.to_string())?;
    let endpoints = Endpoints { authority: url.clone(), graph: url, extra_ca: None };
    for app in &mut config.apps {
        if let Some(companion) = &mut app.companion {
            let authority = app.endpoints.authority.as_str().trim_end_matches('/');
            companion.consent_url = companion.consent_url.replacen(authority, sandbox, 1).into();
        }
        app.profile.cloud = Cloud::Custom("rehearsal".into());
        app.endpoints = endpoints.clone();
        app.credential = app.credential.take().map(|_| CredentialSource::ClientSecret(SecretSource::Environment(SECRET_NAME.into())));
    }
    config.custom_clouds = vec![("rehearsal".into(), endpoints)];
    config.keys = SecretSource::Environment(KEY_NAME.into());
    config.worker = WorkerConfig { queue: None, ..std::mem::take(&mut config.worker) };
    config.events = EventsConfig::default();
    (config.store, config.webhook) = (None, None);
    Ok(())
}
