//! From a request to an answer: routing, the log, and faults.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::Method;
use percent_encoding::percent_decode_str;

use super::ids::{ClientId, TenantId};

use super::aadsts::{Aadsts, Ids};
use super::answer::{Answer, Ending};
use super::batch;
use super::connection::Connection;
use super::consent::{self, Decision, Form};
use super::consent_page as pages;
use super::control_http;
use super::discovery;
use super::effects;
use super::fault::{Effect, FaultAt, FaultTarget};
use super::graph::{self, GraphCall, GraphIds};
use super::log::{Kind, LoggedRequest};
use super::request::{Call, Params};
use super::state::World;
use super::sts;
use super::token::{self, TokenRequest};

/// The limit for request bodies.
const LARGEST_BODY: usize = 4 << 20;

/// The state that all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) port: u16,
    pub(super) connections: Arc<AtomicU64>,
}

impl Shared {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        // A panic elsewhere may leave the state inconsistent, which is good enough for a simulation.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The destination of a path.
enum Route {
    Discovery { tenant: String, v2: bool },
    Consent { tenant: String, form: Form },
    Token { tenant: String },
    Batch,
    Graph,
    Sts,
    Issuer { path: String },
    Control,
    Index,
    Nowhere,
}

impl Route {
    fn read(call: &Call) -> Self {
        let path = call.path.trim_matches('/');
        if path.is_empty() {
            return Self::Index;
        }
        if path == "sts" {
            return Self::Sts;
        }
        let Some((first, rest)) = path.split_once('/') else { return Self::Nowhere };
        if first == sts::ISSUER {
            return Self::Issuer { path: rest.to_owned() };
        }
        if first == "_sandbox" {
            return Self::Control;
        }
        if first.eq_ignore_ascii_case("v1.0") {
            return if rest.eq_ignore_ascii_case("$batch") { Self::Batch } else { Self::Graph };
        }
        // The authority's paths are case-insensitive in practice (protocol reference §1.1).
        let rest = rest.to_ascii_lowercase();
        let segments: Vec<&str> = rest.split('/').collect();
        let tenant = percent_decode_str(first).decode_utf8_lossy().into_owned();
        match segments.as_slice() {
            [".well-known", "openid-configuration"] => Self::Discovery { tenant, v2: false },
            ["v2.0", ".well-known", "openid-configuration"] => Self::Discovery { tenant, v2: true },
            ["oauth2", "v2.0", "token"] => Self::Token { tenant },
            other => {
                let query = Params::parse(call.query.as_bytes());
                Form::read(other, query.get("prompt")).map_or(Self::Nowhere, |form| Self::Consent { tenant, form })
            }
        }
    }

    fn kind(&self, method: &Method) -> Kind {
        match self {
            Self::Discovery { .. } => Kind::Discovery,
            Self::Consent { .. } if *method == Method::POST => Kind::Decision,
            Self::Consent { .. } => Kind::ConsentPage,
            Self::Token { .. } => Kind::Token,
            Self::Batch => Kind::Batch,
            Self::Graph => Kind::Graph,
            Self::Sts | Self::Issuer { .. } => Kind::Sts,
            Self::Control => Kind::Control,
            Self::Index | Self::Nowhere => Kind::Other,
        }
    }
}

pub(super) async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let answer = respond(&shared, request).await;
    if answer.ending == Ending::Reset {
        connection.reset();
    }
    answer.into_response()
}

async fn respond(shared: &Arc<Shared>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // A foreign page could reach a loopback server through a domain name of its own. Such a request carries that name, and is refused.
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let base = match name {
        "localhost" | "127.0.0.1" => format!("http://{name}:{}", shared.port),
        _ => return Answer::new(421, "text/plain", "The sandbox answers to localhost and 127.0.0.1 only."),
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return Answer::new(413, "text/plain", "The sandbox reads bodies of up to 4 MiB.");
    };
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        base,
    };
    let route = Route::read(&call);
    let number = log(shared, &call, &route);
    let answer = match route {
        Route::Discovery { tenant, v2 } => discovery(shared, &call, &tenant, v2).await,
        Route::Consent { tenant, form } => consent(shared, &call, &tenant, form, number).await,
        Route::Token { tenant } => token(shared, &call, &tenant, number).await,
        Route::Batch => batch(shared, &call, number).await,
        Route::Graph => graph(shared, &call, number).await,
        Route::Sts => sts::answer(&mut shared.world(), &call.form()),
        Route::Issuer { path } => sts::issuer_answer(&shared.world(), &path),
        Route::Control => control_http::answer(shared, &call),
        Route::Index => pages::index(&shared.world()),
        Route::Nowhere => Answer::new(404, "text/plain", "Nothing is simulated at this address."),
    };
    if let Some(entry) = shared.world().log.entry(number) {
        entry.status = (answer.ending != Ending::Reset).then_some(answer.status);
    }
    answer
}

