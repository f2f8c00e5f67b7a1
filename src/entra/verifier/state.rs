//! The results of one check so far, and the finding that follows. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::{Check, CheckRequest};
use crate::consent::finding::{Obstacle, ServicePrincipal, Visible};
use crate::consent::permissions::Difference;
use crate::consent::profile::{ExpectedPermission, ExpectedResource, PermissionKind};
use crate::consent::{AppProfile, Finding, ResourceId, Verdict};
use crate::entra::graph::{GraphState, Part, Reply};
use crate::entra::http::{UpstreamCall, UpstreamKind};
use crate::entra::token::{AccessToken, Refused, TokenRefusal};
use crate::env::millis;

/// Further pages, and the token for requesting them.
type NextPages = (Arc<AccessToken>, Vec<(Part, Url)>);

#[derive(Default)]
pub(super) struct VerificationState {
    fault: Option<Obstacle>,
    roles: BTreeMap<ResourceId, BTreeSet<Box<str>>>,
    refusals: BTreeMap<ResourceId, TokenRefusal>,
    /// Microsoft first issued a token with roles, and then refused another token because the app is absent.
    recanted: bool,
    minted: Option<Arc<AccessToken>>,
    graph: Option<(GraphState, Arc<AccessToken>)>,
    waits: Option<Duration>,
    under_way: BTreeMap<CallNumber, (UpstreamKind, Instant)>,
    calls: usize,
    upstream: Vec<UpstreamCall>,
    timed_out: bool,
}

/// The index of a call within its check.
pub(super) type CallNumber = usize;

impl VerificationState {
    /// Records a fault on our side that kept us from sending a call.
    pub(super) fn fault(&mut self, obstacle: Obstacle) {
        self.fault = Some(obstacle);
    }

    /// Records that we send a call.
    pub(super) fn begin_call(&mut self, kind: UpstreamKind) -> CallNumber {
        self.calls += 1;
        self.under_way.insert(self.calls, (kind, Instant::now()));
        self.calls
    }

    /// Records how a call ended; `None` if we did not send it.
    pub(super) fn end_call(&mut self, number: CallNumber, call: Option<UpstreamCall>) {
        self.under_way.remove(&number);
        self.upstream.extend(call);
    }

    /// Records that the time is up: calls in progress end without an answer.
    pub(super) fn time_out(&mut self) {
        self.timed_out = true;
        let cut = std::mem::take(&mut self.under_way).into_values();
        self.upstream.extend(cut.map(|(kind, began)| UpstreamCall { kind, status: None, millis: millis(began.elapsed()) }));
    }

    /// Records the answer of the token endpoint. Another app's roles, such as the verifier's, do not count. For each resource, only the
    /// last answer counts: a later refusal cancels the roles of an earlier token.
    pub(super) fn take_token(
        &mut self,
        request: &CheckRequest<'_>,
        resource: ResourceId,
        result: Result<AccessToken, TokenRefusal>,
    ) -> Option<Arc<AccessToken>> {
        match result {
            Ok(token) => {
                self.refusals.remove(&resource);
                if let Some(claims) = token.claims.as_ref().filter(|_| request.verifies_itself()) {
                    self.roles.insert(resource, claims.roles.clone());
                }
                let token = Arc::new(token);
                if resource == ResourceId::GRAPH {
                    self.minted = Some(Arc::clone(&token));
                }
                Some(token)
            }
            Err(refusal) => {
                self.waits = self.waits.max(refusal.retry_after);
                let had_roles = self.roles.remove(&resource).is_some_and(|roles| !roles.is_empty());
                self.recanted |= had_roles && is_not_granted(&refusal);
                self.refusals.insert(resource, refusal);
                None
            }
        }
    }

    /// Starts the Graph calls of a token, and drops the answers to an earlier token.
    pub(super) fn begin(&mut self, sights: GraphState, token: Arc<AccessToken>) {
        self.graph = Some((sights, token));
    }

    /// Records an answer of Graph, and returns the pages to request next.
    pub(super) fn take_reply(&mut self, request: &CheckRequest<'_>, reply: Reply) -> Option<NextPages> {
        let (sights, token) = self.graph.as_mut()?;
        sights.take(reply);
        self.waits = self.waits.max(sights.retry_after());
        Some((Arc::clone(token), sights.next_pages(request.endpoints)))
    }
}

