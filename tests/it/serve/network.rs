//! A network that changes while `serve` runs: all its connections fall silent, and new ones work.

use std::collections::BTreeMap;
use std::time::Duration;

use entra_sandbox::TenantId;
use futures_util::future::join_all;

use super::process::Served;
use super::webhook::{Receiver, SECRET};
use crate::support::installation::{TestInstallation, write_secret};
use crate::support::relay::{Failure, Relay};

fn tenant(number: u32) -> TenantId {
    TenantId::from_u128(0x6666_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

/// Lets the administrators of these tenants come back from Microsoft at the same time, after they have approved.
async fn visits(test: &TestInstallation, served: &Served, tenants: std::ops::Range<u32>) {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let visit = async |number| {
        test.approve(tenant(number));
        let ticket = test.ticket(tenant(number)).await;
        let address = format!("http://{}/callback?admin_consent=True&tenant={}&state={ticket}", served.base, tenant(number));
        assert_eq!(http.get(address).send().await.unwrap().status(), 303, "{}", served.told());
    };
    join_all(tenants.map(visit)).await;
}

async fn until_posted(receiver: &Receiver, served: &Served, number: usize) {
    let is_granted = |post: &super::webhook::Post| post.json()["data"]["outcome"]["after"] == "granted";
    for _ in 0..1_200 {
        if receiver.posts().iter().filter(|post| is_granted(post)).count() >= number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let outcomes: Vec<_> = receiver.posts().iter().map(|post| post.json()["data"]["outcome"].to_string()).collect();
    panic!("only these events arrived: {outcomes:?}\n{}", served.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_cost_serve_one_check_each() {
    let receiver = Receiver::start([]).await;
    let hook = Relay::before(&receiver.base);
    let more = "[store]\npath = \"store.redb\"\n[worker]\nschedule = [\"1s\", \"3s\", \"6s\", \"9s\", \"20s\", \"40s\"]\n";
    let test = TestInstallation::with(&format!("{more}[webhook]\nurl = \"{}/hook\"\nsecret = {{ file = \"webhook.txt\" }}\n", hook.url));
    write_secret(&test.file("webhook.txt"), SECRET);
    let microsoft = Relay::before(test.sandbox.url());
    let text = std::fs::read_to_string(test.file("consent.toml")).unwrap();
    std::fs::write(test.file("consent.toml"), text.replace(test.sandbox.url(), &microsoft.url)).unwrap();
    let served = Served::start(&test, &[]);

    visits(&test, &served, 0..4).await;
    until_posted(&receiver, &served, 4).await;
    let silent = microsoft.fail(Failure::Silent);
    hook.fail(Failure::Silent);
    assert!(silent > 0, "without a kept connection the test proves nothing");
    for from in [4, 12, 20] {
        visits(&test, &served, from..from + 8).await;
    }
    until_posted(&receiver, &served, 28).await;

    let mut outcomes = BTreeMap::<String, usize>::new();
    for record in served.records().iter().filter(|record| record["event"] == "concluded" && record["outcome"]["before"].is_null()) {
        *outcomes.entry(record["outcome"]["after"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    println!("{silent} silent connections to Microsoft; outcomes of the callbacks: {outcomes:?}");
    let unavailable = outcomes.get("unavailable").copied().unwrap_or_default();
    assert!(unavailable <= silent && outcomes["granted"] + unavailable == 28, "{outcomes:?}");
    assert_eq!(hook.swallowed(), 0, "no event waits on a silent connection");
}
