//! The cost of a verified callback when everything is warm, compared with a bare reqwest client that makes the same calls.
//!
//! Upstream is on loopback and answers at once, over TLS as Microsoft does and over plain HTTP. Plain HTTP is the hardest case for the
//! product. In production both sides would wait for Microsoft as well, so the ratio approaches 1, as it does with 1 ms a call.

#[path = "common/http.rs"]
mod http;
#[path = "common/setting.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod setting;
#[path = "common/stats.rs"]
mod stats;
#[path = "common/upstream.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod upstream;

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use ::http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use ::http::{HeaderMap, HeaderValue, Method};
use entra_consent::config::Config;
use entra_consent::consent::{ObjectId, Outcome, Query, ResourceId, TenantId};
use entra_consent::entra::graph::Question;
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::record::Sink;
use entra_consent::token::receipt;
use entra_consent::web::{self, Answer, FrontDoor, Request};
use setting::{APP, APP_SECRET, Failure, Kept};
use stats::Samples;
use upstream::{Endpoint, Pace, Upstream};

const RUNS: u64 = 3_000;
const WARM_UP: u64 = 300;

struct Stage {
    installation: Installation,
    ahead: Arc<AtomicI64>,
}

/// `authority` is a certificate authority in PEM.
fn stage(microsoft: &str, authority: Option<&str>) -> Result<Stage, Failure> {
    let path = std::env::temp_dir().join(format!("entra-consent-bench-{}.pem", std::process::id()));
    let name = path.to_string_lossy();
    if let Some(pem) = authority {
        std::fs::write(&path, pem)?;
    }
    let text = setting::config_text([microsoft; 2], Kept::InEnvironment, authority.map(|_| &*name));
    // The configuration has read the authority, so the file is no longer needed.
    let config = Config::parse(&text, Path::new("bench.toml"), &setting::environment)?;
    if authority.is_some() {
        std::fs::remove_file(&path)?;
    }
    let ahead = Arc::<AtomicI64>::default();
    let seconds = Arc::clone(&ahead);
    let now = move || time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds.load(Ordering::Relaxed));
    let nowhere = File::create("/dev/null")?;
    let dependencies = Dependencies {
        roots: Roots::Embedded,
        clock: Clock::new(now),
        rng: Rng::system(),
        // Each line costs a system call, as on standard output.
        sink: Sink::new(move |line| (&nowhere).write_all(line)),
        environment: setting::environment,
        outbox: None,
        aws: None,
    };
    Ok(Stage { installation: Installation::new(config, dependencies), ahead })
}

fn request(tenant: TenantId, installation: &Installation) -> Result<Request, Failure> {
    let keys = setting::keys()?;
    let ticket = setting::ticket(tenant, setting::signer(&keys, installation.clock.now_unix()))?;
    Ok(Request {
        method: Method::GET,
        path: "/callback".to_owned(),
        query: Query::parse(setting::query(tenant, &ticket).as_bytes()),
        headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"))]),
        body: bytes::Bytes::new(),
        source: Some([203, 0, 113, 24].into()),
        source_from: entra_consent::web::AddressSource::RequestContext,
        front_door: FrontDoor::HttpApi,
    })
}

/// Checks that an answer redirects to a receipt with `granted`.
fn check(answer: &Answer, installation: &Installation) -> Result<(), Failure> {
    let keys = setting::keys()?;
    let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok()).ok_or("no receipt")?;
    let token = location.rsplit('/').next().unwrap_or_default();
    let (receipt, _) = receipt::open(token, setting::signer(&keys, installation.clock.now_unix())).map_err(|flaw| flaw.reason())?;
    if receipt.outcome == Outcome::Granted { Ok(()) } else { Err(format!("not granted but {:?}", receipt.outcome).into()) }
}

/// The bare client, with the request bodies of the function.
struct Bare {
    client: reqwest::Client,
    url: String,
    form: String,
    batch: String,
}

#[derive(serde::Deserialize)]
struct Issued {
    access_token: String,
}

impl Bare {
    fn new(url: &str, authority: Option<&str>) -> Result<Self, Failure> {
        let mut client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
        if let Some(pem) = authority {
            client = client.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes())?]);
        }
        let question = Question {
            tenant: setting::tenant(0),
            client: APP,
            object: Some(ObjectId::from_u128(0x0a1b_0000_0000_4000_8000_0000_0000_c0de)),
            resources: vec![ResourceId::GRAPH],
            open_requests: false,
            required: [ResourceId::GRAPH].into(),
            user_consent: false,
            popular: false,
        };
        let requests: Vec<_> =
            question.parts().into_iter().map(|(part, url)| serde_json::json!({ "id": part.id(), "method": "GET", "url": url })).collect();
        Ok(Self {
            client: client.build()?,
            url: url.to_owned(),
            form: url::form_urlencoded::Serializer::new(String::new())
                .append_pair("client_id", &APP.to_string())
                .append_pair("scope", &format!("{url}/.default"))
                .append_pair("grant_type", "client_credentials")
                .append_pair("client_secret", APP_SECRET)
                .finish(),
            batch: serde_json::json!({ "requests": requests }).to_string(),
        })
    }

    async fn token(&self, tenant: TenantId) -> Result<String, Failure> {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.url);
        let form = "application/x-www-form-urlencoded";
        let response = self.client.post(url).header(CONTENT_TYPE, form).body(self.form.clone()).send().await?;
        Ok(serde_json::from_slice::<Issued>(&response.bytes().await?)?.access_token)
    }

    async fn batch(&self, token: &str) -> Result<usize, Failure> {
        let request = self.client.post(format!("{}/v1.0/$batch", self.url)).bearer_auth(token);
        let response = request.header(CONTENT_TYPE, "application/json").body(self.batch.clone()).send().await?;
        Ok(response.bytes().await?.len())
    }
}

