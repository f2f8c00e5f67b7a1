//! Runs one check: requests tokens and calls Graph with as much parallelism as the answers allow, and stores every answer on arrival.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};

use super::state::{CallNumber, VerificationState};
use super::{Asker, AskingApp, CheckRequest, MOST_CREDENTIALS, TokenKey, Verifier};
use crate::consent::finding::Obstacle;
use crate::consent::{ClientId, ResourceId, Right, TokenId};
use crate::entra::credential::Credential;
use crate::entra::graph::{GraphState, Question, Reply, send_batch, send_page};
use crate::entra::http::{Http, UpstreamCall, UpstreamKind};
use crate::entra::token::{AccessToken, TokenRefusal, TokenRequest};

enum CallEvent {
    Token(ResourceId, Result<AccessToken, TokenRefusal>, Option<UpstreamCall>),
    Graph(Reply),
}

type Events<'a> = FuturesUnordered<BoxFuture<'a, (CallNumber, CallEvent)>>;

/// Whether to call Graph with a new Graph token, or only to read the token's roles.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AskGraph {
    Yes,
    No,
}

impl Verifier {
    /// Runs one check. `state` always contains everything seen so far, so a check that runs out of time loses nothing.
    pub(super) async fn see(&self, http: &Http, request: &CheckRequest<'_>, state: &mut VerificationState) {
        match request.asker {
            Asker::App(app) => self.see_as_app(http, request, app, state).await,
            Asker::Person(token) => {
                self.ask_graph(http, request, token, state).await;
                // We have no other token of the person.
                if state.wants_another_token() && !state.is_of_unknown_caller() {
                    state.fault(Obstacle::OperatorFault);
                }
            }
        }
    }

    async fn see_as_app(&self, http: &Http, request: &CheckRequest<'_>, app: AskingApp<'_>, state: &mut VerificationState) {
        let key = TokenKey { authority: request.endpoints.authority.clone(), tenant: request.tenant, client: app.client };
        let mut ask_graph = AskGraph::Yes;
        if let Some(token) = self.cached_token(&key) {
            self.ask_graph(http, request, &token, state).await;
            if state.is_settled(request) {
                return;
            }
            let token_is_poor = state.token_is_poor(request);
            if token_is_poor {
                self.forget_token(&key);
            } else if request.verifies_itself() {
                // Graph is failing. An immediate retry does not help, but the roles of fresh tokens may decide the result.
                ask_graph = AskGraph::No;
            } else {
                return;
            }
        }
        self.see_with_fresh_tokens(http, request, app, state, ask_graph).await;
        if let Some(token) = state.token_worth_keeping(request) {
            self.keep_token(key, token);
        }
    }

    /// Calls Graph with a token that we already have.
    async fn ask_graph(&self, http: &Http, request: &CheckRequest<'_>, token: &Arc<AccessToken>, state: &mut VerificationState) {
        let events = Events::new();
        self.put_to_use(http, request, token, state, &events);
        self.drain(http, request, state, events, AskGraph::Yes).await;
    }

    async fn see_with_fresh_tokens(
        &self,
        http: &Http,
        request: &CheckRequest<'_>,
        app: AskingApp<'_>,
        state: &mut VerificationState,
        ask_graph: AskGraph,
    ) {
        let mut refused = Vec::new();
        // The connections open while we read the credential and request the token.
        let _early;
        let first = {
            let mut reading = app.credential.credential(&refused);
            let at_hand = (&mut reading).now_or_never();
            _early = http.open_early(at_hand.is_none(), self.clock.now());
            match at_hand {
                Some(read) => read,
                None => reading.await,
            }
        };
        let Ok(mut credential) = first else {
            tracing::error!(app.client_id = %app.client, "the credential of the verifying app cannot be read");
            return state.fault(Obstacle::OwnCredential);
        };
        let mut wanted = resources_of(request);
        let mut once_more = true;
        loop {
            let mints = wanted.iter().map(|resource| self.mint(http, request, app.client, &credential, *resource, state));
            let events: Events<'_> = mints.collect();
            self.drain(http, request, state, events, ask_graph).await;
            if wanted.iter().any(|resource| !state.is_refused(*resource)) {
                app.credential.accepted(&credential);
            }
            let open = state.refused_credential();
            if open.iter().any(|resource| wanted.contains(resource)) {
                refused.push(Arc::clone(&credential));
                if refused.len() == MOST_CREDENTIALS {
                    return;
                }
                let Ok(next) = app.credential.credential(&refused).await else { return };
                credential = next;
                // One token shows whether Microsoft accepts this credential. We request the other tokens after that.
                wanted = open.into_iter().max_by_key(|resource| *resource == ResourceId::GRAPH).into_iter().collect();
            } else if !open.is_empty() {
                wanted = open;
            } else if std::mem::take(&mut once_more) && state.wants_another_token() {
                wanted = vec![ResourceId::GRAPH];
            } else {
                return;
            }
        }
    }

