//! Which finding follows from refusals and from the other answers of the same check.

use super::*;
use crate::consent::profile::{Need, VerifiedBy, VerifyIn, Wording};
use crate::consent::{ClientId, Cloud, ProfileId, TenantId};
use crate::entra::cloud::Endpoints;
use crate::entra::credential::Credential;
use crate::entra::graph::Question;
use crate::entra::graph::batch::PartAnswer;
use crate::entra::http::UpstreamKind;
use crate::entra::token::{NoAnswer, UnverifiedClaims};
use crate::entra::verifier::{Asker, AskingApp};
use crate::secret::Secret;
use serde_json::{Value, json};
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
const CLIENT: ClientId = ClientId::from_u128(0xc1);
const VERIFIER: ClientId = ClientId::from_u128(0xc2);
const EXCHANGE: ResourceId = ResourceId::EXCHANGE_ONLINE;
const GRAPH: ResourceId = ResourceId::GRAPH;
const OWN: &str = "99999999-0000-4000-8000-000000000001";
const EXCHANGE_OBJECT: &str = "99999999-0000-4000-8000-00000000000e";
const FULL_ACCESS: &str = "dc890d15-9560-4a4c-9b7f-a736ec74ec40";

/// One application permission of Graph and one of Exchange, both required.
fn profile() -> AppProfile {
    let expected = |resource, value: &str, id: &str| ExpectedResource {
        resource,
        name: "An API".into(),
        permissions: vec![ExpectedPermission {
            kind: PermissionKind::Application,
            value: value.into(),
            id: Some(id.parse().unwrap()),
            need: Need::Required,
        }],
    };
    AppProfile {
        id: ProfileId::parse("mail").unwrap(),
        client_id: CLIENT,
        name: "Mail".into(),
        cloud: Cloud::Global,
        verified_by: VerifiedBy::Itself,
        verify_in: VerifyIn::Callback,
        expected: vec![
            expected(GRAPH, "Mail.Read", "810c84a8-4a9e-49e6-bf7d-12d183f40d01"),
            expected(EXCHANGE, "full_access_as_app", FULL_ACCESS),
        ],
        wording: Wording::default(),
    }
}

fn token(roles: &[&str]) -> Result<AccessToken, TokenRefusal> {
    let roles = roles.iter().map(|role| Box::from(*role)).collect();
    Ok(AccessToken {
        secret: Secret::new("token".into()),
        expires_at: NOW + time::Duration::HOUR,
        claims: Some(UnverifiedClaims { roles, scopes: std::collections::BTreeSet::new(), object: None }),
    })
}

fn refusal(meaning: Obstacle) -> Result<AccessToken, TokenRefusal> {
    Err(TokenRefusal::of(Refused::Meaning(meaning)))
}

/// Graph's answers: 403 everywhere, or everything that Graph has, with or without Exchange's role.
enum Shown {
    Nothing,
    WithExchange,
    WithoutExchange,
    /// Everything, or everything but Exchange's role, and 404 for these parts.
    Lagging {
        with_exchange: bool,
        lost: &'static [Part],
    },
    NoAnswer,
}

struct Case {
    graph: Result<AccessToken, TokenRefusal>,
    exchange: Result<AccessToken, TokenRefusal>,
    shown: Shown,
    verifier: ClientId,
    profile: AppProfile,
    timed_out: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            graph: token(&["Mail.Read"]),
            exchange: token(&[]),
            shown: Shown::Nothing,
            verifier: CLIENT,
            profile: profile(),
            timed_out: false,
        }
    }
}