impl VerificationState {
    /// The resources whose token requests failed because of our credential. Another version of the credential may succeed.
    pub(super) fn refused_credential(&self) -> Vec<ResourceId> {
        self.refusals.iter().filter(|(_, refusal)| refusal.wants_another_credential()).map(|(resource, _)| *resource).collect()
    }

    /// Whether a resource's last answer was a refusal, for any reason.
    pub(super) fn is_refused(&self, resource: ResourceId) -> bool {
        self.refusals.contains_key(&resource)
    }

    fn is_of_another_tenant(&self) -> bool {
        self.graph.as_ref().is_some_and(|(sights, _)| sights.is_of_another_tenant())
    }

    fn is_unauthorized(&self) -> bool {
        self.graph.as_ref().is_some_and(|(sights, _)| sights.unauthorized().is_some())
    }

    /// Whether Graph rejected the last token. A new token may succeed.
    pub(super) fn wants_another_token(&self) -> bool {
        self.is_unauthorized() && !self.refusals.contains_key(&ResourceId::GRAPH)
    }

    /// Whether Graph said that it does not know the calling app in this tenant.
    pub(super) fn is_of_unknown_caller(&self) -> bool {
        self.graph.as_ref().and_then(|(sights, _)| sights.unauthorized()).is_some_and(|unauthorized| unauthorized.unknown_caller)
    }

    /// Whether every part that the profile requires has an answer and is visible to us.
    pub(super) fn is_settled(&self, request: &CheckRequest<'_>) -> bool {
        !self.is_unauthorized() && is_settled(request.profile, &self.seen())
    }

    /// Whether the token of the Graph calls left a part unanswered or invisible. Another token may show that part.
    pub(super) fn token_is_poor(&self, request: &CheckRequest<'_>) -> bool {
        self.is_unauthorized() || self.is_of_another_tenant() || !Difference::between(request.profile, &self.seen()).unseen.is_empty()
    }

    /// The token of this check, if later checks may call Graph with it. Graph must have shown every required part to this token. The token
    /// must also contain every role that the profile requires of Graph: a token that was minted too early has no roles for its whole life.
    pub(super) fn token_worth_keeping(&self, request: &CheckRequest<'_>) -> Option<Arc<AccessToken>> {
        let minted = self.minted.as_ref()?;
        let (sights, token) = self.graph.as_ref()?;
        let by_graph_alone = Finding { fresh_roles: BTreeMap::new(), ..self.seen() };
        let carries = sights.unauthorized().is_none() && is_settled(request.profile, &by_graph_alone);
        let of_graph = request.profile.on(ResourceId::GRAPH).filter(|_| request.verifies_itself());
        let complete = of_graph.is_none_or(|expected| required_roles(expected).all(|role| has_role(minted, role)));
        (Arc::ptr_eq(minted, token) && carries && complete).then(|| Arc::clone(minted))
    }

    /// Turns the state into the result of the check.
    pub(super) fn conclude(self, request: &CheckRequest<'_>, at: OffsetDateTime) -> Check {
        let mut finding = self.seen();
        let stopped = self.stopped(request, &finding);
        let refusal = stopped.as_ref().and_then(|(_, refusal)| *refusal);
        if let Some((obstacle, refusal)) = &stopped {
            finding.code = refusal.and_then(|refusal| refusal.code);
            match obstacle {
                Obstacle::NotGranted => {
                    // The lists belong to another token. They count only as a sign that the app is absent.
                    finding.service_principal = Visible::Absent;
                    finding.application = Visible::NotAsked;
                    finding.delegated = Visible::NotAsked;
                }
                Obstacle::Disabled => finding.service_principal = Visible::Seen(ServicePrincipal { enabled: Some(false) }),
                _ => {}
            }
            finding.obstacle = Some(*obstacle);
        }
        let was_asked = !self.upstream.is_empty();
        if was_asked && finding.obstacle == Some(Obstacle::NoAnswer) && matches!(finding.service_principal, Visible::NotAsked) {
            finding.service_principal = Visible::Unanswered;
        }
        if self.is_contradicted(request) {
            finding.fresh_roles.clear();
            finding.service_principal = Visible::Unanswered;
        }
        Check {
            finding: Arc::new(finding),
            at,
            fresh: true,
            retry_after: self.waits,
            trace_id: refusal.and_then(|refusal| refusal.trace_id),
            correlation_id: refusal.and_then(|refusal| refusal.correlation_id),
            upstream: self.upstream,
        }
    }

