//! Apps that another company registered: Microsoft's consent page for them, and what Graph then shows.

use std::path::Path;
use std::time::Duration;

use entra_consent::config::{Config, ConfiguredApp};
use entra_consent::consent::finding::{Obstacle, Visible};
use entra_consent::consent::outcome::{GIVE_UP, conclude};
use entra_consent::consent::profile::VerifiedBy;
use entra_consent::consent::{Claim, ExpectedTenant, Outcome, ProfileId, Verdict};
use entra_consent::entra::companion::CATALOGUE;
use entra_consent::entra::verifier::Check;
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation, TimedCheck};
use entra_consent::record::Sink;
use entra_sandbox::{
    AppRegistration, Change, ClientId, ClientSecret, Control, Effect, Fault, FaultAt, Kind, PermissionSet, ResourceId, ReviewDecision,
    Sandbox, SandboxClock, SandboxOptions, Scenario, TenantId, UserRole, demo,
};
use reqwest::Response;
use reqwest::redirect::Policy;
use scraper::{Html, Selector};
use time::macros::datetime;

use crate::support::same_id;

const TENANT: TenantId = demo::CONTOSO;
const APPLE: &str = "apple-internet-accounts";
const READER: ClientId = ClientId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_00a2);
const READER_SECRET: &str = "sandbox-secret-of-the-reader";
const DIRECTORY: &[&str] = &["Directory.Read.All"];
const POLICIES: &[&str] = &["Directory.Read.All", "Policy.Read.All"];

struct Stage {
    _sandbox: Sandbox,
    control: Control,
    installation: Installation,
    http: reqwest::Client,
}

fn environment(name: &str) -> Option<String> {
    (name == "READER_SECRET").then(|| READER_SECRET.to_owned())
}

impl Stage {
    /// All companions of the catalogue, verified by a reader with these approved rights.
    fn verified(rights: &[&str]) -> Self {
        let stage = Self::unverified(rights);
        stage.change(Change::Grant { tenant: TENANT, app: READER, permissions: None });
        stage
    }

    /// All companions of the catalogue, with a reader that is not approved yet.
    fn unverified(rights: &[&str]) -> Self {
        Self::with(rights, "verified_by = \"reader\"")
    }

    fn with(rights: &[&str], verified_by: &str) -> Self {
        let clock = SandboxClock::standing_at(datetime!(2026-11-20 12:00 UTC));
        let mut scenario = Scenario::demo("http://127.0.0.1:8080/callback").with_companions();
        scenario.apps.push(AppRegistration {
            home: Some(demo::HOME),
            secrets: vec![ClientSecret { value: READER_SECRET.into(), expires: None }],
            permissions: vec![PermissionSet::graph(rights, &[])],
            ..AppRegistration::new(READER, "Northwind Reader")
        });
        let sandbox = Sandbox::start(SandboxOptions { port: None, clock: clock.clone(), scenario }).unwrap();
        let companions: String = CATALOGUE
            .iter()
            .map(|entry| format!("[[companions]]\ncatalogue = \"{}\"\ncloud = \"sandbox\"\n{verified_by}\n", entry.key))
            .collect();
        let text = format!(
            r#"
[site]
name = "Northwind"
base_url = "http://127.0.0.1:8080"
support = "support@northwind.example"
privacy_url = "https://northwind.example/privacy"
[keys]
secret = {{ env = "KEY" }}
[clouds.sandbox]
authority = "{base}"
graph = "{base}"
[[apps]]
id = "reader"
client_id = "{READER}"
name = "Northwind Reader"
cloud = "sandbox"
credential = {{ client_secret = {{ env = "READER_SECRET" }} }}
permissions = {{ "Microsoft Graph" = {{ application = {{ required = ["Directory.Read.All"], optional = ["Policy.Read.All"] }} }} }}
{companions}
"#,
            base = sandbox.url(),
        );
        let config = Config::parse(&text, Path::new("test.toml"), &environment).unwrap_or_else(|error| panic!("{error}"));
        let time = clock.clone();
        let dependencies = Dependencies {
            roots: Roots::Embedded,
            clock: Clock::new(move || time.now()),
            rng: Rng::system(),
            sink: Sink::new(|_| Ok(())),
            environment,
            outbox: None,
            aws: None,
        };
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { control: sandbox.control(), _sandbox: sandbox, installation: Installation::new(config, dependencies), http }
    }

