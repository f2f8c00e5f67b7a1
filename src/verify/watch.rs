//! One look as it happens: tokens and Graph, as much in parallel as the answers allow, every answer kept as it comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::draft::{CallNumber, Draft};
use super::{Asker, AskingApp, LookRequest, MOST_CREDENTIALS, TokenKey, Verifier};
use crate::consent::finding::Obstacle;
use crate::consent::{ClientId, ResourceId, Right, TokenId};
use crate::entra::credential::Credential;
use crate::entra::graph::{Question, Reply, Sights, send_batch, send_page};
use crate::entra::http::{Http, UpstreamCall, UpstreamKind};
use crate::entra::token::{AccessToken, TokenRefusal, TokenRequest};

enum Event {
    Token(ResourceId, Result<AccessToken, TokenRefusal>, Option<UpstreamCall>),
    Graph(Reply),
}

type Events<'a> = FuturesUnordered<BoxFuture<'a, (CallNumber, Event)>>;

/// Whether a new Graph token is put to use, or only its roles are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AskGraph {
    Yes,
    No,
}

impl Verifier {
    /// Looks once. What is seen stands in the draft at every moment, so that a look which runs out of time keeps it.
    pub(super) async fn see(&self, http: &Http, request: &LookRequest<'_>, draft: &mut Draft) {
        match request.asker {
            Asker::App(app) => self.see_as_app(http, request, app, draft).await,
            Asker::Person(token) => {
                self.ask_graph(http, request, token, draft).await;
                // It was sent as it is: there is no other to ask with.
                if draft.wants_another_token() && !draft.is_of_unknown_caller() {
                    draft.fault(Obstacle::OperatorFault);
                }
            }
        }
    }

    async fn see_as_app(&self, http: &Http, request: &LookRequest<'_>, app: AskingApp<'_>, draft: &mut Draft) {
        let key = TokenKey { authority: request.endpoints.authority.clone(), tenant: request.tenant, client: app.client };
        let mut ask_graph = AskGraph::Yes;
        if let Some(token) = self.cached_token(&key) {
            self.ask_graph(http, request, &token, draft).await;
            if draft.is_settled(request) {
                return;
            }
            let token_is_poor = draft.token_is_poor(request);
            if token_is_poor {
                self.forget_token(&key);
            } else if request.verifies_itself() {
                // Graph is unwell. Asking it again at once does not help, but the roles of fresh tokens may settle the matter.
                ask_graph = AskGraph::No;
            } else {
                return;
            }
        }
        self.see_with_fresh_tokens(http, request, app, draft, ask_graph).await;
        if let Some(token) = draft.token_worth_keeping(request) {
            self.keep_token(key, token);
        }
    }

    /// Asks Graph with a token that is at hand.
    async fn ask_graph(&self, http: &Http, request: &LookRequest<'_>, token: &Arc<AccessToken>, draft: &mut Draft) {
        let events = Events::new();
        self.put_to_use(http, request, token, draft, &events);
        self.drain(http, request, draft, events, AskGraph::Yes).await;
    }

    async fn see_with_fresh_tokens(
        &self,
        http: &Http,
        request: &LookRequest<'_>,
        app: AskingApp<'_>,
        draft: &mut Draft,
        ask_graph: AskGraph,
    ) {
        let mut refused = Vec::new();
        let Ok(mut credential) = app.credential.credential(&refused).await else {
            tracing::error!(app.client_id = %app.client, "the credential of the verifying app cannot be read");
            return draft.fault(Obstacle::OwnCredential);
        };
        let mut wanted = resources_of(request);
        let mut once_more = true;
        loop {
            let mints = wanted.iter().map(|resource| self.mint(http, request, app.client, &credential, *resource, draft));
            let events: Events<'_> = mints.collect();
            self.drain(http, request, draft, events, ask_graph).await;
            if wanted.iter().any(|resource| !draft.is_refused(*resource)) {
                app.credential.accepted(&credential);
            }
            let open = draft.refused_credential();
            if open.iter().any(|resource| wanted.contains(resource)) {
                refused.push(Arc::clone(&credential));
                if refused.len() == MOST_CREDENTIALS {
                    return;
                }
                let Ok(next) = app.credential.credential(&refused).await else { return };
                credential = next;
                // One token shows whether it is taken. The others are asked for once it is.
                wanted = open.into_iter().max_by_key(|resource| *resource == ResourceId::GRAPH).into_iter().collect();
            } else if !open.is_empty() {
                wanted = open;
            } else if std::mem::take(&mut once_more) && draft.wants_another_token() {
                wanted = vec![ResourceId::GRAPH];
            } else {
                return;
            }
        }
    }