    /// The results so far. [`Self::stopped`] gives the reason if a part is missing.
    fn seen(&self) -> Finding {
        let mut finding = Finding::default();
        // Graph answered about another tenant, so perhaps no answer of this check concerns ours.
        if self.is_of_another_tenant() {
            return finding;
        }
        if let Some((sights, _)) = &self.graph {
            sights.write(&mut finding);
            // Microsoft issues tokens only for resources that exist, and Graph accepted its own token. So a 404 for such a resource is
            // replication lag.
            for resource in self.roles.keys().chain([&ResourceId::GRAPH]).filter(|resource| sights.did_not_find(**resource)) {
                finding.unresolved_resource.insert(*resource, Visible::Unanswered);
            }
        }
        // Roles prove that the service principal exists, even if Graph's replica lags.
        let by_roles = self.has_roles() && finding.service_principal.seen().is_none();
        // If Graph refuses or does not answer, the app's own token proves that the service principal exists and is enabled: Microsoft
        // issues no token if it is missing or disabled (protocol reference §3.6).
        let untold = match finding.service_principal {
            Visible::NotVisible => true,
            Visible::Unanswered => !self.is_unauthorized(),
            Visible::Seen(_) | Visible::Partly(_) | Visible::Absent | Visible::NotAsked => false,
        };
        let by_token = !self.roles.is_empty() && untold;
        if by_roles || by_token {
            finding.service_principal = Visible::Seen(ServicePrincipal { enabled: None });
            // A 404 for a list comes from a replica that lags behind the token.
            for list in [&mut finding.application, &mut finding.delegated] {
                if *list == Visible::Absent {
                    *list = Visible::Unanswered;
                }
            }
        }
        finding.fresh_roles.clone_from(&self.roles);
        finding
    }

    fn has_roles(&self) -> bool {
        self.roles.values().any(|roles| !roles.is_empty())
    }

    /// The obstacle that ended the check early, and the refusal behind it. A complete result has none.
    fn stopped(&self, request: &CheckRequest<'_>, finding: &Finding) -> Option<(Obstacle, Option<&TokenRefusal>)> {
        if let Some(obstacle) = self.fault {
            return Some((obstacle, None));
        }
        if let Some(refusal) = self.refusals.get(&ResourceId::GRAPH) {
            return Some((self.obstacle(request, ResourceId::GRAPH, refusal), Some(refusal)));
        }
        if self.is_of_another_tenant() {
            return Some((Obstacle::NoAnswer, None));
        }
        // Microsoft refuses a disabled app for every resource alike, so such a refusal overrides every other result.
        let is_disabled = |refusal: &&TokenRefusal| refusal.refused == Refused::Meaning(Obstacle::Disabled);
        if let Some(refusal) = self.refusals.values().find(is_disabled) {
            return Some((self.obstacle(request, ResourceId::GRAPH, refusal), Some(refusal)));
        }
        if matches!(finding.assess(request.profile).verdict, Verdict::AllRequired | Verdict::Excess) {
            return None;
        }
        let (refused, unauthorized) = self.graph.as_ref().map_or((false, None), |(sights, _)| (sights.refused(), sights.unauthorized()));
        if refused {
            return Some((Obstacle::OperatorFault, None));
        }
        if unauthorized.is_some_and(|unauthorized| unauthorized.unknown_caller) {
            return Some((self.not_granted(request), None));
        }
        let others = request.profile.expected.iter().filter_map(|expected| Some((expected, self.refusals.get(&expected.resource)?)));
        let open = others.filter_map(|(expected, refusal)| self.left_open_by(request, expected, refusal, finding)).next();
        open.or_else(|| self.timed_out.then_some((Obstacle::NoAnswer, None)))
    }