/// The number of calls since `before`.
fn calls(upstream: &Upstream, before: &mut u64) -> u64 {
    let now = upstream.calls();
    now - std::mem::replace(before, now)
}

/// Both sides of the comparison, with the same upstream.
struct Sides {
    upstream: Upstream,
    stage: Stage,
    bare: Bare,
}

impl Sides {
    fn over_tls() -> Result<Self, Failure> {
        let (tls, pem) = upstream::certificate()?;
        Self::before(Upstream::start(Some(tls))?, Some(&pem))
    }

    fn over_plain_http() -> Result<Self, Failure> {
        Self::before(Upstream::start(None)?, None)
    }

    fn before(upstream: Upstream, authority: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { stage: stage(&upstream.url, authority)?, bare: Bare::new(&upstream.url, authority)?, upstream })
    }

    async fn with_new_tokens(&self, transport: &str) -> Result<(), Failure> {
        let Self { upstream, stage: Stage { installation, .. }, bare } = self;
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        let mut before = upstream.calls();
        for run in 0..WARM_UP + RUNS {
            let tenant = setting::tenant(run);
            let request = request(tenant, installation)?;
            let started = Instant::now();
            let answer = black_box(web::handle(installation, request).await);
            let took = started.elapsed();
            check(&answer, installation)?;
            let asked = calls(upstream, &mut before);
            let started = Instant::now();
            let token = bare.token(tenant).await?;
            black_box(bare.batch(&token).await?);
            let baseline = started.elapsed();
            let asked_by_bare = calls(upstream, &mut before);
            if (asked, asked_by_bare) != (2, 2) {
                return Err(format!("{asked} calls and {asked_by_bare} bare ones, where each side makes 2").into());
            }
            if run >= WARM_UP {
                ours.push(took);
                theirs.push(baseline);
            }
        }
        stats::heading(&format!("a verified callback, warm, over {transport}, with a new token (a new tenant each)"));
        stats::row("callback function", &ours);
        stats::row("bare reqwest client, the same 2 calls", &theirs);
        stats::ratio(&ours, &theirs, "≤ 1.25");
        Ok(())
    }

    async fn with_cached_tokens(&self, transport: &str) -> Result<(), Failure> {
        let Self { upstream, stage: Stage { installation, ahead }, bare } = self;
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        let tenant = setting::tenant(1 << 32);
        let token = bare.token(tenant).await?;
        let mut minted = 0;
        let mut before = 0;
        for run in 0..WARM_UP + RUNS {
            // A check is cached for 30 s. Tokens live a day here, so only an occasional run requests a new token.
            ahead.fetch_add(31, Ordering::Relaxed);
            let request = request(tenant, installation)?;
            calls(upstream, &mut before);
            let started = Instant::now();
            let answer = black_box(web::handle(installation, request).await);
            let took = started.elapsed();
            check(&answer, installation)?;
            let asked = calls(upstream, &mut before);
            let started = Instant::now();
            black_box(bare.batch(&token).await?);
            let baseline = started.elapsed();
            if asked != 1 {
                minted += 1;
            } else if run >= WARM_UP {
                ours.push(took);
                theirs.push(baseline);
            }
        }
        stats::heading(&format!("a verified callback, warm, over {transport}, with a cached token"));
        stats::row("callback function", &ours);
        stats::row("bare reqwest client, the same call", &theirs);
        stats::ratio(&ours, &theirs, "≤ 1.25");
        println!("  left out: {minted} runs in which the cached token had come to its end");
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let slower = Sides::over_tls()?;
    for endpoint in [Endpoint::Token, Endpoint::Batch] {
        slower.upstream.pace(endpoint, Pace::After(Duration::from_millis(1)));
    }
    for (transport, sides) in [("TLS", Sides::over_tls()?), ("plain HTTP", Sides::over_plain_http()?), ("TLS, 1 ms a call", slower)] {
        sides.with_new_tokens(transport).await?;
        sides.with_cached_tokens(transport).await?;
    }
    Ok(())
}