    fn change(&self, change: Change) {
        self.control.apply(change).unwrap();
    }

    fn app(&self, id: &str) -> &ConfiguredApp {
        self.installation.config.app(&ProfileId::parse(id).unwrap()).unwrap()
    }

    fn client(&self, id: &str) -> ClientId {
        same_id(self.app(id).profile.client_id)
    }

    fn grant(&self, id: &str) {
        self.change(Change::Grant { tenant: TENANT, app: self.client(id), permissions: None });
    }

    /// Checks again after the cached check has expired.
    async fn check(&self, id: &str) -> TimedCheck {
        self.control.advance(Duration::from_secs(31));
        self.installation
            .check(self.app(id), same_id(TENANT), entra_consent::entra::verifier::CheckReason::Overview, Duration::from_secs(3))
            .await
            .unwrap()
    }

    fn verdict(&self, id: &str, check: &Check) -> Verdict {
        check.finding.assess(&self.app(id).profile).verdict
    }

    async fn seen(&self, id: &str) -> Verdict {
        let check = self.check(id).await;
        self.verdict(id, &check)
    }

    async fn accept(&self, address: url::Url) -> Response {
        let user = self.control.user(TENANT, UserRole::Administrator).unwrap().to_string();
        self.http.post(address).form(&[("user", user.as_str()), ("do", "accept")]).send().await.unwrap()
    }

    fn address(&self, id: &str) -> url::Url {
        self.app(id).companion.as_ref().unwrap().consent_address(ExpectedTenant::Tenant(same_id(TENANT))).unwrap()
    }
}

/// Where the browser ends after Accept: the error number on Microsoft's page, or the address of the redirect.
async fn dead_end(answer: Response) -> String {
    if let Some(location) = answer.headers().get("location") {
        return location.to_str().unwrap().split('?').next().unwrap().to_owned();
    }
    let page = Html::parse_document(&answer.text().await.unwrap());
    let main = page.select(&Selector::parse("main").unwrap()).next().unwrap();
    main.value().attr("data-aadsts").unwrap_or_default().to_owned()
}

fn exchange(scopes: &[&str]) -> Vec<PermissionSet> {
    vec![PermissionSet::of(ResourceId::EXCHANGE_ONLINE, &[], scopes)]
}

fn of_nobody_yet(verdict: Verdict) -> Outcome {
    conclude(&Claim::Success, verdict, Duration::ZERO, None)
}

#[tokio::test]
async fn each_companion_is_granted_once_its_approval_is_stored() {
    let stage = Stage::verified(DIRECTORY);
    for entry in &CATALOGUE {
        assert_eq!(stage.seen(entry.key).await, Verdict::NothingSeen, "{}", entry.key);
        let end = dead_end(stage.accept(stage.address(entry.key)).await).await;
        let expected = match entry.key {
            APPLE => "com.apple.Preferences://oauth-redirect",
            "em-client" => "com.emclient.MailClient://oauth",
            _ => "500113",
        };
        assert_eq!(end, expected, "{}", entry.key);
        let check = stage.check(entry.key).await;
        assert_eq!(stage.verdict(entry.key, &check), Verdict::AllRequired, "{}: {:?}", entry.key, check.finding);
        assert_eq!(check.finding.tenant_name.as_ref().unwrap().as_str(), "Contoso Ltd");
    }
}

#[tokio::test]
async fn the_old_recipe_and_a_page_about_the_redirect_store_the_grant_all_the_same() {
    for (code, path) in [(900_561, "oauth2/authorize"), (50_011, "adminconsent")] {
        let stage = Stage::verified(DIRECTORY);
        let mut address = stage.address(APPLE);
        address.set_path(&format!("/{TENANT}/{path}"));
        if code == 900_561 {
            let query = [("response_type", "code"), ("redirect_uri", "https://example.com"), ("prompt", "admin_consent")];
            address.query_pairs_mut().extend_pairs(query);
        } else {
            let effect = Effect::Aadsts { code, status: None, error: None, granted: true };
            stage.control.fault(Fault::new(FaultAt::Consent, effect).for_app(demo::APPLE)).unwrap();
        }
        assert_eq!(dead_end(stage.accept(address).await).await, code.to_string());
        assert_eq!(stage.seen(APPLE).await, Verdict::AllRequired);
    }
}