    /// The obstacle that follows from a refused token for one resource, unless another source shows the roles.
    fn left_open_by<'a>(
        &self,
        request: &CheckRequest<'_>,
        expected: &ExpectedResource,
        refusal: &'a TokenRefusal,
        finding: &Finding,
    ) -> Option<(Obstacle, Option<&'a TokenRefusal>)> {
        let is_role = |permission: &&ExpectedPermission| permission.kind == PermissionKind::Application;
        let wanted = expected.required().filter(is_role).cloned().collect();
        let only = vec![ExpectedResource { permissions: wanted, ..expected.clone() }];
        let difference = Difference::between(&AppProfile { expected: only, ..request.profile.clone() }, finding);
        let is_open = !difference.unseen.is_empty() || difference.unanswered > 0;
        match self.obstacle(request, expected.resource, refusal) {
            // Microsoft issued Graph's token, so the service principal exists. This is replication lag, or a resource without a grant.
            Obstacle::NotGranted => is_open.then_some((Obstacle::NoAnswer, Some(refusal))),
            // Graph lists entries of a resource that the token endpoint calls missing: one of the two answers lags.
            Obstacle::ResourceMissing(_) if is_open && finding.unresolved_resource.get(&expected.resource) == Some(&Visible::Absent) => {
                Some((Obstacle::NoAnswer, Some(refusal)))
            }
            obstacle @ (Obstacle::ResourceMissing(_) | Obstacle::ResourceDisabled(_)) => {
                (is_open || !difference.missing.is_empty()).then_some((obstacle, Some(refusal)))
            }
            obstacle => is_open.then_some((obstacle, Some(refusal))),
        }
    }

    fn obstacle(&self, request: &CheckRequest<'_>, resource: ResourceId, refusal: &TokenRefusal) -> Obstacle {
        match refusal.refused {
            Refused::Meaning(Obstacle::NotGranted) => self.not_granted(request),
            Refused::Meaning(Obstacle::Disabled) if !request.verifies_itself() => Obstacle::VerifierNotGranted,
            Refused::Meaning(Obstacle::StaleCredential) | Refused::CannotSign => Obstacle::OwnCredential,
            Refused::Meaning(Obstacle::ResourceMissing(_)) => Obstacle::ResourceMissing(Some(resource)),
            Refused::Meaning(Obstacle::ResourceDisabled(_)) => Obstacle::ResourceDisabled(Some(resource)),
            Refused::Meaning(obstacle) if !obstacle.passes() => obstacle,
            Refused::Meaning(_) | Refused::NoAnswer(_) => Obstacle::NoAnswer,
        }
    }

    /// The obstacle if the calling app is not in the tenant. Roles in the same check contradict that: one of the two replicas lags, so the
    /// check has no answer.
    fn not_granted(&self, request: &CheckRequest<'_>) -> Obstacle {
        if !request.verifies_itself() {
            Obstacle::VerifierNotGranted
        } else if self.has_roles() || self.recanted {
            Obstacle::NoAnswer
        } else {
            Obstacle::NotGranted
        }
    }

    /// Whether one check got both roles and an answer that the app is absent. One of two replicas lags, so we believe neither.
    fn is_contradicted(&self, request: &CheckRequest<'_>) -> bool {
        let not_there = self.refusals.get(&ResourceId::GRAPH).is_some_and(is_not_granted);
        request.verifies_itself() && (self.recanted || (not_there && self.has_roles()))
    }
}

fn is_settled(profile: &AppProfile, finding: &Finding) -> bool {
    let difference = Difference::between(profile, finding);
    let principal_told = matches!(finding.service_principal, Visible::Seen(_) | Visible::Absent);
    principal_told && difference.unseen.is_empty() && difference.unanswered == 0 && difference.unjudged_excess == 0
}

fn is_not_granted(refusal: &TokenRefusal) -> bool {
    refusal.refused == Refused::Meaning(Obstacle::NotGranted)
}

fn required_roles(expected: &ExpectedResource) -> impl Iterator<Item = &str> {
    expected.required().filter(|permission| permission.kind == PermissionKind::Application).map(|permission| &*permission.value)
}

fn has_role(token: &AccessToken, wanted: &str) -> bool {
    token.claims.as_ref().is_some_and(|claims| claims.roles.iter().any(|role| role.eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests;