    async fn drain<'a>(
        &'a self,
        http: &'a Http,
        request: &'a LookRequest<'_>,
        draft: &mut Draft,
        mut events: Events<'a>,
        ask_graph: AskGraph,
    ) {
        while let Some((number, event)) = events.next().await {
            match event {
                Event::Token(resource, result, call) => {
                    draft.end_call(number, call);
                    let Some(token) = draft.take_token(request, resource, result) else { continue };
                    if resource == ResourceId::GRAPH && ask_graph == AskGraph::Yes {
                        self.put_to_use(http, request, &token, draft, &events);
                    }
                }
                Event::Graph(reply) => {
                    draft.end_call(number, Some(reply.call.clone()));
                    let Some((token, pages)) = draft.take_reply(request, reply) else { continue };
                    for (part, url) in pages {
                        let (token, now, number) = (Arc::clone(&token), self.clock.now(), draft.begin_call(UpstreamKind::Page));
                        events.push(Box::pin(async move { (number, Event::Graph(send_page(http, &token.secret, part, url, now).await)) }));
                    }
                }
            }
        }
    }

    /// Starts the batch with a token.
    fn put_to_use<'a>(
        &'a self,
        http: &'a Http,
        request: &'a LookRequest<'_>,
        token: &Arc<AccessToken>,
        draft: &mut Draft,
        events: &Events<'a>,
    ) {
        let question = question(request, token);
        draft.begin(Sights::of(question.clone()), Arc::clone(token));
        let (token, now, number) = (Arc::clone(token), self.clock.now(), draft.begin_call(UpstreamKind::Batch));
        events.push(Box::pin(
            async move { (number, Event::Graph(send_batch(http, request.endpoints, &token.secret, &question, now).await)) },
        ));
    }

    fn mint<'a>(
        &'a self,
        http: &'a Http,
        request: &'a LookRequest<'_>,
        client: ClientId,
        credential: &Arc<Credential>,
        resource: ResourceId,
        draft: &mut Draft,
    ) -> BoxFuture<'a, (CallNumber, Event)> {
        let LookRequest { endpoints, tenant, .. } = *request;
        let (credential, number) = (Arc::clone(credential), draft.begin_call(UpstreamKind::Token));
        Box::pin(async move {
            let jti = || TokenId::from_random(self.entropy.bytes());
            let token = TokenRequest { endpoints, tenant, client, resource };
            let (result, call) = token.send(http, &credential, self.clock.now(), jti).await;
            (number, Event::Token(resource, result, call))
        })
    }
}

/// The resources tokens are minted for: Graph, which is asked, and where the app verifies itself every resource whose roles are
/// evidence.
fn resources_of(request: &LookRequest<'_>) -> Vec<ResourceId> {
    let own = request.profile.expected.iter().filter(|expected| request.verifies_itself() && expected.requires_application());
    let resources: BTreeSet<_> = own.map(|expected| expected.resource).chain([ResourceId::GRAPH]).collect();
    resources.into_iter().collect()
}

fn question(request: &LookRequest<'_>, token: &AccessToken) -> Question {
    // Graph's own object id also names what nobody expected of it. Each once: a batch with two parts of one id is refused.
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