fn log(shared: &Shared, call: &Call, route: &Route) -> usize {
    let mut world = shared.world();
    let tenant = match route {
        Route::Discovery { tenant, .. } | Route::Consent { tenant, .. } | Route::Token { tenant } => world.tenant_named(tenant),
        _ => None,
    };
    let entry = LoggedRequest {
        at: world.now(),
        kind: route.kind(&call.method),
        method: call.method.to_string(),
        path: call.path.clone(),
        tenant,
        app: None,
        body_bytes: call.body.len(),
        parts: Vec::new(),
        graph_paths: Vec::new(),
        scope: None,
        client_request_id: call.header("client-request-id").map(str::to_owned),
        status: None,
    };
    world.log.add(entry)
}

async fn wait<'a>(effects: impl IntoIterator<Item = &'a Effect>) {
    let delay = effects::delay(effects);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn target<'a>(at: FaultAt, tenant: Option<TenantId>, app: Option<ClientId>, path: &'a str) -> FaultTarget<'a> {
    FaultTarget { at, tenant, app, path }
}

async fn discovery(shared: &Shared, call: &Call, tenant: &str, v2: bool) -> Answer {
    let (effects, ids) = {
        let mut world = shared.world();
        let now = world.now();
        let id = world.tenant_named(tenant);
        let effects = world.strike(target(FaultAt::Discovery, id, None, &call.path));
        (effects, Ids::new(&mut world.rng, now, call.header("client-request-id")))
    };
    wait(&effects).await;
    let world = shared.world();
    let replaced = effects::replacement_at_authority(&world, &effects, "", &ids);
    let mut answer = replaced.unwrap_or_else(|| discovery::answer(&world, tenant, v2, &call.base, &ids));
    effects::edit(&mut answer, &effects, &call.base);
    answer
}

async fn token(shared: &Shared, call: &Call, tenant: &str, number: usize) -> Answer {
    let audiences = ["localhost", "127.0.0.1"].map(|host| format!("http://{host}:{}{}", shared.port, call.path));
    let request = TokenRequest { tenant, params: call.form(), authorization: call.header("authorization"), audiences: audiences.into() };
    let app = request.client();
    let (effects, ids) = {
        let mut world = shared.world();
        let now = world.now();
        if let Some(entry) = world.log.entry(number) {
            entry.app = app;
            entry.scope = request.params.get("scope").map(str::to_owned);
        }
        let id = world.tenant_named(tenant);
        let effects = world.strike(target(FaultAt::Token, id, app, &call.path));
        (effects, Ids::new(&mut world.rng, now, call.header("client-request-id")))
    };
    wait(&effects).await;
    let mut world = shared.world();
    let name = app.map(|app| app.to_string()).unwrap_or_default();
    let replaced = effects::replacement_at_authority(&world, &effects, &name, &ids);
    let mut answer = match replaced {
        Some(answer) => answer,
        None if call.method != Method::POST => {
            Aadsts::new(900_561, "The endpoint only accepts POST requests. Received a GET request.").answer(&ids)
        }
        None => token::answer(&mut world, &request, &effects, &ids).unwrap_or_else(|error| error.answer(&ids)),
    };
    effects::edit(&mut answer, &effects, &call.base);
    answer
}

