//! The cost of a forged callback: in process, with its record, and in calls to Microsoft (none).
//!
//! Both sides verify the same HS256 signature with the same library. The baseline does only what every handler must: it finds `state` in
//! the query and answers with a constant page of the same length.

#[path = "common/setting.rs"]
#[allow(dead_code, reason = "shared; each bench uses its part")]
mod setting;
#[path = "common/stats.rs"]
mod stats;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_consent::config::Config;
use entra_consent::consent::{Query, TenantId};
use entra_consent::env::{Clock, Rng, Roots};
use entra_consent::installation::{Dependencies, Installation};
use entra_consent::record::Sink;
use entra_consent::web::{self, FrontDoor, Request};
use entra_sandbox::{Change, Sandbox, SandboxOptions, Scenario, demo};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use setting::{Failure, ISSUER, Kept};
use stats::Samples;

/// The sandbox has its own ID types.
const CONTOSO: TenantId = TenantId::from_u128(demo::CONTOSO.as_u128());
const RUNS: usize = 20_000;
const REJECTIONS: usize = 10_000;
/// Rejections of each kind in the comparison of kinds.
const ROUNDS: usize = 4_000;

/// An installation with a clock that the bench moves, and a count of its recorded lines.
struct Stage {
    installation: Installation,
    ahead: Arc<AtomicI64>,
    lines: Arc<AtomicU64>,
}

/// The secret of the demo's app, which the simulated Microsoft knows.
fn environment(name: &str) -> Option<String> {
    if name == "BENCH_APP_SECRET" { Some(demo::APP_SECRET.to_owned()) } else { setting::environment(name) }
}

fn stage(microsoft: &str) -> Result<Stage, Failure> {
    let text = setting::config_text([microsoft; 2], Kept::InEnvironment, None);
    let config = Config::parse(&text, Path::new("bench.toml"), &environment)?;
    let (ahead, lines) = (Arc::<AtomicI64>::default(), Arc::<AtomicU64>::default());
    let (seconds, count) = (Arc::clone(&ahead), Arc::clone(&lines));
    let now = move || time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds.load(Ordering::Relaxed));
    let dependencies = Dependencies {
        roots: Roots::Embedded,
        clock: Clock::new(now),
        rng: Rng::system(),
        sink: Sink::new(move |line| {
            black_box(line);
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }),
        environment,
        outbox: None,
        aws: None,
    };
    Ok(Stage { installation: Installation::new(config, dependencies), ahead, lines })
}

fn request(query: &str) -> Request {
    let headers = [
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"),
    ];
    let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Request {
        method: Method::GET,
        path: "/callback".to_owned(),
        query: Query::parse(query.as_bytes()),
        headers: HeaderMap::from_iter(headers),
        body: bytes::Bytes::new(),
        source: Some([203, 0, 113, 24].into()),
        source_from: entra_consent::web::AddressSource::RequestContext,
        front_door: FrontDoor::HttpApi,
    }
}

/// The baseline handler.
fn bare(query: &str, key: &DecodingKey, validation: &Validation, page: &str) -> Response<String> {
    let state = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
    let genuine = state.is_some_and(|(_, state)| jsonwebtoken::decode::<serde_json::Value>(&*state, key, validation).is_ok());
    let mut response = Response::new(if genuine { String::new() } else { page.to_owned() });
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

/// The same ticket with another signature.
fn forged(ticket: &str) -> String {
    let flipped = if ticket.ends_with('A') { "B" } else { "A" };
    let (rest, _) = ticket.split_at(ticket.len().saturating_sub(8));
    format!("{rest}{}", flipped.repeat(8))
}

/// The same ticket with one wrong character.
fn wrong_at(ticket: &str, at: usize) -> String {
    let other = |character| if character == 'A' { 'B' } else { 'A' };
    ticket.chars().enumerate().map(|(index, character)| if index == at { other(character) } else { character }).collect()
}

/// The same ticket with another header.
fn with_header(ticket: &str, from: &str, to: &str) -> Result<String, Failure> {
    let (header, rest) = ticket.split_once('.').unwrap_or_default();
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header)?)?;
    let changed = header.replace(from, to);
    if changed == header {
        return Err(format!("the header {header} has no {from}").into());
    }
    Ok(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(changed)))
}

