//! The steps of `serve`: queued messages in the store, posts to the webhook, and the state that a new process finds.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::doors::{Door, Request};
use super::names::{fixed, sign};
use super::product::{Change, Product, Setup, Stored, demo};
use super::walk::Walk;
use super::{keep, pages};
use crate::serve::store::Folder;
use crate::serve::webhook::{Post, Receiver, SECRET, Say};

const NOW: u64 = 1_795_176_000;

/// A post without its signature. The signature changes with the body, so it is verified instead of compared.
fn post(post: &Post) -> (Value, String) {
    let header = |name: &str| post.header(name).to_owned();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), String::from_utf8_lossy(&post.body));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap());
    let signature = format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())));
    assert_eq!(header("webhook-signature"), signature);
    let headers: Map<String, Value> = post
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length"))
        .map(|(name, value)| {
            let value = if name == "webhook-signature" { "<a signature that holds>" } else { value.to_str().unwrap() };
            (name.to_string(), json!(value))
        })
        .collect();
    let mut body = post.json();
    let words = pages::take_sentences(&mut body);
    (json!({ "path": post.path, "headers": headers, "json": body }), words)
}

/// A walk through `serve`, and the webhook's receiver.
struct Served {
    walk: Walk,
    receiver: Receiver,
    seen: usize,
}

impl Served {
    /// Advances the clock and runs the background work that is due.
    async fn pass(&mut self, seconds: u64) {
        self.walk.product.clock.advance(std::time::Duration::from_secs(seconds));
        self.walk.product.background().await;
        let posts = self.receiver.posts().split_off(self.seen);
        self.seen += posts.len();
        let (posts, words): (Vec<_>, Vec<_>) = posts.iter().map(post).unzip();
        let kept = self.walk.product.kept().await;
        self.walk.put(&format!("{seconds} s later"), json!({ "posts": posts, "store": kept }), &words.concat());
    }

    async fn claim(&mut self) {
        let claims = json!({
            "iat": NOW, "exp": NOW + 7_200, "jti": fixed(2), "app": "mail-backup", "ten": demo::CONTOSO, "inv": null, "lbl": "Contoso GmbH",
            "ref": "T-4711", "bnd": null,
        });
        let ticket = sign("ticket", "callback", claims);
        let callback = format!("/callback?admin_consent=True&tenant={}&state={ticket}", demo::CONTOSO);
        let answer = self.walk.visit("a callback", Request::get(&callback)).await;
        self.walk.result(&answer).await;
    }

    fn grant(&mut self) {
        self.walk.product.change(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None });
        self.walk.meanwhile("the app is approved");
    }

    async fn restart(&mut self) {
        self.walk.restart().await;
        let kept = self.walk.product.kept().await;
        self.walk.put("serve is started again", json!({ "store": kept }), "");
    }
}

async fn golden(name: &str, answers: Vec<Say>, way: impl AsyncFn(&mut Served)) {
    let folder = Folder::new();
    let receiver = Receiver::start(answers).await;
    let store = Stored { path: folder.store(), webhook: format!("{}/hook?sig=secret", receiver.base) };
    let walk = Walk::new(Product::new(Setup { store: Some(store), ..Setup::default() }).await, Door::Serve).await;
    let mut served = Served { walk, receiver, seen: 0 };
    way(&mut served).await;
    let shown = served.walk.trace();
    let golden = json!({
        "reached": "by a ticket signed with the key of the tests, over HTTP", "usual_headers": shown.usual, "steps": shown.steps,
        "tokens": shown.tokens,
    });
    keep(&format!("serve/{name}"), &golden, &shown.texts);
}

#[tokio::test]
async fn an_approval_seen_later_is_posted_as_its_golden_says() {
    golden("seen_later", Vec::new(), async |served: &mut Served| {
        served.claim().await;
        served.pass(0).await;
        served.pass(10).await;
        served.grant();
        served.pass(60).await;
        served.pass(86_400).await;
    })
    .await;
}

#[tokio::test]
async fn a_webhook_that_fails_keeps_its_golden() {
    let answers = vec![Say::Status(500), Say::Header(429, "retry-after", "60".into()), Say::Status(302)];
    golden("webhook_fails", answers, async |served: &mut Served| {
        served.grant();
        served.claim().await;
        for wait in [0, 4, 2, 301, 1_801, 7_201] {
            served.pass(wait).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_new_process_finds_keeps_its_golden() {
    golden("restart", vec![Say::Status(500)], async |served: &mut Served| {
        served.claim().await;
        served.pass(0).await;
        served.restart().await;
        served.grant();
        served.pass(31).await;
        served.restart().await;
        served.pass(86_400).await;
    })
    .await;
}
