//! Connections that fail, to Microsoft over HTTP/2 and to AWS, and what then becomes of a check, a discovery, many checks and an order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use entra_consent::consent::finding::{Obstacle, Visible};
use entra_consent::consent::{Cloud, TenantId, Verdict};
use entra_consent::entra::clients::Clients;
use entra_consent::entra::credential::Credential;
use entra_consent::entra::discovery::{Discovery, TenantName, Undiscovered};
use entra_consent::entra::http::{Silence, UpstreamKind};
use entra_consent::entra::verifier::{
    Asker, AskingApp, Check, CheckReason, CheckRequest, CredentialFuture, CredentialProvider, CredentialUnavailable, Verifier,
};
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::secret::Secret;
use entra_sandbox::demo;

use crate::support::same_id;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::secrets::settings;
use super::support::http2::{Failure, Http2, TestTime};
use super::support::stage::{Options, Stage};
use super::verify::{MAIL, mail_profile};

/// The time that a browser's visit leaves for a check.
const BUDGET: Duration = Duration::from_secs(3);

fn tenant(number: u32) -> TenantId {
    TenantId::from_u128(0x3333_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

/// A verifier without a cache.
fn verifier() -> Verifier {
    Verifier::new(Clients::new(Roots::Embedded, Rng::system()), Clock::system(), Rng::system()).apart(64)
}

async fn check(verifier: &Verifier, upstream: &Http2, number: u32, budget: Duration) -> Check {
    let credential = Arc::new(Credential::ClientSecret(Secret::new("secret".into())));
    check_with(&credential, verifier, upstream, number, budget).await
}

async fn check_with(credential: &dyn CredentialProvider, verifier: &Verifier, upstream: &Http2, number: u32, budget: Duration) -> Check {
    let request = CheckRequest {
        profile: &mail_profile(),
        endpoints: &upstream.endpoints,
        tenant: tenant(number),
        asker: Asker::App(AskingApp { client: same_id(MAIL), credential }),
        check_reason: CheckReason::Overview,
        popular: false,
        budget,
    };
    verifier.check_now(request).await
}

fn verdict(check: &Check) -> Verdict {
    check.finding.assess(&mail_profile()).verdict
}

#[tokio::test]
async fn an_idle_connection_is_never_pinged() {
    let (_time, upstream, verifier) = (TestTime::fast(), Http2::start().await, verifier());
    assert_eq!(verdict(&check(&verifier, &upstream, 1, BUDGET).await), Verdict::AllRequired);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let bytes = upstream.bytes();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((upstream.pings(), upstream.bytes() - bytes), (0, 0));

    upstream.answer_after(Duration::from_millis(1_200));
    assert_eq!(verdict(&check(&verifier, &upstream, 2, 2 * BUDGET).await), Verdict::AllRequired);
    assert!(upstream.pings() > 0, "without this the test proves nothing");
    assert_eq!(upstream.connections(), 1);
}

/// An authority and a Graph on hosts of their own. The endpoints belong to the first.
async fn authority_and_graph() -> (Http2, Http2) {
    let (mut authority, graph) = (Http2::start().await, Http2::start().await);
    authority.endpoints.graph = graph.endpoints.graph.clone();
    let both = [&authority, &graph].map(|upstream| upstream.endpoints.extra_ca.clone().unwrap()).concat();
    authority.endpoints.extra_ca = Some(both);
    (authority, graph)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn graph_is_connected_while_the_token_is_awaited() {
    let (authority, graph) = authority_and_graph().await;
    let verifier = verifier();
    authority.answer_after(Duration::from_millis(500));
    let watching = async {
        until("a token request", || authority.requests() == 1).await;
        until("a connection to Graph", || graph.open() == 1).await;
        assert_eq!((authority.requests(), graph.requests()), (1, 0), "the token is still awaited");
    };
    let (check, ()) = tokio::join!(check(&verifier, &authority, 1, BUDGET), watching);
    assert_eq!(verdict(&check), Verdict::AllRequired);
    authority.answer_after(Duration::ZERO);
    assert_eq!(verdict(&self::check(&verifier, &authority, 2, BUDGET).await), Verdict::AllRequired);
    assert_eq!((authority.connections(), graph.connections()), (1, 1), "the next check opens none");
}

#[tokio::test]
async fn both_hosts_are_connected_while_a_credential_is_read() {
    struct Reading<'a>(&'a Http2, &'a Http2, Arc<Credential>);
    impl CredentialProvider for Reading<'_> {
        fn credential<'a>(&'a self, _: &'a [Arc<Credential>]) -> CredentialFuture<'a> {
            Box::pin(async {
                until("connections to both", || (self.0.open(), self.1.open()) == (1, 1)).await;
                Ok(Arc::clone(&self.2))
            })
        }
    }
    let (authority, graph) = authority_and_graph().await;
    let reading = Reading(&authority, &graph, Arc::new(Credential::ClientSecret(Secret::new("secret".into()))));
    assert_eq!(verdict(&check_with(&reading, &verifier(), &authority, 1, BUDGET).await), Verdict::AllRequired);
    assert_eq!((authority.connections(), graph.connections()), (1, 1));
}

#[tokio::test]
async fn an_early_connection_without_a_use_is_closed() {
    struct Unread<'a>(&'a Http2, &'a Http2);
    impl CredentialProvider for Unread<'_> {
        fn credential<'a>(&'a self, _: &'a [Arc<Credential>]) -> CredentialFuture<'a> {
            Box::pin(async {
                until("connections to both", || (self.0.open(), self.1.open()) == (1, 1)).await;
                Err(CredentialUnavailable)
            })
        }
    }
    let (authority, graph) = authority_and_graph().await;
    let check = check_with(&Unread(&authority, &graph), &verifier(), &authority, 1, BUDGET).await;
    assert_eq!(check.finding.obstacle, Some(Obstacle::OwnCredential));
    until("no connection", || (authority.open(), graph.open()) == (0, 0)).await;
    assert_eq!((authority.requests(), graph.requests()), (0, 0));
}

#[tokio::test]
async fn a_callback_that_decides_nothing_opens_no_connection() {
    let stage = Stage::new().await;
    let (ticket, other) = (stage.ticket(demo::CONTOSO).await, stage.ticket(demo::FABRIKAM).await);
    let receipt = stage.invite("mail-backup", demo::CONTOSO).await.rsplit('/').next().unwrap().to_owned();
    let before = stage.control.connections();
    let mut states = vec![String::new(), "x.y.z".into(), "A".repeat(4_000), receipt, ticket.replace('.', "..")];
    for at in [10, ticket.len() / 2, ticket.len() - 1] {
        let mut forged = ticket.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        states.push(String::from_utf8(forged).unwrap());
    }
    let mut queries: Vec<_> = states.iter().map(|state| format!("admin_consent=True&tenant={}&state={state}", demo::CONTOSO)).collect();
    queries.push(format!("admin_consent=True&tenant={}", demo::CONTOSO));
    queries.push(format!("admin_consent=True&tenant={}&state={other}", demo::CONTOSO));
    for query in &queries {
        for path in ["callback", "prod/callback"] {
            stage.get(&format!("{}/{path}?{query}", stage.base)).await;
        }
    }
    assert_eq!(stage.control.connections(), before);
    stage.claim_success(&ticket, demo::CONTOSO).await;
    assert!(stage.control.connections() > before, "without this the test proves nothing");
}

#[tokio::test]
async fn a_check_survives_a_connection_that_falls_silent() {
    let (_time, upstream, verifier) = (TestTime::fast(), Http2::start().await, verifier());
    for (number, failure) in [(1, Failure::NoFlag), (2, Failure::Reset)] {
        assert_eq!(verdict(&check(&verifier, &upstream, 10 * number, BUDGET).await), Verdict::AllRequired);
        upstream.fail(failure);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let check = check(&verifier, &upstream, 10 * number + 1, BUDGET).await;
        assert_eq!((verdict(&check), check.upstream.len()), (Verdict::AllRequired, 2), "{failure:?}");
        assert!(check.upstream.iter().all(|call| call.status == Some(200)), "{:?}", check.upstream);
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn the_check_after_a_timeout_opens_a_new_connection() {
    let (_time, upstream, verifier) = (TestTime::fast(), Http2::start().await, verifier());
    assert_eq!(verdict(&check(&verifier, &upstream, 1, BUDGET).await), Verdict::AllRequired);
    upstream.fail(Failure::Stalled);
    assert_eq!(verdict(&check(&verifier, &upstream, 2, BUDGET).await), Verdict::NoAnswer);
    assert_eq!(verdict(&check(&verifier, &upstream, 3, BUDGET).await), Verdict::AllRequired);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_check_out_of_time_reports_the_calls_it_made() {
    let (_time, upstream, verifier) = (TestTime::fast(), Http2::start().await, verifier());
    upstream.fail_from_now_on(Failure::Stalled);
    let check = check(&verifier, &upstream, 1, BUDGET).await;
    let calls: Vec<_> = check.upstream.iter().map(|call| (call.kind, call.status)).collect();
    assert_eq!(calls, [(UpstreamKind::Token, None)]);
    assert!((3_000..3_200).contains(&check.upstream[0].millis), "in the test's time: {}", check.upstream[0].millis);
    assert_eq!(check.finding.obstacle, Some(Obstacle::NoAnswer));
    assert!(matches!(check.finding.service_principal, Visible::Unanswered));
    assert!(matches!(check.finding.application, Visible::NotAsked), "Graph was not asked");
}

#[tokio::test]
async fn a_check_cut_off_in_graph_reports_both_calls() {
    let (_time, upstream, verifier) = (TestTime::fast(), Http2::start().await, verifier());
    upstream.fail_after(1, Failure::Stalled);
    let check = check(&verifier, &upstream, 1, BUDGET).await;
    let calls: Vec<_> = check.upstream.iter().map(|call| (call.kind, call.status)).collect();
    assert_eq!(calls, [(UpstreamKind::Token, Some(200)), (UpstreamKind::Batch, None)]);
    assert!(matches!(check.finding.application, Visible::Unanswered));
}

#[tokio::test]
async fn a_slow_check_spares_a_connection_that_others_renewed() {
    let (_time, upstream, verifier) = (TestTime::fast(), Http2::start().await, verifier());
    assert_eq!(verdict(&check(&verifier, &upstream, 1, BUDGET).await), Verdict::AllRequired);
    upstream.fail(Failure::Stalled);
    let others = async {
        assert_eq!(verdict(&check(&verifier, &upstream, 2, BUDGET).await), Verdict::NoAnswer);
        assert_eq!(verdict(&check(&verifier, &upstream, 3, BUDGET).await), Verdict::AllRequired);
    };
    let (slow, ()) = tokio::join!(check(&verifier, &upstream, 4, Duration::from_millis(4_500)), others);
    assert_eq!(verdict(&slow), Verdict::NoAnswer);
    assert_eq!(verdict(&check(&verifier, &upstream, 5, BUDGET).await), Verdict::AllRequired);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn discovery_recovers_from_a_call_without_an_answer() {
    let (_time, upstream) = (TestTime::fast(), Http2::start().await);
    let discovery = Discovery::new(Clients::new(Roots::Embedded, Rng::system()), Clock::system());
    let cloud = Cloud::Custom("lab".into());
    let discover = async |number| discovery.discover(&cloud, &upstream.endpoints, &TenantName::Id(tenant(number))).await;
    assert_eq!(discover(1).await.unwrap().id, tenant(1));
    upstream.fail(Failure::Stalled);
    assert_eq!(discover(2).await, Err(Undiscovered::Unreachable { silence: Some(Silence::TimedOut), retry_after: None }));
    assert_eq!(discover(2).await.unwrap().id, tenant(2));
    upstream.fail(Failure::NoFlag);
    assert_eq!(discover(3).await.unwrap().id, tenant(3));
}

#[tokio::test]
async fn checks_and_discovery_share_connections_and_renewals() {
    let (_time, upstream) = (TestTime::fast(), Http2::start().await);
    let clients = Clients::new(Roots::Embedded, Rng::system());
    let verifier = Verifier::new(clients.clone(), Clock::system(), Rng::system());
    let discovery = Discovery::new(clients, Clock::system());
    let cloud = Cloud::Custom("lab".into());
    let discover = async |number| discovery.discover(&cloud, &upstream.endpoints, &TenantName::Id(tenant(number))).await;
    assert_eq!(discover(1).await.unwrap().id, tenant(1));
    assert_eq!(verdict(&check(&verifier, &upstream, 1, BUDGET).await), Verdict::AllRequired);
    assert_eq!(upstream.connections(), 1);
    upstream.fail(Failure::Stalled);
    assert_eq!(discover(2).await, Err(Undiscovered::Unreachable { silence: Some(Silence::TimedOut), retry_after: None }));
    assert_eq!(verdict(&check(&verifier, &upstream, 2, BUDGET).await), Verdict::AllRequired);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn sixty_checks_lose_no_more_than_those_under_way() {
    const AT_A_TIME: usize = 4;
    let _time = TestTime::fast();
    for (failure, most_unanswered) in [(Failure::NoFlag, 0), (Failure::Reset, 0), (Failure::Stalled, AT_A_TIME)] {
        let (upstream, verifier) = (Http2::start().await, verifier());
        upstream.fail_after(40, failure);
        let checks = futures_util::stream::iter(0..60).map(|number| check(&verifier, &upstream, number, Duration::from_secs(15)));
        let checks: Vec<_> = checks.buffer_unordered(AT_A_TIME).collect().await;
        let granted = checks.iter().filter(|check| verdict(check) == Verdict::AllRequired).count();
        assert!(granted >= 60 - most_unanswered, "{failure:?}: {granted}");
        assert!(upstream.requests() <= 2 * 60 + AT_A_TIME, "{failure:?}: {}", upstream.requests());
        assert!((2..=2 * AT_A_TIME).contains(&upstream.connections()), "{failure:?}: {}", upstream.connections());
    }
}

/// Simulates AWS. Each connection answers one request and resets at the second, like a NAT that lost the flow during a freeze.
async fn resetting_at_the_second_request(resets: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let resets = Arc::clone(&resets);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                read_request(&mut stream).await;
                let body = r#"{"MessageId":"m1"}"#;
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
                if read_request(&mut stream).await {
                    resets.fetch_add(1, SeqCst);
                    stream.get_ref().set_zero_linger().unwrap();
                }
            });
        }
    });
    url
}

/// Returns whether a request arrived.
async fn read_request(stream: &mut BufReader<TcpStream>) -> bool {
    let (mut line, mut length) = (String::new(), 0);
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    stream.read_exact(&mut vec![0; length]).await.is_ok() && length > 0
}

#[tokio::test]
async fn an_order_is_sent_where_the_kept_connection_is_reset() {
    const VISITS: usize = 6;
    let _time = TestTime::slow();
    let resets = Arc::<AtomicUsize>::default();
    let aws = settings(&resetting_at_the_second_request(Arc::clone(&resets)).await).await;
    let more = "[worker]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/123456789012/orders\"\n".to_owned();
    let stage = Stage::with(Options { aws: Some(aws), more, ..Options::default() }).await;
    for _ in 0..VISITS {
        let page = stage.claim_success(&stage.ticket(demo::CONTOSO).await, demo::CONTOSO).await;
        assert_eq!(page.outcome(), "pending");
    }
    let orders: Vec<Value> = stage.records().iter().map(|record| record["sends"]["order"].clone()).filter(Value::is_string).collect();
    assert_eq!(orders, ["sent"; VISITS]);
    assert_eq!(resets.load(SeqCst), VISITS - 1);
}