#[tokio::test]
async fn what_one_user_approved_is_not_the_tenants_approval() {
    let stage = Stage::verified(DIRECTORY);
    let user = stage.control.user(TENANT, UserRole::User).unwrap();
    for (id, scopes) in
        [(APPLE, ["EAS.AccessAsUser.All", "EWS.AccessAsUser.All"]), ("spark", ["EWS.AccessAsUser.All", "IMAP.AccessAsUser.All"])]
    {
        stage.change(Change::UserConsent { tenant: TENANT, app: stage.client(id), user, permissions: exchange(&scopes) });
        let check = stage.check(id).await;
        assert_eq!(stage.verdict(id, &check), Verdict::NothingSeen, "{id}");
        assert!(check.finding.service_principal.seen().is_some(), "listed under Enterprise apps: {id}");
        assert_eq!(check.finding.delegated, Visible::Seen(Vec::new()), "{id}");
        assert_eq!(of_nobody_yet(Verdict::NothingSeen), Outcome::Pending);
        stage.grant(id);
        assert_eq!(stage.seen(id).await, Verdict::AllRequired, "the tenant's approval in addition to the user's: {id}");
    }
}

#[tokio::test]
async fn a_bare_service_principal_is_no_approval() {
    let stage = Stage::verified(DIRECTORY);
    for entry in &CATALOGUE {
        stage.grant(entry.key);
        stage.change(Change::Revoke { tenant: TENANT, app: same_id(entry.client_id) });
        let check = stage.check(entry.key).await;
        assert_eq!(stage.verdict(entry.key, &check), Verdict::NothingSeen, "{}", entry.key);
        assert!(check.finding.service_principal.seen().is_some(), "{}", entry.key);
        let later = conclude(&Claim::Success, Verdict::NothingSeen, GIVE_UP, None);
        assert_eq!(later, Outcome::NotFound);
    }
}

#[tokio::test]
async fn exchange_activesync_is_required_and_web_services_are_optional() {
    let stage = Stage::verified(DIRECTORY);
    stage.grant(APPLE);
    stage.change(Change::Reduce { tenant: TENANT, app: demo::APPLE, permissions: exchange(&["EWS.AccessAsUser.All"]) });
    stage.change(Change::Reduce { tenant: TENANT, app: demo::APPLE, permissions: vec![PermissionSet::graph(&[], &["User.Read"])] });
    let check = stage.check(APPLE).await;
    let assessment = check.finding.assess(&stage.app(APPLE).profile);
    assert_eq!(assessment.verdict, Verdict::AllRequired);
    let absent: Vec<String> = assessment.difference.optional_absent.iter().map(ToString::to_string).collect();
    assert_eq!(absent, ["Office 365 Exchange Online / EWS.AccessAsUser.All (delegated)", "Microsoft Graph / User.Read (delegated)"]);
    stage.grant(APPLE);
    stage.change(Change::Reduce { tenant: TENANT, app: demo::APPLE, permissions: exchange(&["EAS.AccessAsUser.All"]) });
    assert_eq!(stage.seen(APPLE).await, Verdict::NothingSeen, "mail on an iPhone does not work without it");
}

#[tokio::test]
async fn the_same_scope_on_another_resource_does_not_count() {
    let stage = Stage::verified(DIRECTORY);
    let scopes = &["EAS.AccessAsUser.All", "EWS.AccessAsUser.All"];
    stage.change(Change::Grant { tenant: TENANT, app: demo::APPLE, permissions: Some(vec![PermissionSet::graph(&[], scopes)]) });
    assert_eq!(stage.seen(APPLE).await, Verdict::NothingSeen);
}