    async fn drain<'a>(
        &'a self,
        http: &'a Http,
        request: &'a CheckRequest<'_>,
        state: &mut VerificationState,
        mut events: Events<'a>,
        ask_graph: AskGraph,
    ) {
        while let Some((number, event)) = events.next().await {
            match event {
                CallEvent::Token(resource, result, call) => {
                    state.end_call(number, call);
                    let Some(token) = state.take_token(request, resource, result) else { continue };
                    if resource == ResourceId::GRAPH && ask_graph == AskGraph::Yes {
                        self.put_to_use(http, request, &token, state, &events);
                    }
                }
                CallEvent::Graph(reply) => {
                    state.end_call(number, Some(reply.call.clone()));
                    let Some((token, pages)) = state.take_reply(request, reply) else { continue };
                    for (part, url) in pages {
                        let (token, now, number) = (Arc::clone(&token), self.clock.now(), state.begin_call(UpstreamKind::Page));
                        events.push(Box::pin(
                            async move { (number, CallEvent::Graph(send_page(http, &token.secret, part, url, now).await)) },
                        ));
                    }
                }
            }
        }
    }

    /// Starts the batch with this token.
    fn put_to_use<'a>(
        &'a self,
        http: &'a Http,
        request: &'a CheckRequest<'_>,
        token: &Arc<AccessToken>,
        state: &mut VerificationState,
        events: &Events<'a>,
    ) {
        let question = question(request, token);
        state.begin(GraphState::of(question.clone()), Arc::clone(token));
        let (token, now, number) = (Arc::clone(token), self.clock.now(), state.begin_call(UpstreamKind::Batch));
        events.push(Box::pin(async move {
            (number, CallEvent::Graph(send_batch(http, request.endpoints, &token.secret, &question, now).await))
        }));
    }

    fn mint<'a>(
        &'a self,
        http: &'a Http,
        request: &'a CheckRequest<'_>,
        client: ClientId,
        credential: &Arc<Credential>,
        resource: ResourceId,
        state: &mut VerificationState,
    ) -> BoxFuture<'a, (CallNumber, CallEvent)> {
        let CheckRequest { endpoints, tenant, .. } = *request;
        let (credential, number) = (Arc::clone(credential), state.begin_call(UpstreamKind::Token));
        Box::pin(async move {
            let jti = || TokenId::from_random(self.rng.bytes());
            let token = TokenRequest { endpoints, tenant, client, resource };
            let (result, call) = token.send(http, &credential, self.clock.now(), jti).await;
            (number, CallEvent::Token(resource, result, call))
        })
    }
}

/// The resources that we mint tokens for: always Graph and, if the app checks itself, every resource whose roles are evidence.
fn resources_of(request: &CheckRequest<'_>) -> Vec<ResourceId> {
    let own = request.profile.expected.iter().filter(|expected| request.verifies_itself() && expected.requires_application());
    let resources: BTreeSet<_> = own.map(|expected| expected.resource).chain([ResourceId::GRAPH]).collect();
    resources.into_iter().collect()
}

fn question(request: &CheckRequest<'_>, token: &AccessToken) -> Question {
    // Graph's own object id also identifies permissions that the profile does not expect. The list has each resource once, because Graph
    // refuses a batch with duplicate ids.
    let expected = request.profile.expected.iter().map(|expected| expected.resource);
    let resources: BTreeSet<_> = expected.chain([ResourceId::GRAPH]).collect();
    let claims = token.claims.as_ref();
    let has = |permission: &str| {
        claims.is_some_and(|claims| claims.roles.iter().chain(&claims.scopes).any(|held| held.eq_ignore_ascii_case(permission)))
    };
    Question {
        tenant: request.tenant,
        client: request.profile.client_id,
        object: claims.and_then(|claims| claims.object).filter(|_| request.verifies_itself()),
        resources: resources.into_iter().collect(),
        required: request
            .profile
            .expected
            .iter()
            .filter(|expected| expected.required().next().is_some())
            .map(|expected| expected.resource)
            .collect(),
        open_requests: Right::ApprovalRequests.held_by(has).is_some(),
        user_consent: !request.verifies_itself() && Right::Policies.held_by(has).is_some(),
        popular: request.popular,
    }
}