async fn consent(shared: &Shared, call: &Call, tenant: &str, form: Form, number: usize) -> Answer {
    let params = Params::parse(call.query.as_bytes());
    let (asked, ids, effects) = {
        let mut world = shared.world();
        let now = world.now();
        let ids = Ids::new(&mut world.rng, now, None);
        let asked = match consent::check(&world, form, tenant, &params) {
            Ok(asked) => asked,
            Err(error) => return pages::error(&error, &ids),
        };
        if let Some(entry) = world.log.entry(number) {
            entry.app = Some(asked.client);
        }
        let id = world.tenant_named(tenant);
        let deciding = call.method == Method::POST;
        let at = target(FaultAt::Consent, id, Some(asked.client), &call.path);
        let effects = if deciding { world.strike(at) } else { Vec::new() };
        (asked, ids, effects)
    };
    if call.method != Method::POST {
        return consent::show(&shared.world(), &asked, &ids);
    }
    wait(&effects).await;
    let sent = call.form();
    let Some(decision) = sent.get("do").and_then(Decision::read) else {
        return pages::plain_error(&Aadsts::missing_parameter("do"));
    };
    let mut answer = consent::decide(&mut shared.world(), &asked, sent.get("user"), decision, &effects, &ids);
    if effects.contains(&Effect::Reset) {
        answer.ending = Ending::Reset;
    }
    effects::edit(&mut answer, &effects, &call.base);
    answer
}

async fn graph(shared: &Shared, call: &Call, number: usize) -> Answer {
    let query = Params::parse(call.query.as_bytes());
    let at = if query.get("$skiptoken").is_some() { FaultAt::Page } else { FaultAt::Graph };
    let (ids, caller, effects) = {
        let mut world = shared.world();
        let ids = GraphIds::new(&mut world, call.header("client-request-id"));
        let caller = graph::caller(&world, call.header("authorization"), &ids);
        let tenant = caller.as_ref().ok().map(|token| token.tenant);
        if let Some(entry) = world.log.entry(number) {
            entry.tenant = tenant;
            let joint = if call.query.is_empty() { "" } else { "?" };
            entry.graph_paths = vec![format!("{}{joint}{}", call.path, call.query)];
        }
        let effects = world.strike(target(at, tenant, None, &call.path));
        (ids, caller, effects)
    };
    wait(&effects).await;
    let mut world = shared.world();
    let mut answer = match (effects::replacement_in_graph(&world, &effects, &ids), caller) {
        (Some(answer), _) => answer,
        (None, Err(refused)) => *refused,
        (None, Ok(_)) if call.method != Method::GET => ids.error(405, "MethodNotAllowed", "The sandbox's Graph is read-only."),
        (None, Ok(token)) => {
            let path = call.path.get("/v1.0".len()..).unwrap_or_default();
            let graph_call = GraphCall { path, query, base: &call.base, ids: &ids };
            graph::answer(&mut world, &token, &graph_call)
        }
    };
    effects::edit(&mut answer, &effects, &call.base);
    with_graph_ids(answer, &ids)
}

async fn batch(shared: &Shared, call: &Call, number: usize) -> Answer {
    let parts = batch::read(&call.body);
    let (ids, caller, effects, part_effects) = {
        let mut world = shared.world();
        let ids = GraphIds::new(&mut world, call.header("client-request-id"));
        let caller = graph::caller(&world, call.header("authorization"), &ids);
        let tenant = caller.as_ref().ok().map(|token| token.tenant);
        let read = parts.as_deref().unwrap_or_default();
        if let Some(entry) = world.log.entry(number) {
            entry.tenant = tenant;
            entry.parts = read.iter().map(|part| part.id.clone()).collect();
            entry.graph_paths = read.iter().map(|part| part.path_and_query().to_owned()).collect();
        }
        let effects = world.strike(target(FaultAt::Batch, tenant, None, &call.path));
        let part_effects: Vec<Vec<Effect>> =
            read.iter().map(|part| world.strike(target(FaultAt::Part, tenant, None, part.path()))).collect();
        (ids, caller, effects, part_effects)
    };
    wait(effects.iter().chain(part_effects.iter().flatten())).await;
    let mut world = shared.world();
    let mut answer = match (effects::replacement_in_graph(&world, &effects, &ids), caller, parts) {
        (Some(answer), _, _) => answer,
        (None, Err(refused), _) => *refused,
        (None, Ok(_), _) if call.method != Method::POST => ids.error(405, "MethodNotAllowed", "A batch is sent by POST."),
        (None, Ok(_), Err(reason)) => ids.error(400, "BadRequest", &reason),
        (None, Ok(token), Ok(parts)) => batch::answer(&mut world, &token, &parts, &part_effects, &call.base, &ids),
    };
    effects::edit(&mut answer, &effects, &call.base);
    with_graph_ids(answer, &ids)
}

fn with_graph_ids(answer: Answer, ids: &GraphIds) -> Answer {
    answer.with("request-id", &ids.request).with("client-request-id", &ids.client_request)
}