#[tokio::test]
async fn more_than_expected_is_excess_only_where_the_list_is_known() {
    let stage = Stage::verified(DIRECTORY);
    for (id, verdict) in [(APPLE, Verdict::Excess), ("thunderbird", Verdict::AllRequired)] {
        stage.grant(id);
        let permissions = exchange(&["IMAP.AccessAsUser.All", "POP.AccessAsUser.All"]);
        stage.change(Change::Enlarge { tenant: TENANT, app: stage.client(id), permissions });
        assert_eq!(stage.seen(id).await, verdict, "{id}");
        let permissions = vec![PermissionSet::graph(&["Mail.Read"], &[])];
        stage.change(Change::Enlarge { tenant: TENANT, app: stage.client(id), permissions });
        let check = stage.check(id).await;
        assert_eq!(stage.verdict(id, &check), Verdict::Excess, "an application permission: {id}");
        let unexpected = check.finding.assess(&stage.app(id).profile).difference.unexpected;
        assert!(
            unexpected.iter().any(|permission| permission.to_string() == "Microsoft Graph / Mail.Read (application)"),
            "{unexpected:?}"
        );
    }
}

#[tokio::test]
async fn a_disabled_companion_is_said_to_be_disabled_and_a_deleted_one_to_be_gone() {
    let stage = Stage::verified(DIRECTORY);
    for id in [APPLE, "gmail-android"] {
        stage.grant(id);
        stage.change(Change::Disable { tenant: TENANT, app: stage.client(id) });
        assert_eq!(stage.seen(id).await, Verdict::Disabled, "{id}");
        stage.change(Change::Enable { tenant: TENANT, app: stage.client(id) });
        assert_eq!(stage.seen(id).await, Verdict::AllRequired, "{id}");
        stage.change(Change::Delete { tenant: TENANT, app: stage.client(id) });
        let check = stage.check(id).await;
        assert_eq!((stage.verdict(id, &check), &check.finding.service_principal), (Verdict::NothingSeen, &Visible::Absent), "{id}");
        let long_after = conclude(&Claim::Success, Verdict::NothingSeen, GIVE_UP, Some(Outcome::Granted));
        assert_eq!(long_after, Outcome::Revoked);
    }
}

#[tokio::test]
async fn a_request_that_a_reviewer_blocked_is_a_disabled_app() {
    let stage = Stage::verified(DIRECTORY);
    let user = stage.control.user(TENANT, UserRole::User).unwrap().to_string();
    let form = [("user", user.as_str()), ("do", "request")];
    stage.http.post(stage.address(APPLE)).form(&form).send().await.unwrap();
    stage.change(Change::Review { tenant: TENANT, app: demo::APPLE, decision: ReviewDecision::Block });
    assert_eq!(stage.seen(APPLE).await, Verdict::Disabled);
}

#[tokio::test]
async fn without_a_working_verifier_a_report_stays_unverified() {
    let absent = Stage::unverified(DIRECTORY);
    let disabled = Stage::verified(DIRECTORY);
    disabled.change(Change::Disable { tenant: TENANT, app: READER });
    let powerless = Stage::verified(&["Mail.Send"]);
    for (name, stage, obstacle) in [
        ("not approved", absent, Some(Obstacle::VerifierNotGranted)),
        ("disabled", disabled, Some(Obstacle::VerifierNotGranted)),
        ("without rights", powerless, None),
    ] {
        for id in [APPLE, "spark"] {
            stage.grant(id);
            let check = stage.check(id).await;
            assert_eq!((stage.verdict(id, &check), &check.finding.obstacle), (Verdict::NoVerifier, &obstacle), "{name}: {id}");
            assert_eq!(of_nobody_yet(stage.verdict(id, &check)), Outcome::ReportedUnverified, "{name}");
        }
    }
}

#[tokio::test]
async fn the_verifiers_own_approval_lets_it_look() {
    let stage = Stage::unverified(DIRECTORY);
    stage.grant(APPLE);
    assert_eq!(stage.seen(APPLE).await, Verdict::NoVerifier);
    stage.grant("reader");
    assert_eq!(stage.seen(APPLE).await, Verdict::AllRequired);
}

