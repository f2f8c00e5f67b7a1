//! The values that `consent.toml` allows, and the message for each value that it refuses.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entra_consent::aws::AwsClients;
use entra_consent::config::{Config, ConfigError, ConfigSource, CredentialSource, LinksConfig, RecordBrowser, RecordIp, SecretSource};
use entra_consent::consent::permission_table::{PermissionKind, by_value};
use entra_consent::consent::profile::{Need, VerifiedBy, VerifyIn};
use entra_consent::consent::schedule::Schedule;
use entra_consent::consent::{Cloud, ExpectedTenant, ProfileId, ResourceId, TenantId};
use entra_consent::env::Roots;
use entra_consent::installation::{Dependencies, Installation};
use proptest::prelude::*;
use toml::de::{DeTable, DeValue};

use crate::secrets::{answering, settings};

const EXAMPLE: &str = include_str!("../../consent.example.toml");
const DOCUMENTATION: &str = include_str!("../../docs/configuration.md");

const SMALLEST: &str = r#"[site]
name = "Northwind"
base_url = "https://consent.example.com"
support = "help@example.com"
privacy_url = "https://example.com/privacy"
[keys]
secret = { file = "keys.json" }
[[apps]]
id = "sync"
client_id = "11112222-aaaa-bbbb-cccc-3333dddd4444"
name = "Sync"
credential = { client_secret = { env = "SYNC_SECRET" } }
[apps.permissions."Microsoft Graph"]
application = { required = ["User.Read.All"] }
"#;

const SECOND_APP: &str = r#"[[apps]]
id = "reader"
client_id = "55556666-aaaa-bbbb-cccc-7777dddd8888"
name = "Reader"
credential = { certificate = { aws = "reader" } }
permissions = { "Microsoft Graph" = { delegated = { required = ["User.Read"] } } }
"#;

fn unset(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("etc/consent.toml"), &unset)
}

fn smallest_with(old: &str, new: &str) -> String {
    assert!(SMALLEST.contains(old), "{old:?} is not in the smallest configuration");
    SMALLEST.replacen(old, new, 1)
}

#[test]
fn a_key_outlives_every_token_that_it_may_sign() {
    let links = |life: &str, late: &str| {
        parse(&smallest_with(
            "[keys]",
            &format!("[links]\nticket = {life:?}\ninvitation = {life:?}\nreceipt = {life:?}\nlate = {late:?}\n[keys]"),
        ))
    };
    assert!(links("181d", "7d").is_err() && links("180d", "8d").is_err(), "no token lives longer");
    let longest = links("180d", "7d").unwrap().links;
    let open = longest.ticket.max(longest.invitation).max(longest.receipt) + longest.late;
    let needed = Duration::try_from(entra_consent::token::key_document::NEEDED_AFTERWARDS).unwrap();
    // A process may sign with this key for another day.
    assert!(needed >= open + Duration::from_secs(86_400), "{needed:?}");
}

/// Asserts that the file is refused for exactly one reason, at the line with the comment `#!`.
fn assert_refused(text: &str, key: &str, what: &str, remedy: &str) {
    let error = parse(text).expect_err(text);
    let [problem] = error.problems() else { panic!("one problem expected in\n{text}\nfound\n{error}") };
    let line = text.lines().position(|line| line.ends_with("#!")).map(|index| index + 1);
    assert_eq!((problem.line, &*problem.key), (Some(line.expect("a marked line")), key), "{error}\n{text}");
    assert!(problem.what.contains(what), "{what:?} expected in: {error}");
    assert!(problem.remedy.contains(remedy), "{remedy:?} expected in: {error}");
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("etc/consent.toml:{}: {key}: ", line.unwrap_or(0))), "{shown}");
    assert!(shown.contains(". Remedy: "), "{shown}");
}

#[test]
fn the_smallest_configuration_has_all_defaults() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.site.base_url.as_str(), "https://consent.example.com/");
    assert_eq!(config.keys, SecretSource::File(PathBuf::from("etc/keys.json")), "next to consent.toml");
    assert_eq!(config.links, LinksConfig::default());
    assert_eq!((config.records.ip, config.records.browser), (RecordIp::Truncated, RecordBrowser::Family));
    let [app] = config.apps.as_slice() else { panic!("one app") };
    assert_eq!(app.credential, Some(CredentialSource::ClientSecret(SecretSource::Environment("SYNC_SECRET".into()))));
    assert_eq!((&app.profile.cloud, &app.profile.verified_by), (&Cloud::Global, &VerifiedBy::Itself));
    assert_eq!(app.endpoints.authority.as_str(), "https://login.microsoftonline.com/");
    let expected = app.profile.on(ResourceId::GRAPH).unwrap();
    assert_eq!(&*expected.name, "Microsoft Graph");
    assert_eq!(expected.permissions[0].id.unwrap().to_string(), "df021288-bdef-4463-88db-98f22de89214");
}