impl Case {
    fn obstacle_and_verdict(self) -> (Option<Obstacle>, Verdict) {
        let profile = self.profile;
        let endpoints = Endpoints::of(&Cloud::Global).unwrap();
        let credential = Arc::new(Credential::ClientSecret(Secret::new("x".into())));
        let request = CheckRequest {
            profile: &profile,
            endpoints: &endpoints,
            tenant: TenantId::from_u128(1),
            asker: Asker::App(AskingApp { client: self.verifier, credential: &credential }),
            check_reason: crate::entra::verifier::CheckReason::Overview,
            popular: false,
            budget: Duration::from_secs(3),
        };
        let mut state = VerificationState::default();
        if let Some(token) = state.take_token(&request, GRAPH, self.graph) {
            let resources = vec![GRAPH, EXCHANGE];
            let required = [GRAPH, EXCHANGE].into();
            let question = Question {
                tenant: request.tenant,
                client: CLIENT,
                object: None,
                resources,
                required,
                open_requests: false,
                user_consent: false,
                popular: false,
            };
            state.begin(GraphState::of(question), token);
            state.take_reply(&request, reply(&self.shown));
        }
        state.take_token(&request, EXCHANGE, self.exchange);
        if self.timed_out {
            state.time_out();
        }
        let check = state.conclude(&request, NOW);
        let verdict = check.finding.assess(&profile).verdict;
        (check.finding.obstacle, verdict)
    }
}

fn reply(shown: &Shown) -> Reply {
    let body = |value: Value| PartAnswer::Shown(serde_json::value::to_raw_value(&value).unwrap());
    let graph_object = "99999999-0000-4000-8000-00000000000a";
    let assignment = |role: &str, resource: &str| json!({"appRoleId": role, "resourceId": resource, "principalId": OWN});
    let mut assignments = vec![assignment("810c84a8-4a9e-49e6-bf7d-12d183f40d01", graph_object)];
    if matches!(shown, Shown::WithExchange | Shown::Lagging { with_exchange: true, .. }) {
        assignments.push(assignment(FULL_ACCESS, EXCHANGE_OBJECT));
    }
    let parts = [
        (Part::ServicePrincipal, json!({"id": OWN, "appId": CLIENT, "accountEnabled": true})),
        (Part::Assignments, json!({"value": assignments})),
        (Part::Grants, json!({"value": []})),
        (Part::Resource(GRAPH), json!({"id": graph_object, "appId": GRAPH})),
        (Part::Resource(EXCHANGE), json!({"id": EXCHANGE_OBJECT, "appId": EXCHANGE})),
    ];
    let answer = |part, value| match shown {
        Shown::Lagging { lost, .. } if lost.contains(&part) => PartAnswer::NotFound,
        Shown::Nothing => PartAnswer::NotVisible,
        Shown::NoAnswer => PartAnswer::Unanswered,
        Shown::WithExchange | Shown::WithoutExchange | Shown::Lagging { .. } => body(value),
    };
    let parts = parts.into_iter().map(|(part, value)| (part, answer(part, value))).collect();
    Reply { parts, retry_after: None, waits: Vec::new(), call: UpstreamCall { kind: UpstreamKind::Batch, status: Some(200), millis: 1 } }
}

#[test]
fn a_second_resources_refusal_counts_only_where_it_leaves_something_open() {
    let silent = || Err(TokenRefusal::of(Refused::NoAnswer(NoAnswer::Unwell)));
    let missing = || refusal(Obstacle::ResourceMissing(None));
    let resource_missing = Some(Obstacle::ResourceMissing(Some(EXCHANGE)));
    for (name, exchange, shown, expected) in [
        ("roles seen", token(&["full_access_as_app"]), Shown::Nothing, (None, Verdict::AllRequired)),
        ("role-less", token(&[]), Shown::Nothing, (None, Verdict::SomeRequired)),
        ("silence, unseen", silent(), Shown::Nothing, (Some(Obstacle::NoAnswer), Verdict::NoAnswer)),
        ("silence, absent by Graph", silent(), Shown::WithoutExchange, (None, Verdict::SomeRequired)),
        ("silence, seen by Graph", silent(), Shown::WithExchange, (None, Verdict::AllRequired)),
        ("not granted, unseen", refusal(Obstacle::NotGranted), Shown::Nothing, (Some(Obstacle::NoAnswer), Verdict::NoAnswer)),
        ("not granted, absent by Graph", refusal(Obstacle::NotGranted), Shown::WithoutExchange, (None, Verdict::SomeRequired)),
        ("missing, unseen", missing(), Shown::Nothing, (resource_missing, Verdict::ResourceMissing)),
        ("missing, absent by Graph", missing(), Shown::WithoutExchange, (resource_missing, Verdict::ResourceMissing)),
        ("missing, seen by Graph", missing(), Shown::WithExchange, (None, Verdict::AllRequired)),
        ("our fault, unseen", refusal(Obstacle::OperatorFault), Shown::Nothing, (Some(Obstacle::OperatorFault), Verdict::OperatorFault)),
        ("policy, unseen", refusal(Obstacle::BlockedByPolicy), Shown::Nothing, (Some(Obstacle::BlockedByPolicy), Verdict::CheckBlocked)),
    ] {
        assert_eq!(Case { exchange, shown, ..Case::default() }.obstacle_and_verdict(), expected, "{name}");
    }
}