#[tokio::test]
async fn without_a_verifier_nothing_is_checked_or_granted() {
    let stage = Stage::with(DIRECTORY, "");
    for entry in &CATALOGUE {
        stage.grant(entry.key);
        assert_eq!(stage.app(entry.key).profile.verified_by, VerifiedBy::Nobody);
        let check = stage.check(entry.key).await;
        assert_eq!(check.upstream.len(), 0, "{}", entry.key);
        assert_eq!(of_nobody_yet(stage.verdict(entry.key, &check)), Outcome::ReportedUnverified);
    }
    assert_eq!(stage.control.upstream_calls(), 0);
}

#[tokio::test]
async fn lists_that_do_not_come_are_no_absence() {
    for effect in [Effect::Status { status: 503, code: None, retry_after: None }, Effect::Omit] {
        let stage = Stage::verified(DIRECTORY);
        stage.control.fault(Fault::new(FaultAt::Part, effect).on_path("oauth2PermissionGrants")).unwrap();
        for id in [APPLE, "spark"] {
            stage.grant(id);
            assert_eq!(stage.seen(id).await, Verdict::NoAnswer, "{id}");
        }
    }
    let stage = Stage::verified(DIRECTORY);
    let refused = Effect::Status { status: 403, code: None, retry_after: None };
    stage.control.fault(Fault::new(FaultAt::Part, refused).on_path("oauth2PermissionGrants")).unwrap();
    stage.grant("spark");
    let check = stage.check("spark").await;
    let assessment = check.finding.assess(&stage.app("spark").profile);
    assert_eq!(assessment.verdict, Verdict::OnlyPresent);
    assert_eq!(assessment.difference.unseen[0].to_string(), "any API / any permission for all users (delegated)");
}

#[tokio::test]
async fn whether_users_may_approve_it_themselves_is_said_where_the_verifier_may_see_it() {
    let stage = Stage::verified(POLICIES);
    let own = |policy: &str| format!("ManagePermissionGrantsForSelf.{policy}");
    assert_eq!(stage.check(APPLE).await.finding.users_may_consent, Visible::Seen(true), "Microsoft's default for new tenants");
    for (policies, expected) in [
        (vec![], Visible::Seen(false)),
        (vec![own("microsoft-user-default-allow-consent-apps")], Visible::Seen(true)),
        (vec![own("microsoft-user-default-low")], Visible::Unanswered),
    ] {
        stage.change(Change::SetUserConsent { tenant: TENANT, policies });
        let check = stage.check(APPLE).await;
        assert_eq!((&check.finding.users_may_consent, stage.verdict(APPLE, &check)), (&expected, Verdict::NothingSeen));
    }
    let refused = Effect::Status { status: 403, code: None, retry_after: None };
    stage.control.fault(Fault::new(FaultAt::Part, refused).on_path("authorizationPolicy")).unwrap();
    stage.grant(APPLE);
    let check = stage.check(APPLE).await;
    assert_eq!((&check.finding.users_may_consent, stage.verdict(APPLE, &check)), (&Visible::NotVisible, Verdict::AllRequired));
}

#[tokio::test]
async fn the_policy_is_asked_for_only_with_the_right_to_see_it_and_only_about_companions() {
    let asked =
        |stage: &Stage| stage.control.requests().iter().any(|request| request.parts.iter().any(|part| part == "authorizationPolicy"));
    let stage = Stage::verified(DIRECTORY);
    assert_eq!(stage.check(APPLE).await.finding.users_may_consent, Visible::NotAsked);
    assert!(!asked(&stage));

    let stage = Stage::verified(POLICIES);
    let own = stage.check("reader").await;
    assert_eq!((&own.finding.users_may_consent, stage.verdict("reader", &own)), (&Visible::NotAsked, Verdict::AllRequired));
    assert!(!asked(&stage));
    let calls = stage.control.count(Kind::Batch);
    stage.check(APPLE).await;
    assert!(asked(&stage));
    assert_eq!(stage.control.count(Kind::Batch), calls + 1, "in the same batch");
}