#[test]
fn every_setting_reaches_its_type() {
    let text = r#"
[site]
name = "N"
base_url = "https://consent.example.com:8443/prod/"
support = "0100"
privacy_url = "https://example.com/privacy/?lang=en#top"
home_tenant = "AAAABBBB-0000-cccc-1111-dddd2222eeee"
trusted_proxies = ["127.0.0.1/32", "10.1.2.3/8", "::1"]
trusted_hops = 2
[keys]
secret = { aws = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf" }
[links]
ticket = "15m"
invitation = "180d"
receipt = "1d"
order = "72h"
late = "0s"
leeway = "0s"
revoked = ["5f0c9b8e-3a51-4c7e-9d0f-2b6a41d7c3e8"]
revoked_before = 2026-01-01 00:00:00+01:00
[records]
ip = "off"
browser = "full"
[worker]
queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
schedule = ["10s", "1m"]
every = "2m"
late = ["2h", "24h"]
[events]
bus = "arn:aws:events:eu-central-1:123456789012:event-bus/consent"
[clouds.lab]
authority = "http://localhost:8099/"
graph = "http://127.0.0.1:8098/graph"
[[apps]]
id = "reader"
client_id = "55556666-aaaa-bbbb-cccc-7777dddd8888"
name = "Reader"
cloud = "lab"
credential = { certificate = { file = "/etc/reader.pem" } }
[apps.permissions."microsoft graph"]
delegated = { required = ["user.read"], optional = ["openid"], forbidden = ["mail.send"] }
[[apps]]
id = "mail"
client_id = "11112222-aaaa-bbbb-cccc-3333dddd4444"
name = "Mail"
cloud = "lab"
verified_by = "reader"
verify_in = "callback"
purpose = "It reads."
afterwards = "It has read."
[apps.permissions.99990000-aaaa-bbbb-cccc-1111dddd2222]
name = "Archive"
application = { required = ["Archive.Write"] }
delegated = { optional = ["Archive.Read"] }
ids = { "archive.write" = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d" }
"#;
    let config = parse(text).unwrap();
    assert_eq!(config.site.base_url.as_str(), "https://consent.example.com:8443/prod");
    assert_eq!(config.site.privacy_url.as_str(), "https://example.com/privacy/?lang=en#top");
    assert_eq!(config.site.home_tenant.unwrap().to_string(), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
    let proxies = &config.site.trusted_proxies;
    let networks: Vec<_> = proxies.networks.iter().map(ToString::to_string).collect();
    assert_eq!((networks, proxies.hops), (vec!["127.0.0.1/32".into(), "10.1.2.3/8".into(), "::1/128".into()], 2));
    let seconds = |duration: Duration| duration.as_secs();
    let links = &config.links;
    assert_eq!(
        [links.ticket, links.invitation, links.receipt, links.order, links.late, links.leeway].map(seconds),
        [900, 15_552_000, 86_400, 259_200, 0, 0]
    );
    assert_eq!(links.revoked[0].to_string(), "5f0c9b8e-3a51-4c7e-9d0f-2b6a41d7c3e8");
    assert_eq!(links.revoked_before.unwrap().unix_timestamp(), 1_767_222_000);
    assert_eq!((config.records.ip, config.records.browser), (RecordIp::Off, RecordBrowser::Full));
    assert_eq!(config.worker.queue.as_ref().unwrap().as_str(), "https://sqs.eu-central-1.amazonaws.com/123456789012/orders");
    let seconds = |moments: &[Duration]| moments.iter().map(Duration::as_secs).collect::<Vec<_>>();
    let schedule = &config.worker.schedule;
    assert_eq!((seconds(&schedule.first), schedule.every.as_secs(), seconds(&schedule.late)), (vec![10, 60], 120, vec![7_200, 86_400]));
    assert_eq!(config.events.bus.as_deref(), Some("arn:aws:events:eu-central-1:123456789012:event-bus/consent"));

    let mail = config.app(&ProfileId::parse("mail").unwrap()).unwrap();
    let reader = config.verifier_of(mail).unwrap();
    assert_eq!(reader.profile.id.as_str(), "reader");
    assert_eq!(config.verifier_of(reader), Some(reader));
    assert_eq!(reader.credential, Some(CredentialSource::Certificate(SecretSource::File("/etc/reader.pem".into()))));
    assert_eq!(mail.endpoints.graph.as_str(), "http://127.0.0.1:8098/graph");
    assert_eq!(config.custom_clouds, [("lab".into(), mail.endpoints.clone())]);
    assert_eq!(mail.profile.wording.afterwards.as_deref(), Some("It has read."));
    let archive = &mail.profile.expected[0];
    assert_eq!((&*archive.name, &*archive.permissions[0].value), ("Archive", "Archive.Write"));
    assert_eq!(archive.permissions[0].id.unwrap().to_string(), "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d");
    assert_eq!(archive.permissions[1].id, None, "scopes are granted by name");
    let found: Vec<_> =
        reader.profile.expected[0].permissions.iter().map(|permission| (permission.kind, &*permission.value, permission.need)).collect();
    assert_eq!(
        found,
        [
            (PermissionKind::Delegated, "User.Read", Need::Required),
            (PermissionKind::Delegated, "openid", Need::Optional),
            (PermissionKind::Delegated, "Mail.Send", Need::Forbidden)
        ],
        "known names take Microsoft's spelling"
    );
}

#[test]
fn what_the_site_says_wrong_is_refused_with_its_remedy() {
    for (old, new, key, what, remedy) in [
        ("name = \"Northwind\"", "name = \" \" #!", "site.name", "empty", "write a text"),
        ("name = \"Northwind\"", "name = 5 #!", "site.name", "it is a whole number", "in double quotes"),
        ("name = \"Northwind\"", "name = \"a\\u202Eb\" #!", "site.name", "invisible", "by hand"),
        ("[site]\nname = \"Northwind\"", "[site] #!", "site.name", "missing", "administrators know you by"),
        ("support = \"help@example.com\"", "suport = \"help@example.com\" #!", "site.suport", "not known", "did you mean \"support\"?"),
        ("https://consent.example.com\"", "http://consent.example.com\" #!", "site.base_url", "http", "write https://"),
        ("https://consent.example.com\"", "consent.example.com\" #!", "site.base_url", "not an address", "whole address"),
        ("https://consent.example.com\"", "ftp://consent.example.com\" #!", "site.base_url", "not an address", "whole address"),
        ("https://consent.example.com\"", "https://c.example/?a=b\" #!", "site.base_url", "query", "remove everything"),
        ("https://consent.example.com\"", "https://c.example/#a\" #!", "site.base_url", "fragment", "remove everything"),
        ("https://consent.example.com\"", "https://me:pw@c.example\" #!", "site.base_url", "user name", "'@'"),
        ("https://example.com/privacy\"", "http://example.com\" #!", "site.privacy_url", "http", "write https://"),
        ("[keys]", "home_tenant = \"contoso.com\" #!\n[keys]", "site.home_tenant", "not a GUID", "00000000-0000"),
        ("[keys]", "trusted_proxies = \"10.0.0.0/8\" #!\n[keys]", "site.trusted_proxies", "not a list", "in brackets"),
        ("[keys]", "trusted_proxies = [\"proxy\"] #!\n[keys]", "site.trusted_proxies[0]", "no network", "127.0.0.1/32"),
        ("[keys]", "trusted_proxies = [\"0.0.0.0/0\"] #!\n[keys]", "site.trusted_proxies[0]", "no network", "127.0.0.1/32"),
        ("[keys]", "trusted_hops = 0 #!\n[keys]", "site.trusted_hops", "from 1 to 16", "1 for one proxy"),
        ("[site]", "[sites] #!\n[site]", "sites", "not known", "did you mean \"site\"?"),
    ] {
        let mut text = smallest_with(old, new);
        if new.contains("suport") {
            text = text.replace("[keys]", "support = \"x\"\n[keys]");
        }
        assert_refused(&text, key, what, remedy);
    }
}

#[test]
fn what_links_and_records_say_wrong_is_refused_with_its_remedy() {
    for (setting, key, what, remedy) in [
        ("[links]\nticket = \"2 hours\" #!", "links.ticket", "not a duration", "\"2h\""),
        ("[links]\nticket = 7200 #!", "links.ticket", "whole number", "double quotes"),
        ("[links]\nticket = \"0s\" #!", "links.ticket", "shorter than 1m", "from 1m to 180d"),
        ("[links]\ninvitation = \"181d\" #!", "links.invitation", "longer than 180d", "from 1m to 180d"),
        ("[links]\norder = \"24h\" #!", "links.order", "shorter than 27h", "from 27h"),
        ("[links]\nlate = \"8d\" #!", "links.late", "longer than 7d", "from 0s to 7d"),
        ("[links]\nleeway = \"61s\" #!", "links.leeway", "longer than 1m", "from 0s to 1m"),
        ("[links]\ntickets = \"2h\" #!", "links.tickets", "not known", "did you mean \"ticket\"?"),
        ("[links]\nrevoked = \"x\" #!", "links.revoked", "not a list", "brackets"),
        ("[links]\nrevoked = [\n\"x\" #!\n]", "links.revoked[0]", "not a GUID", "usual form"),
        ("[links]\nrevoked_before = 2026-01-01 #!", "links.revoked_before", "not a moment", "2026-11-20T14:00:00Z"),
        ("[links]\nrevoked_before = 2026-01-01T00:00:00 #!", "links.revoked_before", "not a moment", "2026-11-20T14:00:00Z"),
        ("[worker]\nqueue = \"entra-consent\" #!", "worker.queue", "not an address", "https://"),
        ("[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/\" #!", "worker.queue", "not the address of a queue", "ACCOUNT/NAME"),
        ("[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/1/q.fifo\" #!", "worker.queue", "FIFO", "standard queue"),
        ("[worker]\nschedule = \"5s\" #!", "worker.schedule", "not a list", "brackets"),
        ("[worker]\nschedule = [\n\"5s\",\n\"5s\" #!\n]", "worker.schedule[1]", "not later than 5s", "ascending"),
        ("[worker]\nschedule = [\n\"20m\" #!\n]", "worker.schedule[0]", "longer than", "from 1s"),
        ("[worker]\nevery = \"20s\" #!", "worker.every", "shorter than 30s", "from 30s to 10m"),
        ("[worker]\nlate = [\"1h\", \"6h\"] #!", "worker.late", "not a day after", "\"24h\""),
        ("[worker]\nlate = [] #!", "worker.late", "not a day after", "\"24h\""),
        ("[worker]\nlate = [\n\"48h\" #!\n]", "worker.late[0]", "longer than 1d", "to 1d"),
        ("[events]\nbus = \"a bus\" #!", "events.bus", "neither the name nor the ARN", "\"default\""),
        ("[events]\nreceiver = \"\" #!", "events.receiver", "it is empty", "remove the key"),
        ("[events]\nbus = \"arn:aws:sqs:eu-central-1:1:q\" #!", "events.bus", "neither the name nor the ARN", "\"default\""),
        ("[records]\nip = \"some\" #!", "records.ip", "none of the words", "\"truncated\" or \"full\" or \"off\""),
        ("[records]\nbrowser = true #!", "records.browser", "true or false", "double quotes"),
    ] {
        assert_refused(&format!("{SMALLEST}{setting}\n"), key, what, remedy);
    }
    assert_refused(&format!("links = 5 #!\n{SMALLEST}"), "links", "a table belongs here", "consent.example.toml");
}

#[test]
fn what_the_apps_say_wrong_is_refused_with_its_remedy() {
    let twice = |new: &str| format!("{SMALLEST}{}", SECOND_APP.replacen("credential = { certificate = { aws = \"reader\" } }", new, 1));
    for (text, key, what, remedy) in [
        (smallest_with("id = \"sync\"", "id = \"My App\" #!"), "apps[0].id", "cannot be the id", "a-z"),
        (smallest_with("[[apps]]\nid = \"sync\"", "[[apps]] #!"), "apps[0].id", "missing", "short name"),
        (smallest_with("3333dddd4444\"", "3333dddd444\" #!"), "apps[0].client_id", "not a GUID", "usual form"),
        (smallest_with("name = \"Sync\"", "nam = \"Sync\" #!\nname = \"Sync\""), "apps[0].nam", "not known", "\"name\""),
        (smallest_with("name = \"Sync\"", "name = \"Sync\"\ncloud = \"globl\" #!"), "apps[0].cloud", "no cloud", "\"global\""),
        (smallest_with("name = \"Sync\"", "name = \"Sync\"\ncloud = \"mars\" #!"), "apps[0].cloud", "no cloud", "us-gov-l4"),
        (smallest_with("name = \"Sync\"", "name = \"Sync\"\nverify_in = \"worker\" #!"), "apps[0].verify_in", "no queue", "worker.queue"),
        (
            smallest_with("name = \"Sync\"", "name = \"Sync\"\nverify_in = \"later\" #!"),
            "apps[0].verify_in",
            "none of the words",
            "\"callback\" or \"worker\"",
        ),
        (smallest_with("name = \"Sync\"", "name = \"Sync\"\npurpose = \"\" #!"), "apps[0].purpose", "empty", "remove the key"),
        (
            smallest_with("[[apps]]", "[[apps]] #!").replace("credential = { client_secret = { env = \"SYNC_SECRET\" } }\n", ""),
            "apps[0]",
            "neither a credential nor a verified_by",
            "add credential",
        ),
        (
            smallest_with(
                "{ client_secret = { env = \"SYNC_SECRET\" } }",
                "{ client_secret = { env = \"A\" }, certificate = { env = \"B\" } } #!",
            ),
            "apps[0].credential",
            "more than one credential",
            "keep one",
        ),
        (smallest_with("{ client_secret = { env = \"SYNC_SECRET\" } }", "{} #!"), "apps[0].credential", "no credential", "client_secret"),
        (twice("verified_by = \"nobody-here\" #!"), "apps[1].verified_by", "no app has the id \"nobody-here\"", "name one of sync"),
        (twice("verified_by = \"synk\" #!"), "apps[1].verified_by", "no app has the id", "did you mean \"sync\"?"),
        (twice("verified_by = \"reader\" #!"), "apps[1].verified_by", "the app itself", "leave verified_by out"),
        (
            twice("credential = { certificate = { aws = \"reader\" } } #!\nverified_by = \"sync\""),
            "apps[1].credential",
            "never used",
            "remove credential",
        ),
        (
            twice("cloud = \"us-gov-l4\"\nverified_by = \"sync\" #!"),
            "apps[1].verified_by",
            "us-gov-l4 and \"sync\" is in global",
            "same cloud",
        ),
        (
            format!(
                "{}{}",
                twice("verified_by = \"sync\""),
                SECOND_APP
                    .replace("\"reader\"\nc", "\"third\"\nc")
                    .replace("5555", "9999")
                    .replace("credential = { certificate = { aws = \"reader\" } }", "verified_by = \"reader\" #!")
            ),
            "apps[2].verified_by",
            "\"reader\" is itself verified by another app",
            "credential of its own",
        ),
        (format!("{SMALLEST}{}", SECOND_APP.replace("id = \"reader\"", "id = \"sync\" #!")), "apps[1].id", "apps[0].id has", "of its own"),
        (
            format!(
                "{SMALLEST}{}",
                SECOND_APP.replace("\"55556666-aaaa-bbbb-cccc-7777dddd8888\"", "\"11112222-AAAA-bbbb-cccc-3333dddd4444\" #!")
            ),
            "apps[1].client_id",
            "same client id in the cloud global",
            "one profile",
        ),
    ] {
        assert_refused(&text, key, what, remedy);
    }
    let no_apps = SMALLEST.split("[[apps]]").next().unwrap();
    assert_refused(&format!("apps = [] #!\n{no_apps}"), "apps", "no app", "[[apps]]");
    assert_refused(&no_apps.replacen("[site]", "[site] #!", 1), "apps", "missing", "[[apps]]");
}

#[test]
fn the_same_client_id_in_two_clouds_is_two_registrations() {
    let second =
        SECOND_APP.replace("55556666-aaaa-bbbb-cccc-7777dddd8888\"", "11112222-aaaa-bbbb-cccc-3333dddd4444\"\ncloud = \"us-gov-l4\"");
    assert_eq!(parse(&format!("{SMALLEST}{second}")).unwrap().apps.len(), 2);
}

/// An app with delegated permissions only. `permissions` replaces its `permissions` setting.
fn by_name(permissions: &str) -> String {
    let permissions = format!("permissions = {{ {permissions} }}\nscopes = \"expected\" #!");
    SMALLEST.split("[apps.permissions").next().unwrap().to_owned() + &permissions + "\n"
}

#[test]
fn a_link_asks_for_default_unless_scopes_is_expected() {
    for setting in ["", "scopes = \"registration\"\n"] {
        let config = parse(&smallest_with("[apps.permissions", &format!("{setting}[apps.permissions"))).unwrap();
        let scope = &config.apps[0].scope;
        assert_eq!((scope.as_str(), scope.names_each()), ("https://graph.microsoft.com/.default", false));
    }
    let graph = r#""Microsoft Graph" = { delegated = { required = ["mail.send"], optional = ["openid"], forbidden = ["Mail.Read"] }, application = { forbidden = ["Mail.Read"] } }"#;
    let exchange = r#""Office 365 Exchange Online" = { delegated = { optional = ["EWS.AccessAsUser.All"] } }"#;
    let config = parse(&by_name(&format!("{graph}, {exchange}"))).unwrap_or_else(|error| panic!("{error}"));
    let scope = &config.apps[0].scope;
    assert!(scope.names_each());
    assert_eq!(scope.as_str(), "https://graph.microsoft.com/Mail.Send openid https://outlook.office.com/EWS.AccessAsUser.All");
    let config = parse(&by_name(graph).replace("name = \"Sync\"", "name = \"Sync\"\ncloud = \"us-gov-l5\"")).unwrap();
    assert_eq!(config.apps[0].scope.as_str(), "https://dod-graph.microsoft.us/Mail.Send openid");
}

#[test]
fn what_cannot_be_asked_for_by_name_is_refused_with_its_remedy() {
    let graph = |lists: &str| by_name(&format!("\"Microsoft Graph\" = {{ {lists} }}"));
    let exchange = r#""Office 365 Exchange Online" = { delegated = { required = ["EWS.AccessAsUser.All"] } }"#;
    let table = include_str!("../../src/consent/permission_table.tsv").lines().filter_map(|line| line.split('\t').nth(1));
    let delegated: BTreeSet<_> = table.filter(|name| by_value(ResourceId::GRAPH, PermissionKind::Delegated, name).is_some()).collect();
    let many: Vec<_> = delegated.into_iter().take(40).collect();
    for (text, what) in [
        (
            graph(r#"delegated = { required = ["User.Read"] }, application = { required = ["User.Read.All"] }"#),
            "Microsoft Graph / User.Read.All is an application permission",
        ),
        (
            graph(r#"delegated = { required = ["User.Read"] }, application = { optional = ["User.Read.All"] }"#),
            "Microsoft Graph / User.Read.All is an application permission",
        ),
        (by_name(exchange).replace("name = \"Sync\"", "name = \"Sync\"\ncloud = \"us-gov-l4\""), "in the cloud us-gov-l4 is not known"),
        (
            by_name(r#""SharePoint Online" = { delegated = { required = ["AllSites.Read"] } }"#),
            "SharePoint Online / AllSites.Read cannot be",
        ),
        (
            by_name(r#""0a1b0000-0000-4000-8000-0000000000f1" = { name = "Archive", delegated = { required = ["Archive.Use"] } }"#),
            "Archive / Archive.Use cannot be asked for by name",
        ),
        (graph(&format!("delegated = {{ required = {many:?} }}")), "and at most 1000 leave room"),
    ] {
        assert_refused(&text, "apps[0].scopes", what, "write \"registration\"");
    }
    let unknown = smallest_with("name = \"Sync\"", "name = \"Sync\"\nscopes = \"all\" #!");
    assert_refused(&unknown, "apps[0].scopes", "none of the words", "\"registration\" or \"expected\"");
    let of_somebody_else = format!("{SMALLEST}{COMPANION}scopes = \"expected\" #!\n");
    assert_refused(&of_somebody_else, "companions[0].scopes", "cannot be chosen", "remove the key");
}

const COMPANION: &str = "[[companions]]\ncatalogue = \"apple-internet-accounts\"\nverified_by = \"sync\"\n";

const OTHER_COMPANION: &str = r#"[[companions]]
id = "scan"
client_id = "22223333-aaaa-bbbb-cccc-4444dddd5555"
name = "Scan to Mail"
verified_by = "sync"
"#;

const CHAIN: &str = "[[chains]]\nid = \"phones\"\nname = \"Mail on phones\"\nsteps = [\"sync\", \"apple-internet-accounts\"]\n";

#[test]
fn a_companion_of_the_catalogue_needs_nothing_but_its_key() {
    let config = parse(&format!("{SMALLEST}{COMPANION}{CHAIN}")).unwrap_or_else(|error| panic!("{error}"));
    let [sync, apple] = config.apps.as_slice() else { panic!("two apps") };
    assert_eq!(sync.companion, None);
    assert_eq!((apple.profile.id.as_str(), &*apple.profile.name), ("apple-internet-accounts", "Apple Internet Accounts"));
    assert_eq!((config.verifier_of(apple), &apple.credential), (Some(sync), &None));
    assert!(!apple.profile.expects_any_grant());
    let companion = apple.companion.as_ref().unwrap();
    assert_eq!((companion.publisher.as_deref(), companion.users_may_approve, companion.uses_ews), (None, true, true));
    let tenant = TenantId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap();
    assert_eq!(
        companion.consent_address(ExpectedTenant::Tenant(tenant)).unwrap().as_str(),
        "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/adminconsent?client_id=f8d98a96-0999-43f5-8af3-69971c7bb423"
    );
    let chain = config.chain(&ProfileId::parse("phones").unwrap()).unwrap();
    assert_eq!(
        (&*chain.name, chain.steps.iter().map(ProfileId::as_str).collect::<Vec<_>>()),
        ("Mail on phones", vec!["sync", "apple-internet-accounts"])
    );
}

#[test]
fn every_setting_of_a_companion_reaches_its_type() {
    let text = r#"[[companions]]
catalogue = "thunderbird"
id = "bird"
cloud = "lab"
consent_url = "http://localhost:8099/{tenant}/oauth2/authorize?client_id=9E5F94BC-e8a4-4e73-b8be-63364c29d753&prompt=admin_consent"
permissions = { "Office 365 Exchange Online" = { delegated = { required = ["IMAP.AccessAsUser.All"] } } }
users_may_approve = false
uses_ews = false
purpose = "Mail."
[[companions]]
id = "scan"
client_id = "22223333-aaaa-bbbb-cccc-4444dddd5555"
name = "Scan to Mail"
publisher = "Fabrikam, Inc."
[clouds.lab]
authority = "http://localhost:8099"
graph = "http://localhost:8099"
"#;
    let config = parse(&format!("{SMALLEST}{text}")).unwrap_or_else(|error| panic!("{error}"));
    let [_, bird, scan] = config.apps.as_slice() else { panic!("three apps") };
    assert_eq!((bird.profile.verified_by.clone(), config.verifier_of(bird)), (VerifiedBy::Nobody, None));
    let companion = bird.companion.as_ref().unwrap();
    assert_eq!((companion.users_may_approve, companion.uses_ews), (false, false));
    assert_eq!(companion.consent_address(ExpectedTenant::Any).unwrap().path(), "/organizations/oauth2/authorize");
    assert_eq!(bird.profile.expected[0].required().count(), 1);
    assert_eq!(bird.profile.wording.purpose.as_deref(), Some("Mail."));
    let companion = scan.companion.as_ref().unwrap();
    assert_eq!((companion.publisher.as_deref(), companion.users_may_approve, companion.uses_ews), (Some("Fabrikam, Inc."), false, false));
    assert!(scan.profile.expects_any_grant(), "its grants are unknown");
}

#[test]
fn companions_need_no_app_and_then_have_no_verifier() {
    let alone = SMALLEST.split("[[apps]]").next().unwrap();
    let config = parse(&format!("{alone}[[companions]]\ncatalogue = \"spark\"\n")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.apps.len(), 1);
    assert_eq!(config.apps[0].profile.verified_by, VerifiedBy::Nobody);
}

#[test]
fn a_companion_is_verified_where_its_verifier_may_be() {
    let config = parse(&format!("{SMALLEST}{COMPANION}")).unwrap();
    assert_eq!(config.apps[1].profile.verify_in, config.apps[0].profile.verify_in);
}

#[test]
fn what_the_companions_say_wrong_is_refused_with_its_remedy() {
    let known = |old: &str, new: &str| format!("{SMALLEST}{}", COMPANION.replacen(old, new, 1));
    let other = |old: &str, new: &str| format!("{SMALLEST}{}", OTHER_COMPANION.replacen(old, new, 1));
    let url = |address: &str| format!("{SMALLEST}{OTHER_COMPANION}consent_url = \"{address}\" #!\n");
    const ID: &str = "22223333-aaaa-bbbb-cccc-4444dddd5555";
    const HOST: &str = "https://login.microsoftonline.com";
    for (text, key, what, remedy) in [
        (known("\"apple-internet-accounts\"", "\"thunderbrd\" #!"), "catalogue", "no entry", "did you mean \"thunderbird\"?"),
        (known("\"apple-internet-accounts\"", "\"bluemail\" #!"), "catalogue", "no entry", "leave catalogue out"),
        (format!("{SMALLEST}{COMPANION}name = \"Apple\" #!\n"), "name", "catalogue says this", "in full"),
        (format!("{SMALLEST}{COMPANION}publisher = \"Apple\" #!\n"), "publisher", "catalogue says this", "in full"),
        (format!("{SMALLEST}{COMPANION}client_id = \"{ID}\" #!\n"), "client_id", "catalogue says this", "in full"),
        (format!("{SMALLEST}{COMPANION}credential = {{}} #!\n"), "credential", "not known", "the keys here are catalogue"),
        (format!("{SMALLEST}[[companions]]\ncatalogue = \"spark\"\nid = \"sync\" #!\n"), "id", "apps[0].id has", "of its own"),
        (known("\"sync\"", "\"synk\" #!"), "verified_by", "no app has the id", "did you mean \"sync\"?"),
        (known("\"sync\"", "\"apple-internet-accounts\" #!"), "verified_by", "is a companion", "an app of yours"),
        (
            format!("{SMALLEST}[[companions]]\ncatalogue = \"spark\"\ncloud = \"us-gov-l4\"\nverified_by = \"sync\" #!\n"),
            "verified_by",
            "us-gov-l4 and \"sync\" is in global",
            "same cloud",
        ),
        (format!("{SMALLEST}{COMPANION}uses_ews = \"no\" #!\n"), "uses_ews", "a text", "without quotes"),
        (other("id = \"scan\"\nc", "c").replace("[[companions]]", "[[companions]] #!"), "id", "missing", "short name"),
        (
            other("client_id = \"22223333-aaaa-bbbb-cccc-4444dddd5555\"\n", "").replace("[[companions]]", "[[companions]] #!"),
            "client_id",
            "missing",
            "client",
        ),
        (other("name = \"Scan to Mail\"\n", "").replace("[[companions]]", "[[companions]] #!"), "name", "missing", "catalogue entry"),
        (
            other(ID, "11112222-aaaa-bbbb-cccc-3333dddd4444").replace("4444\"\nname = \"Scan", "4444\" #!\nname = \"Scan"),
            "client_id",
            "same client id",
            "one profile",
        ),
        (url(&format!("{HOST}/common/adminconsent?client_id={ID}")), "consent_url", "{tenant} once", HOST),
        (url(&format!("{HOST}/{{tenant}}/{{tenant}}?client_id={ID}")), "consent_url", "{tenant} once", HOST),
        (url(&format!("{HOST}/adminconsent?client_id={ID}&t={{tenant}}")), "consent_url", "part of its path", HOST),
        (url(&format!("{HOST}/{{tenant}}/adminconsent")), "consent_url", "client_id is not", ID),
        (url(&format!("{HOST}/{{tenant}}/adminconsent?client_id={ID}&client_id={ID}")), "consent_url", "client_id is not", ID),
        (url(&format!("{HOST}/{{tenant}}/adminconsent?client_id={}", ID.replace('2', "9"))), "consent_url", "client_id is not", ID),
        (url(&format!("https://login.microsoftonline.us/{{tenant}}/adminconsent?client_id={ID}")), "consent_url", "login host", HOST),
        (url(&format!("https://login.microsoftonline.com.example/{{tenant}}?client_id={ID}")), "consent_url", "login host", HOST),
        (url(&format!("https://x@login.microsoftonline.com/{{tenant}}?client_id={ID}")), "consent_url", "user name", "'@'"),
        (url(&format!("http://login.microsoftonline.com/{{tenant}}?client_id={ID}")), "consent_url", "http", "https"),
        (url("{tenant}"), "consent_url", "not an address", "whole address"),
    ] {
        assert_refused(&text, &format!("companions[0].{key}"), what, remedy);
    }
    let through_a_companion = smallest_with("credential = { client_secret = { env = \"SYNC_SECRET\" } }", "verified_by = \"spark\" #!");
    let spark = "[[companions]]\ncatalogue = \"spark\"\n";
    assert_refused(&format!("{through_a_companion}{spark}"), "apps[0].verified_by", "not yours", "an app of yours");
    assert_refused(&format!("companions = 5 #!\n{SMALLEST}"), "companions", "not a list", "[[companions]]");
}

#[test]
fn what_the_chains_say_wrong_is_refused_with_its_remedy() {
    let base = format!("{SMALLEST}{SECOND_APP}{COMPANION}");
    let chain = |old: &str, new: &str| format!("{base}{}", CHAIN.replacen(old, new, 1));
    let steps = |steps: &str| chain("[\"sync\", \"apple-internet-accounts\"]", &format!("[\n{steps}\n]"));
    let count = |count: usize| {
        let ids: Vec<String> = (0..count).map(|at| format!("\"a{at}\"")).collect();
        chain("[\"sync\", \"apple-internet-accounts\"]", &format!("[{}] #!", ids.join(", ")))
    };
    for (text, key, what, remedy) in [
        (chain("id = \"phones\"", "id = \"My Phones\" #!"), "id", "cannot be the id", "a-z"),
        (chain("id = \"phones\"", "id = \"reader\" #!"), "id", "apps[1].id has", "no app"),
        (format!("{}{}", chain("", ""), CHAIN.replace("\"phones\"", "\"phones\" #!")), "id", "chains[0].id has", "no other chain"),
        (chain("[[chains]]\nid = \"phones\"", "[[chains]] #!"), "id", "missing", "short name"),
        (chain("[[chains]]", "[[chains]] #!").replace("name = \"Mail on phones\"\n", ""), "name", "missing", "approved for"),
        (chain("[[chains]]", "[[chains]] #!").split("steps").next().unwrap().to_owned(), "steps", "missing", "in the order"),
        (chain("steps", "stebs = 1 #!\nsteps"), "stebs", "not known", "did you mean \"steps\"?"),
        (chain("[\"sync\", \"apple-internet-accounts\"]", "\"sync\" #!"), "steps", "not a list", "brackets"),
        (chain("steps", "optional = [\"reader\"] #!\nsteps"), "optional[0]", "no step of this chain", "the id of a step"),
        (
            chain("steps", "optional = [\"sync\", \"apple-internet-accounts\"] #!\nsteps"),
            "optional",
            "no step would be needed",
            "at least one",
        ),
        (chain("steps", "optional = 1 #!\nsteps"), "optional", "not a list", "brackets"),
        (count(0), "steps", "2 to 8 steps", "add a step"),
        (count(1), "steps", "2 to 8 steps", "the one app itself"),
        (count(9), "steps", "9 steps", "two chains"),
        (steps("\"sync\",\n\"sync\", #!\n\"reader\""), "steps[1]", "a step already", "once"),
        (steps("\"sync\",\n\"reder\" #!"), "steps[1]", "no app has the id \"reder\"", "did you mean \"reader\"?"),
        (steps("\"sync\",\n\"nobody-here\" #!"), "steps[1]", "no app has the id", "name one of sync, reader, apple-internet-accounts"),
        (steps("\"apple-internet-accounts\", #!\n\"sync\""), "steps[0]", "approved only after it", "put \"sync\" before"),
    ] {
        let at = text.matches("[[chains]]").count() - 1;
        assert_refused(&text, &format!("chains[{at}].{key}"), what, remedy);
    }
    let elsewhere = SECOND_APP.replace("name = \"Reader\"", "name = \"Reader\"\ncloud = \"us-gov-l4\"");
    let text = format!("{SMALLEST}{elsewhere}{}", CHAIN.replace("\"apple-internet-accounts\"]", "\n\"reader\" #!\n]"));
    assert_refused(&text, "chains[0].steps[1]", "us-gov-l4 and the first step is in global", "a chain for each cloud");
    assert_refused(&format!("chains = true #!\n{base}"), "chains", "not a list", "[[chains]]");
    let without_the_verifier = steps("\"reader\",\n\"apple-internet-accounts\"");
    assert!(parse(&without_the_verifier).is_ok(), "a verifier may have been approved long before");
}

#[test]
fn permissions_that_could_never_be_judged_are_refused_with_their_remedy() {
    const GRAPH: &str = "apps[0].permissions.\"Microsoft Graph\"";
    const OTHER: &str = "apps[0].permissions.99990000-aaaa-bbbb-cccc-1111dddd2222";
    let graph = |lists: &str| smallest_with("application = { required = [\"User.Read.All\"] }", lists);
    let other = |lists: &str| format!("{SMALLEST}[apps.permissions.99990000-aaaa-bbbb-cccc-1111dddd2222]\n{lists}\n");
    let key = |table: &str, rest: &str| format!("{table}.{rest}");
    for (text, key, what, remedy) in [
        (
            graph("application = { required = [\"User.Raed.All\"] } #!"),
            key(GRAPH, "application.required[0]"),
            "id of User.Raed.All",
            "ids = ",
        ),
        (
            graph("application = { required = [\"User.Read.All\", \"df021288-bdef-4463-88db-98f22de89214\"] } #!"),
            key(GRAPH, "application.required[1]"),
            "is an id",
            "write \"User.Read.All\"",
        ),
        (
            graph("application = { required = [\"SMTP.Send\"] } #!"),
            key(GRAPH, "application.required[0]"),
            "not an application",
            "under delegated",
        ),
        (graph("delegated = { required = [\"Mail.Raed\"] } #!"), key(GRAPH, "delegated.required[0]"), "no delegated permission", "ids = "),
        (
            graph("application = { required = [\"User.Read.All\"] }\ndelegated = { required = [\"AuditLog.Read.Al\"] } #!"),
            key(GRAPH, "delegated.required[0]"),
            "AuditLog.Read.Al",
            "correct the name",
        ),
        (graph("delegated = { required = [\".default\"] } #!"), key(GRAPH, "delegated.required[0]"), "not one permission", "each"),
        (graph("delegated = { required = [\"User.Read Mail.Read\"] } #!"), key(GRAPH, "delegated.required[0]"), "not one", "each"),
        (
            graph("application = { required = [\"User.Read.All\"], forbidden = [\"user.read.all\"] } #!"),
            key(GRAPH, "application.forbidden[0]"),
            "in two lists",
            "where it belongs",
        ),
        (
            graph("application = { required = [\"User.Read.All\", \"User.Read.All\"] } #!"),
            key(GRAPH, "application.required[1]"),
            "listed twice",
            "where it belongs",
        ),
        (graph("application = { required = \"User.Read.All\" } #!"), key(GRAPH, "application.required"), "not a list", "brackets"),
        (graph("application = { required = [\"User.Read.All\"], need = [] } #!"), key(GRAPH, "application.need"), "not known", "required"),
        (
            graph(
                "application = { required = [\"User.Read.All\"] }\nids = { \"User.Read.All\" = \"df021288-bdef-4463-88db-98f22de89214\" } #!",
            ),
            key(GRAPH, "ids.\"User.Read.All\""),
            "not used",
            "shipped with the program",
        ),
        (
            graph("application = { required = [\"User.Read.All\"] }\nids = { \"Other\" = \"df021288-bdef-4463-88db-98f22de89214\" } #!"),
            key(GRAPH, "ids.Other"),
            "not used",
            "list that permission",
        ),
        (
            graph("name = \"Graph\" #!\napplication = { required = [\"User.Read.All\"] }"),
            key(GRAPH, "name"),
            "has a name already",
            "remove",
        ),
        (other("application = { optional = [\"Archive.Write\"] } #!"), key(OTHER, "application.optional[0]"), "not known", "add its id"),
        (other("application = { optional = [\"A\"] }\nids = { \"A\" = \"1\" } #!"), key(OTHER, "ids.A"), "not a GUID", "usual form"),
        (
            smallest_with("[apps.permissions.\"Microsoft Graph\"]", "[apps.permissions.\"Mircosoft Graph\"] #!"),
            "apps[0].permissions.\"Mircosoft Graph\"".into(),
            "no resource is known",
            "Microsoft Graph, Office 365 Exchange Online, SharePoint Online",
        ),
        (
            smallest_with("[apps.permissions.\"Microsoft Graph\"]", "[apps.permissions.\"Microsoft Graph\"] #!")
                .replace("required", "optional"),
            "apps[0].permissions".into(),
            "no permission is required",
            "list under required",
        ),
        (
            smallest_with("[[apps]]", "[[apps]] #!").split("[apps.permissions").next().unwrap().to_owned(),
            "apps[0].permissions".into(),
            "missing",
            "list under required",
        ),
        (
            format!("{SMALLEST}[apps.permissions.00000003-0000-0000-c000-000000000000] #!\ndelegated = {{ required = [\"User.Read\"] }}"),
            "apps[0].permissions.00000003-0000-0000-c000-000000000000".into(),
            "twice",
            "under one of the two",
        ),
    ] {
        assert_refused(&text, &key, what, remedy);
    }
}

#[test]
fn a_profile_has_at_most_twelve_resources() {
    let resources = |count: usize| {
        let table = |at| format!("[apps.permissions.99990000-aaaa-bbbb-cccc-{at:012}]\ndelegated = {{ required = [\"R\"] }}\n");
        format!("{SMALLEST}{}", (1..count).map(table).collect::<String>())
    };
    assert_eq!(parse(&resources(12)).unwrap().apps[0].profile.expected.len(), 12);
    assert_refused(&resources(13).replace("Graph\"]", "Graph\"] #!"), "apps[0].permissions", "13 resources, and at most 12", "split");
}

#[test]
fn a_custom_cloud_is_this_machine_alone() {
    let cloud = |settings: &str| format!("{SMALLEST}[clouds.lab]\n{settings}\n");
    let loopback = "graph = \"http://[::1]:1\"";
    for (settings, key, what, remedy) in [
        ("authority = \"https://login.example.com\" #!", "clouds.lab.authority", "this machine alone", "loopback"),
        ("authority = \"https://localhost.example.com\" #!", "clouds.lab.authority", "this machine alone", "loopback"),
        ("authority = \"https://10.0.0.1\" #!", "clouds.lab.authority", "this machine alone", "loopback"),
        ("authority = \"http://login.example.com\" #!", "clouds.lab.authority", "http", "loopback hosts only"),
        ("authority = \"http://localhost/?x\" #!", "clouds.lab.authority", "query", "remove"),
        ("authority = \"http://localhost\"\nextra_ca = \"no-such-file.pem\" #!", "clouds.lab.extra_ca", "cannot be read", "in PEM"),
        ("authority = \"http://localhost\"\nextra = 1 #!", "clouds.lab.extra", "not known", "extra_ca"),
    ] {
        assert_refused(&cloud(&format!("{settings}\n{loopback}")), key, what, remedy);
    }
    for (text, key, what, remedy) in [
        (format!("{SMALLEST}[clouds.lab] #!\n{loopback}"), "clouds.lab.authority", "missing", "http://localhost"),
        (format!("{SMALLEST}[clouds.global] #!\n{loopback}"), "clouds.global", "built-in", "another name"),
        (format!("{SMALLEST}[clouds.\"My Lab\"] #!\n{loopback}"), "clouds.\"My Lab\"", "cannot be the name", "a-z"),
    ] {
        assert_refused(&text, key, what, remedy);
    }
}

#[test]
fn extra_ca_is_relative_to_the_file_and_must_be_a_certificate() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config-extra-ca");
    std::fs::create_dir_all(&folder).unwrap();
    let pem = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    std::fs::write(folder.join("good.pem"), &pem).unwrap();
    std::fs::write(folder.join("bad.pem"), "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
    std::fs::write(folder.join("none.pem"), "nothing").unwrap();
    let load = |name: &str| {
        let text =
            format!("{SMALLEST}[clouds.lab]\nauthority = \"https://localhost\"\ngraph = \"https://localhost\"\nextra_ca = \"{name}\"\n");
        Config::parse(&text, &folder.join("consent.toml"), &unset)
    };
    assert_eq!(load("good.pem").unwrap().custom_clouds[0].1.extra_ca.as_deref(), Some(pem.as_bytes()));
    for bad in ["bad.pem", "none.pem"] {
        let error = load(bad).unwrap_err().to_string();
        assert!(error.contains("holds no readable certificate") && error.contains("PEM"), "{error}");
    }
}

#[test]
fn an_app_of_a_wrong_cloud_is_not_blamed_for_it() {
    let text = smallest_with("name = \"Sync\"", "name = \"Sync\"\ncloud = \"lab\"");
    assert_refused(&format!("{text}[clouds.lab] #!\nauthority = \"http://localhost\"\n"), "clouds.lab.graph", "missing", "address");
}

/// The setting of each secret, and a value that a user may write there by mistake.
#[test]
fn a_value_in_place_of_a_secret_is_never_printed() {
    const CANARY: &str = "canary~8Q7f.secret";
    for (wrong, remedy) in [
        ("\"canary~8Q7f.secret\"", "{ aws = "),
        ("['canary~8Q7f.secret']", "{ aws = "),
        ("{ value = \"canary~8Q7f.secret\" }", "{ aws = "),
        ("{ \"canary~8Q7f.secret\" = true }", "{ aws = "),
        ("{ env = \"canary~8Q7f.secret\" }", "not its value"),
        ("{ aws = \"canary~8Q7f.secret\" }", "the name or the ARN"),
        ("{ aws = \"a\", file = \"canary~8Q7f.secret\" }", "{ aws = "),
        ("{ file = \"\"\"canary~8Q7f.secret\ncanary~8Q7f.secret\"\"\" }", "on one line"),
        ("{ env = [\"canary~8Q7f.secret\"] }", "in double quotes"),
        ("{}", "{ aws = "),
    ] {
        for place in ["{ file = \"keys.json\" }", "{ env = \"SYNC_SECRET\" }"] {
            let error = parse(&smallest_with(place, wrong)).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary"), "{wrong}: {shown}");
            assert!(shown.contains(remedy), "{wrong}: {shown}");
            assert_eq!(error.problems().len(), 1, "{shown}");
        }
    }
    let whole = parse(&smallest_with("{ client_secret = { env = \"SYNC_SECRET\" } }", &format!("\"{CANARY}\""))).unwrap_err();
    assert!(whole.to_string().contains("apps[0].credential: the secret itself") && !format!("{whole:?}").contains(CANARY), "{whole}");
    let broken = parse(&smallest_with("{ file = \"keys.json\" }", &format!("\"{CANARY}"))).unwrap_err();
    assert!(!format!("{broken} {broken:?}").contains(CANARY), "{broken}");
    let variable = Config::parse(SMALLEST, Path::new("consent.toml"), &|name| {
        (name == "ENTRA_CONSENT_KEYS_SECRET").then(|| format!("{{\"kid\":\"{CANARY}\"}}"))
    });
    let error = variable.unwrap_err();
    assert!(
        error.to_string().contains("environment variable ENTRA_CONSENT_KEYS_SECRET: it is neither")
            && !format!("{error:?}").contains(CANARY)
    );
}

#[test]
fn the_worker_may_verify_where_a_queue_is_named_in_the_file_or_in_the_environment() {
    let text = smallest_with("name = \"Sync\"", "name = \"Sync\"\nverify_in = \"worker\"");
    let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders";
    let env = |name: &str| match name {
        "ENTRA_CONSENT_QUEUE_URL" => Some(queue.to_owned()),
        "ENTRA_CONSENT_EVENT_BUS" => Some("default".to_owned()),
        "ENTRA_CONSENT_EVENT_RECEIVER" => Some("alarms@northwind.example".to_owned()),
        _ => None,
    };
    let by_environment = Config::parse(&text, Path::new("consent.toml"), &env).unwrap();
    assert_eq!(by_environment.worker.queue.unwrap().as_str(), queue);
    assert_eq!(by_environment.events.bus.as_deref(), Some("default"));
    assert_eq!(by_environment.events.receiver.as_deref(), Some("alarms@northwind.example"));
    let in_file = parse(&format!("{text}[worker]\nqueue = \"{queue}\"\n[events]\nreceiver = \"The service desk\"\n")).unwrap();
    assert_eq!((in_file.events.bus, in_file.events.receiver.as_deref()), (None, Some("The service desk")));
    let by_file = parse(&format!("{text}[worker]\nqueue = \"{queue}\"\n")).unwrap();
    assert_eq!(by_file.apps[0].profile.verify_in, VerifyIn::Worker);
    let wrong = |name: &str| (name == "ENTRA_CONSENT_QUEUE_URL").then(|| "orders".to_owned());
    let error = Config::parse(&text, Path::new("consent.toml"), &wrong).unwrap_err();
    assert_eq!(error.problems().len(), 1, "an invalid queue is reported once: {error}");
    assert!(error.to_string().starts_with("environment variable ENTRA_CONSENT_QUEUE_URL: it is not an address"), "{error}");
}

#[test]
fn an_app_is_verified_where_its_verifier_is() {
    let queue = "[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/123456789012/orders\"\n";
    let reader = SECOND_APP.replacen("name = ", "verify_in = \"worker\"\nname = ", 1);
    let verified_by_reader = |more: &str| {
        let app =
            SMALLEST.replace("credential = { client_secret = { env = \"SYNC_SECRET\" } }", &format!("verified_by = \"reader\"{more}"));
        format!("{app}{reader}{queue}")
    };
    assert_refused(&verified_by_reader(" #!"), "apps[0].verified_by", "verified in the worker", "verify_in = \"worker\"");
    assert!(parse(&verified_by_reader("\nverify_in = \"worker\"")).is_ok());
}

#[test]
fn the_environment_overrides_or_replaces_the_file() {
    let without =
        SMALLEST.replace("base_url = \"https://consent.example.com\"\n", "").replace("[keys]\nsecret = { file = \"keys.json\" }\n", "");
    let env = |name: &str| match name {
        "ENTRA_CONSENT_BASE_URL" => Some("https://api.example.com/prod/".to_owned()),
        "ENTRA_CONSENT_KEYS_SECRET" => Some("arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf".to_owned()),
        _ => None,
    };
    for text in [SMALLEST, &without] {
        let config = Config::parse(text, Path::new("consent.toml"), &env).unwrap();
        assert_eq!(config.site.base_url.as_str(), "https://api.example.com/prod");
        assert!(matches!(config.keys, SecretSource::SecretsManager(arn) if arn.ends_with("keys-AbCdEf")));
    }
    let empty = |name: &str| name.starts_with("ENTRA_").then(|| " ".to_owned());
    assert_eq!(Config::parse(SMALLEST, Path::new("consent.toml"), &empty).unwrap().site.base_url.host_str(), Some("consent.example.com"));
    let error = parse(&without).unwrap_err().to_string();
    assert!(error.contains("site.base_url: it is missing") && error.contains("ENTRA_CONSENT_BASE_URL"), "{error}");
    assert!(error.contains("keys.secret: it is missing") && error.contains("ENTRA_CONSENT_KEYS_SECRET"), "{error}");
    let plain = |name: &str| (name == "ENTRA_CONSENT_BASE_URL").then(|| "http://api.example.com".to_owned());
    let error = Config::parse(SMALLEST, Path::new("consent.toml"), &plain).unwrap_err().to_string();
    assert!(error.starts_with("environment variable ENTRA_CONSENT_BASE_URL: it is http") && error.contains("write https://"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_lines() {
    let text = smallest_with("name = \"Northwind\"", "name = 1").replace("id = \"sync\"", "id = \"-\"").replace("User.Read.All", "X");
    let error = parse(&text).unwrap_err();
    let keys: Vec<_> = error.problems().iter().map(|problem| &*problem.key).collect();
    assert_eq!(keys, ["site.name", "apps[0].id", "apps[0].permissions.\"Microsoft Graph\".application.required[0]"], "{error}");
    assert_eq!(error.to_string().lines().count(), 3);

    let nonsense: String = (0..100).map(|at| format!("k{at} = 1\n")).collect();
    let shown = parse(&nonsense).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 26, "{shown}");
    assert!(shown.ends_with(" more"), "{shown}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_at_the_line() {
    assert_eq!(parse(SMALLEST.replace("[keys]", "[keys").as_str()).unwrap_err().problems()[0].line, Some(6));
    let error = parse(&format!("{SMALLEST}\n[site]\n")).unwrap_err().to_string();
    assert!(error.starts_with("etc/consent.toml:16: ") && error.contains("duplicate") && error.contains("TOML"), "{error}");
}

#[test]
fn a_key_cannot_steer_the_terminal_that_shows_it() {
    let shown = parse("\"\\u001b[2J\\u202e\" = 1").unwrap_err().to_string();
    assert!(!shown.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'), "{shown:?}");
}

#[test]
fn a_missing_file_is_named_with_the_way_out() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config-load");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("nowhere.toml");
    let error = Config::load(&path, &unset).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    assert!(error.contains("entra-consent looks for its configuration here") && error.contains("copy consent.example.toml"), "{error}");
    assert!(Config::load(&folder, &unset).unwrap_err().to_string().contains("cannot be read"));

    for (name, content, what) in
        [("latin1.toml", b"name = \"\xe4\"".to_vec(), "not UTF-8"), ("large.toml", vec![b'#'; 1024 * 1024 + 1], "1 MiB")]
    {
        std::fs::write(folder.join(name), content).unwrap();
        let error = Config::load(&folder.join(name), &unset).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }

    std::fs::write(folder.join("good.toml"), SMALLEST).unwrap();
    let named = folder.join("good.toml").display().to_string();
    let source = ConfigSource::from_env(&|name| (name == "ENTRA_CONSENT_CONFIG").then(|| named.clone())).unwrap();
    assert_eq!(source, ConfigSource::File(named.into()));
    assert_eq!(Config::load(&folder.join("good.toml"), &unset).unwrap().keys, SecretSource::File(folder.join("keys.json")));
}

/// The source for the values of `ENTRA_CONSENT_CONFIG` and `ENTRA_CONSENT_CONFIG_TEXT`.
fn source(named: &str, text: &str) -> Result<ConfigSource, String> {
    let env = |name: &str| match name {
        "ENTRA_CONSENT_CONFIG" => Some(named.to_owned()),
        "ENTRA_CONSENT_CONFIG_TEXT" => Some(text.to_owned()),
        _ => None,
    };
    ConfigSource::from_env(&env).map_err(|error| error.to_string())
}

#[test]
fn the_configuration_is_a_file_a_text_or_a_secret() {
    assert_eq!(source("", " "), Ok(ConfigSource::File("consent.toml".into())));
    assert_eq!(source("/opt/consent.toml", ""), Ok(ConfigSource::File("/opt/consent.toml".into())));
    assert_eq!(source("", "\n[site]\n"), Ok(ConfigSource::Text("\n[site]\n".into())), "a line keeps its number");
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:msp/consent-AbC123";
    assert_eq!(source(&format!("secret:{arn}"), ""), Ok(ConfigSource::Secret(arn.into())));
}

#[test]
fn a_source_that_cannot_be_meant_is_refused_with_a_remedy() {
    let both = source("consent.toml", SMALLEST).unwrap_err();
    assert!(both.contains("ENTRA_CONSENT_CONFIG is set as well") && both.contains("remove one"), "{both}");
    assert!(source("", &"#".repeat(3 * 1024)).is_ok());
    let long = source("", &"#".repeat(3 * 1024 + 1)).unwrap_err();
    assert!(long.contains("more than 3 KB") && long.contains("ENTRA_CONSENT_CONFIG=secret:NAME"), "{long}");
    for named in ["secret:", "secret:two words", "secret:a:b"] {
        let error = source(named, "").unwrap_err();
        assert!(error.starts_with("environment variable ENTRA_CONSENT_CONFIG: no secret"), "{error}");
    }
}

#[test]
fn a_problem_in_a_text_names_the_variable_and_the_line() {
    let text = SMALLEST.replace("name = \"Northwind\"", "name = 1");
    let error = source("", &text).unwrap().parse(&text, &unset).unwrap_err().to_string();
    assert!(error.starts_with("environment variable ENTRA_CONSENT_CONFIG_TEXT:"), "{error}");
    let secret = ConfigSource::Secret("msp/consent".into());
    let error = secret.parse(&text, &unset).unwrap_err().to_string();
    assert!(error.starts_with("the secret that ENTRA_CONSENT_CONFIG names:"), "{error}");
    assert_eq!(secret.parse(SMALLEST, &unset).unwrap().keys, SecretSource::File("keys.json".into()));
}

#[tokio::test]
async fn a_configuration_in_a_secret_starts_an_installation() {
    let load = async |status, body: String| {
        let settings = settings(&answering(status, body.leak())).await;
        let dependencies = Dependencies { aws: Some(AwsClients::with_settings(settings)), ..Dependencies::real(Roots::Platform) };
        Installation::load(&ConfigSource::Secret("msp/consent".into()), dependencies).await.map_err(|error| error.to_string())
    };
    let started = load(200, serde_json::json!({ "SecretString": SMALLEST }).to_string()).await.unwrap();
    assert_eq!(started.config.site.operator.as_ref(), "Northwind");
    let denied = load(400, r#"{"__type":"AccessDeniedException"}"#.to_owned()).await.unwrap_err();
    assert!(denied.contains("msp/consent") && denied.contains("secretsmanager:GetSecretValue"), "{denied}");
    let wrong = load(200, serde_json::json!({ "SecretString": "[site]" }).to_string()).await.unwrap_err();
    assert!(wrong.starts_with("the secret that ENTRA_CONSENT_CONFIG names:1: site.name"), "{wrong}");
}

#[test]
fn the_example_loads() {
    let config =
        Config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/consent.example.toml")), &unset).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.apps.len(), 2);
    assert_eq!(config.links, LinksConfig::default(), "a commented-out setting shows the default or is off");
}

#[test]
fn the_companions_and_the_chain_that_the_example_shows_can_be_switched_on() {
    let section = EXAMPLE.split_once("#[[companions]]").unwrap().1.split("# A cloud of your own").next().unwrap();
    let switched_on: String = section
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if is_setting(setting) => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let off = parse(EXAMPLE).unwrap_or_else(|error| panic!("{error}"));
    let on = parse(&format!("{EXAMPLE}\n[[companions]]{switched_on}")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((off.chains.len(), on.chains.len()), (0, 1));
    let [apple, scanner] = &on.apps[off.apps.len()..] else { panic!("two companions") };
    assert_eq!((apple.profile.id.as_str(), &*apple.profile.name), ("apple-mail", "Apple Internet Accounts"));
    let companion = scanner.companion.as_ref().unwrap();
    let form = entra_consent::entra::companion::PUBLISHED_CONSENT_ADDRESS;
    let default = entra_consent::entra::companion::consent_address(form, &scanner.endpoints, scanner.profile.client_id);
    assert_eq!(companion.consent_url, default, "the address shown is the default");
    assert!(!companion.users_may_approve && !companion.uses_ews, "the example shows the default");
}

#[test]
fn the_defaults_that_the_example_shows_are_the_real_ones() {
    let shown: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !["revoked", "logo"].iter().any(|needs| setting.starts_with(needs)) && is_setting(setting) => {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let shown = shown.split("\n[[apps]]\n").next().unwrap();
    assert!(shown.contains("\nschedule = ") && shown.contains("\nbus = "), "every setting is active");
    let rest = SMALLEST.split_once("[[apps]]").unwrap().1;
    let config = parse(&format!("{shown}\n[[apps]]{rest}")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.links, LinksConfig::default());
    assert_eq!((config.records.ip, config.records.browser), (RecordIp::Truncated, RecordBrowser::Family));
    assert_eq!(config.worker.schedule, Schedule::default());
}

fn is_setting(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_lowercase() || first == '[')
}

/// Every key of the example, commented-out ones included, in the documentation's spelling.
fn keys_of_the_example() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut table = String::new();
    for line in EXAMPLE.lines() {
        let setting = line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line);
        if let Some(header) = setting.strip_prefix('[') {
            table = format!("[{header}\n");
        } else if is_setting(setting) {
            // Parses one table at a time, because the example lists alternatives.
            let document = format!("{}{setting}\n", table.replace("[apps.", "[[apps]]\n[apps."));
            let parsed = DeTable::parse(&document).unwrap_or_else(|error| panic!("{document}\n{error}"));
            flatten("", parsed.get_ref(), &mut keys);
        }
    }
    keys
}

fn flatten(prefix: &str, table: &DeTable<'_>, keys: &mut BTreeSet<String>) {
    for (name, value) in table {
        let name = match prefix {
            "apps[].permissions" => "apps[].permissions[]".to_owned(),
            "clouds" => "clouds.NAME".to_owned(),
            "" => name.get_ref().to_string(),
            prefix => format!("{prefix}.{}", name.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(table) if ["aws", "file", "env"].iter().any(|place| table.contains_key(*place)) => {
                flatten("SECRET", table, keys);
                keys.insert(name);
            }
            // The documentation describes these keys once, under apps.
            DeValue::Table(_) if name == "companions[].permissions" => {
                keys.insert(name);
            }
            DeValue::Table(table) if !name.ends_with(".ids") => flatten(&name, table, keys),
            DeValue::Array(items) if ["apps", "companions", "chains"].contains(&name.as_str()) => {
                let prefix = format!("{name}[]");
                items.iter().filter_map(|item| item.get_ref().as_table()).for_each(|app| flatten(&prefix, app, keys));
            }
            _ => {
                keys.insert(name);
            }
        }
    }
}

#[test]
fn documentation_and_example_have_the_same_keys() {
    let documented: BTreeSet<String> = DOCUMENTATION
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        // The other keys in the documentation are environment variables.
        .filter(|key| key.bytes().any(|byte| byte.is_ascii_lowercase()))
        .collect();
    assert!(documented.len() > 30, "{documented:?}");
    assert_eq!(documented, keys_of_the_example());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_or_refuse_without_a_reason(text in any::<String>()) {
        assert_reasoned(&text)?;
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_parser_panic(
        (from, length, inserted) in (0..EXAMPLE.len(), 0..40_usize, prop_oneof!["\\PC{0,12}", "[\\[\\]{}=\"'#,.\n]{0,6}", Just("\u{0}".to_owned())])
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        let end = (from + length).min(bytes.len());
        bytes.splice(from..end, inserted.into_bytes());
        assert_reasoned(&String::from_utf8_lossy(&bytes))?;
    }
}

fn assert_reasoned(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = parse(text) {
        prop_assert!(!error.problems().is_empty());
        for problem in error.problems() {
            prop_assert!(!problem.what.is_empty() && !problem.remedy.is_empty());
            let line = problem.line.unwrap_or(0);
            prop_assert!(line >= 1 && line <= text.split('\n').count());
        }
    }
    Ok(())
}

/// The smallest `consent.toml`, with these tables before its apps.
fn with_tables(tables: &str) -> String {
    smallest_with("[[apps]]", &format!("{tables}\n[[apps]]"))
}

#[test]
fn the_store_is_next_to_the_file_and_only_the_host_is_shown() {
    let url = format!("https://hooks.example.com/consent?sig=canary-secret{}", "x".repeat(1_000));
    let text = with_tables(&format!("[store]\npath = \"data/x.redb\"\n[webhook]\nurl = \"{url}\"\nsecret = {{ file = \"hook.txt\" }}"));
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.store.as_deref(), Some(Path::new("etc/data/x.redb")));
    let webhook = config.webhook.as_ref().unwrap();
    assert_eq!((webhook.address.host(), webhook.address.url().as_str()), ("hooks.example.com", url.as_str()));
    assert_eq!(webhook.secret, SecretSource::File("etc/hook.txt".into()));
    assert!(!format!("{config:?}").contains("canary"));
    assert_eq!(parse(SMALLEST).map(|config| (config.store, config.webhook)).unwrap(), (None, None));
    let local = with_tables("[store]\npath = \"x\"\n[webhook]\nurl = \"http://[::1]:9/\"\nsecret = { env = \"HOOK\" }");
    assert!(parse(&local).is_ok());
}

#[test]
fn what_store_and_webhook_say_wrong_is_refused_with_its_remedy() {
    let store = "[store]\npath = \"x.redb\"\n";
    let url = "url = \"https://hooks.example.com/\"\n";
    let secret = "secret = { env = \"HOOK\" }\n";
    for (tables, key, what, remedy) in [
        (format!("[webhook] #!\n{url}{secret}"), "webhook", "there is no store", "[store]"),
        (format!("{store}[webhook] #!\n{secret}"), "webhook.url", "missing", "https://"),
        (format!("{store}[webhook] #!\n{url}"), "webhook.secret", "missing", "where the signing secret is kept"),
        (format!("{store}[webhook]\n{secret}url = \"http://hooks.example.com\" #!"), "webhook.url", "http", "write https://"),
        (format!("{store}[webhook]\n{secret}url = \"https://a:b@hooks.example.com\" #!"), "webhook.url", "user name", "'@'"),
        (format!("{store}[webhook]\n{secret}url = \"https://h.example/{}\" #!", "x".repeat(2_000)), "webhook.url", "2000", "shorten"),
        (format!("{store}[webhook]\n{url}secret = \"whsec_canary\" #!"), "webhook.secret", "no place for it", "{ file = "),
        ("[store] #!\n".to_owned(), "store.path", "missing", "entra-consent.redb"),
        ("[store]\nfile = \"x\" #!\npath = \"x\"".to_owned(), "store.file", "not known", "path"),
    ] {
        assert_refused(&with_tables(&tables), key, what, remedy);
    }
}

#[test]
fn a_federated_credential_has_microsofts_audience_unless_another_is_named() {
    let audience_in = |cloud: &str, credential: &str| {
        let text = SMALLEST
            .replace("[[apps]]\n", &format!("[[apps]]\ncloud = \"{cloud}\"\n"))
            .replace("credential = { client_secret = { env = \"SYNC_SECRET\" } }", &format!("credential = {credential}"));
        match &parse(&text).unwrap().apps[0].credential {
            Some(CredentialSource::Federated { audience }) => audience.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let audience_of = |credential: &str| audience_in("global", credential);
    assert_eq!(audience_of("{ federated = {} }"), "api://AzureADTokenExchange");
    for (cloud, audience) in [("us-gov-l4", "USGov"), ("us-gov-l5", "USGov"), ("china-21vianet", "China")] {
        assert_eq!(audience_in(cloud, "{ federated = {} }"), format!("api://AzureADTokenExchange{audience}"));
    }
    assert_eq!(audience_of("{ federated = { audience = \"api://lab\" } }"), "api://lab");
}

#[test]
fn the_end_of_a_client_secret_is_a_day_or_a_moment_and_of_nothing_else() {
    let with = |more: &str| SMALLEST.replace("client_secret = { env = \"SYNC_SECRET\" }", more);
    for (text, expected) in [
        ("expires = 2027-01-31", "2027-01-31T00:00:00Z"),
        ("expires = \"2027-01-31\"", "2027-01-31T00:00:00Z"),
        ("expires = 2027-01-31T14:00:00+02:00", "2027-01-31T12:00:00Z"),
    ] {
        let parsed = parse(&with(&format!("client_secret = {{ env = \"A\" }}, {text}"))).unwrap();
        let expected = time::OffsetDateTime::parse(expected, &time::format_description::well_known::Rfc3339).unwrap();
        assert_eq!(parsed.apps[0].credential_expires, Some(expected), "{text}");
    }
    for (credential, what, remedy) in [
        ("client_secret = { env = \"SYNC_SECRET\" }, expires = \"soon\"", "neither a day nor a moment", "2027-01-31"),
        ("client_secret = { env = \"SYNC_SECRET\" }, expires = 2027-01-31T14:00:00", "neither a day nor a moment", "2027-01-31"),
        ("certificate = { env = \"A\" }, expires = 2027-01-31", "only a client secret", "remove it"),
        ("federated = {}, expires = 2027-01-31", "only a client secret", "remove it"),
    ] {
        let marked: Vec<_> =
            with(credential).lines().map(|line| format!("{line}{}", if line.contains("expires") { " #!" } else { "" })).collect();
        assert_refused(&marked.join("\n"), "apps[0].credential.expires", what, remedy);
    }
}