#[test]
fn a_404_beside_a_token_or_entries_is_a_lag_and_no_absence() {
    const OF_EXCHANGE: &[Part] = &[Part::Resource(EXCHANGE)];
    const OF_GRAPH: &[Part] = &[Part::Resource(GRAPH)];
    const ALL: &[Part] = &[Part::ServicePrincipal, Part::Assignments, Part::Grants, OF_GRAPH[0], OF_EXCHANGE[0]];
    let lagging = |with_exchange, lost| Shown::Lagging { with_exchange, lost };
    let case = || Case { shown: lagging(true, OF_EXCHANGE), ..Case::default() };
    let with_delegated = || {
        let mut profile = profile();
        let user_read = ExpectedPermission { kind: PermissionKind::Delegated, value: "User.Read".into(), id: None, need: Need::Required };
        profile.expected[0].permissions.push(user_read);
        profile
    };
    let missing = || refusal(Obstacle::ResourceMissing(None));
    let whole = || token(&["full_access_as_app"]);
    let lag = (None, Verdict::NoAnswer);
    for (name, case, expected) in [
        ("an entry, and a token without the role", case(), lag),
        ("an entry, seen by a verifier", Case { verifier: VERIFIER, ..case() }, lag),
        ("an entry, the token's own word", Case { exchange: whole(), ..case() }, (None, Verdict::AllRequired)),
        ("a token alone", Case { shown: lagging(false, OF_EXCHANGE), ..case() }, lag),
        ("neither", Case { shown: lagging(false, OF_EXCHANGE), verifier: VERIFIER, ..case() }, (None, Verdict::SomeRequired)),
        ("an entry, no such resource", Case { exchange: missing(), ..case() }, (Some(Obstacle::NoAnswer), Verdict::NoAnswer)),
        (
            "no such resource at all",
            Case { exchange: missing(), shown: lagging(false, OF_EXCHANGE), ..case() },
            (Some(Obstacle::ResourceMissing(Some(EXCHANGE))), Verdict::ResourceMissing),
        ),
        (
            "Graph itself, and a token without the role",
            Case { graph: token(&[]), exchange: whole(), shown: lagging(true, OF_GRAPH), ..case() },
            lag,
        ),
        ("Graph itself, by a verifier", Case { verifier: VERIFIER, shown: lagging(true, OF_GRAPH), ..case() }, lag),
        ("all of Graph", Case { exchange: whole(), profile: with_delegated(), shown: lagging(true, ALL), ..case() }, lag),
    ] {
        assert_eq!(case.obstacle_and_verdict(), expected, "{name}");
    }
}