/// Rejects each kind of forgery in turn. If the time shows how much of a ticket is right, the medians differ.
async fn compare_kinds(installation: &Installation, ahead: &AtomicI64, ticket: &str) -> Result<(), Failure> {
    let signature = ticket.rfind('.').unwrap_or_default() + 1;
    let kinds = [
        ("the first byte of the signature is wrong", wrong_at(ticket, signature)),
        // Only 4 bits of the last character count.
        ("the last byte of the signature is wrong", wrong_at(ticket, ticket.len() - 2)),
        ("a key that does not exist", with_header(ticket, "\"kid\":\"", "\"kid\":\"x")?),
        ("another kind of token", with_header(ticket, "\"typ\":\"", "\"typ\":\"x")?),
        ("no token, of the same length", "A".repeat(ticket.len())),
    ];
    let mut kinds = kinds.map(|(kind, ticket)| (kind, request(&setting::query(CONTOSO, &ticket)), Samples::default()));
    for round in 0..ROUNDS + ROUNDS / 10 {
        for (_, forgery, samples) in &mut kinds {
            ahead.fetch_add(4, Ordering::Relaxed);
            let request = forgery.clone();
            let started = Instant::now();
            black_box(web::handle(installation, black_box(request)).await);
            if round >= ROUNDS / 10 {
                samples.push(started.elapsed());
            }
        }
    }
    stats::heading("what the time of a rejection shows, each with its record");
    for (kind, _, samples) in &kinds {
        stats::row(kind, samples);
    }
    let [(_, _, first), (_, _, last), ..] = &kinds;
    stats::ratio(first, last, "1: the time does not show how many bytes are right");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let sandbox = Sandbox::start(SandboxOptions { scenario: Scenario::demo(&format!("{ISSUER}/callback")), ..Default::default() })?;
    let Stage { installation, ahead, lines } = stage(sandbox.url())?;
    let keys = setting::keys()?;
    let signer = setting::signer(&keys, installation.clock.now_unix());
    let genuine = setting::ticket(CONTOSO, signer)?;
    let attack_query = setting::query(CONTOSO, &forged(&genuine));
    let attack = request(&attack_query);

    let refusal = web::handle(&installation, attack.clone()).await;
    if refusal.status() != 400 || !refusal.body().contains(r#"data-outcome="link_damaged""#) {
        return Err(format!("a forged callback was answered with {}", refusal.status()).into());
    }
    let document: serde_json::Value = serde_json::from_str(setting::KEYS)?;
    let key = DecodingKey::from_secret(document.get("key").and_then(|key| key.as_str()).unwrap_or_default().as_bytes())?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["callback"]);

    let (mut recorded, mut flooded) = ([Samples::default(), Samples::default()], [Samples::default(), Samples::default()]);
    for (samples, step) in [(&mut recorded, 4), (&mut flooded, 0)] {
        let [ours, theirs] = samples;
        for run in 0..RUNS + RUNS / 10 {
            // With 4 s between rejections, no line is part of a flood; with 0 s, every line is.
            ahead.fetch_add(step, Ordering::Relaxed);
            let request = attack.clone();
            let started = Instant::now();
            black_box(web::handle(&installation, black_box(request)).await);
            let took = started.elapsed();
            let started = Instant::now();
            black_box(bare(black_box(&attack_query), &key, &validation, refusal.body()));
            let baseline = started.elapsed();
            if run >= RUNS / 10 {
                ours.push(took);
                theirs.push(baseline);
            }
        }
    }
    for (title, [ours, theirs]) in [("with a record each", &recorded), ("in a flood, counted", &flooded)] {
        stats::heading(&format!("a forged callback rejected in process, {title}"));
        stats::row("callback function", ours);
        stats::row("bare: signature and a constant page", theirs);
        stats::ratio(ours, theirs, "none; ≤ 60 µs median");
    }

    compare_kinds(&installation, &ahead, &genuine).await?;

    let stranger = TenantId::from_u128(0x5742_0000_0000_4000_8000_0000_0000_0001);
    let other_key = genuine.replacen('.', "A.", 1);
    let forgeries = [
        ("another signature", request(&setting::query(CONTOSO, &forged(&genuine)))),
        ("a changed header", request(&setting::query(CONTOSO, &other_key))),
        ("cut short", request(&setting::query(CONTOSO, genuine.get(..genuine.len() / 2).unwrap_or_default()))),
        ("no ticket", request(&format!("admin_consent=True&tenant={}", demo::CONTOSO))),
        ("no query of ours", request("%00%ff&&==&state[]=1")),
        ("a genuine ticket, another tenant", request(&setting::query(stranger, &genuine))),
    ];
    println!("\n{REJECTIONS} rejections of each of {} kinds, and what they ask of the simulated Microsoft", forgeries.len());
    let before = lines.load(Ordering::Relaxed);
    for (kind, forgery) in forgeries {
        for _ in 0..REJECTIONS {
            black_box(web::handle(&installation, forgery.clone()).await);
        }
        println!("  {kind:<44} {:>6} calls", sandbox.control().upstream_calls());
    }
    sandbox.control().apply(Change::Grant { tenant: demo::CONTOSO, app: demo::APP, permissions: None })?;
    let said = lines.load(Ordering::Relaxed) - before;
    let told = web::handle(&installation, request(&setting::query(CONTOSO, &genuine))).await;
    println!("  then one genuine callback: {} calls (status {}), so the count counts", sandbox.control().upstream_calls(), told.status());
    println!("  records of all of them: {said} lines");
    Ok(())
}