#[test]
fn a_refused_graph_token_ends_the_look_by_its_meaning() {
    let nothing = || token(&[]);
    for (meaning, obstacle, of_verifier) in [
        (Obstacle::NotGranted, Obstacle::NotGranted, Obstacle::VerifierNotGranted),
        (Obstacle::Disabled, Obstacle::Disabled, Obstacle::VerifierNotGranted),
        (Obstacle::StaleCredential, Obstacle::OwnCredential, Obstacle::OwnCredential),
        (Obstacle::OwnCredential, Obstacle::OwnCredential, Obstacle::OwnCredential),
        (Obstacle::TenantNotFound, Obstacle::TenantNotFound, Obstacle::TenantNotFound),
        (Obstacle::TenantBlocked, Obstacle::TenantBlocked, Obstacle::TenantBlocked),
        (Obstacle::ResourceMissing(None), Obstacle::ResourceMissing(Some(GRAPH)), Obstacle::ResourceMissing(Some(GRAPH))),
        (Obstacle::BlockedByPolicy, Obstacle::BlockedByPolicy, Obstacle::BlockedByPolicy),
        (Obstacle::TenantBlocked, Obstacle::TenantBlocked, Obstacle::TenantBlocked),
        (Obstacle::Throttled, Obstacle::NoAnswer, Obstacle::NoAnswer),
        (Obstacle::LoopDetected, Obstacle::NoAnswer, Obstacle::NoAnswer),
        (Obstacle::Transient, Obstacle::NoAnswer, Obstacle::NoAnswer),
        (Obstacle::UnknownRefusal, Obstacle::UnknownRefusal, Obstacle::UnknownRefusal),
    ] {
        for (verifier, expected) in [(CLIENT, obstacle), (VERIFIER, of_verifier)] {
            let case = Case { graph: refusal(meaning), exchange: nothing(), verifier, ..Case::default() };
            let (seen, verdict) = case.obstacle_and_verdict();
            assert_eq!(seen, Some(expected), "{meaning:?} of {verifier}");
            assert!(!matches!(verdict, Verdict::AllRequired | Verdict::Excess | Verdict::SomeRequired), "{meaning:?}");
        }
    }
}

#[test]
fn a_certificate_that_does_not_sign_is_our_own_matter_and_no_refusal() {
    let case = Case { graph: Err(TokenRefusal::of(Refused::CannotSign)), ..Case::default() };
    assert_eq!(case.obstacle_and_verdict(), (Some(Obstacle::OwnCredential), Verdict::OperatorFault));
}

#[test]
fn roles_contradict_a_missing_service_principal() {
    let case = Case { graph: refusal(Obstacle::NotGranted), exchange: token(&["full_access_as_app"]), ..Case::default() };
    assert_eq!(case.obstacle_and_verdict(), (Some(Obstacle::NoAnswer), Verdict::NoAnswer));
}

#[test]
fn roles_of_another_resource_do_not_outweigh_that_the_app_is_not_there() {
    let mut profile = profile();
    profile.expected.retain(|expected| expected.resource == EXCHANGE);
    let granted = || token(&["full_access_as_app"]);
    let case = |meaning| Case { graph: refusal(meaning), exchange: granted(), profile: profile.clone(), ..Case::default() };
    assert_eq!(case(Obstacle::NotGranted).obstacle_and_verdict(), (Some(Obstacle::NoAnswer), Verdict::NoAnswer));
    assert_eq!(case(Obstacle::Disabled).obstacle_and_verdict(), (Some(Obstacle::Disabled), Verdict::Disabled));
    // A missing answer contradicts nothing.
    assert_eq!(case(Obstacle::Transient).obstacle_and_verdict(), (Some(Obstacle::NoAnswer), Verdict::AllRequired));
}

#[test]
fn an_app_that_is_disabled_for_one_resource_is_disabled_whatever_else_was_seen() {
    let case = Case { exchange: refusal(Obstacle::Disabled), shown: Shown::WithExchange, ..Case::default() };
    assert_eq!(case.obstacle_and_verdict(), (Some(Obstacle::Disabled), Verdict::Disabled));
}

#[test]
fn the_verifiers_roles_are_not_the_apps() {
    let case = Case { exchange: token(&["full_access_as_app"]), shown: Shown::WithoutExchange, verifier: VERIFIER, ..Case::default() };
    assert_eq!(case.obstacle_and_verdict(), (None, Verdict::SomeRequired));
}

#[test]
fn a_look_out_of_time_needs_no_excuse_where_all_was_seen() {
    let complete = Case { exchange: token(&["full_access_as_app"]), shown: Shown::NoAnswer, timed_out: true, ..Case::default() };
    assert_eq!(complete.obstacle_and_verdict(), (None, Verdict::AllRequired));
    let open = Case { shown: Shown::NoAnswer, timed_out: true, ..Case::default() };
    assert_eq!(open.obstacle_and_verdict(), (Some(Obstacle::NoAnswer), Verdict::NoAnswer));
}
