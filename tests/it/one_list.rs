//! If one answer of Microsoft implies a permission, no other answer can deny it: no permission is in two lists of one record.

use std::collections::{BTreeMap, BTreeSet};

use entra_consent::consent::cloud::Cloud;
use entra_consent::consent::finding::{Finding, GrantedPermission, PermissionRef, ServicePrincipal, Visible};
use entra_consent::consent::permission_table::{self, PermissionKind};
use entra_consent::consent::profile::{AppProfile, ExpectedPermission, ExpectedResource, Need, VerifiedBy, VerifyIn, Wording};
use entra_consent::consent::{ClientId, DisplayText, PermissionId, ProfileId, ResourceId};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const OWN: [ResourceId; 2] = [ResourceId::from_u128(0xa), ResourceId::from_u128(0xb)];
const RESOURCES: [ResourceId; 4] = [ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE, OWN[0], OWN[1]];
/// Names that a resource may have in the configuration, or show in a tenant.
const NAMES: [&str; 3] = ["Microsoft Graph", "Office 365 Exchange Online", "Northwind API"];
const VALUES: [&str; 5] = ["Mail.Read", "Mail.Send", "User.Read", "openid", "Own.Read"];

fn kind() -> impl Strategy<Value = PermissionKind> {
    select(vec![PermissionKind::Application, PermissionKind::Delegated])
}

/// An id from Microsoft's table, or one of the operator's.
fn id() -> impl Strategy<Value = PermissionId> {
    let known = |(resource, kind, value)| permission_table::by_value(resource, kind, value).map(|known| known.id);
    prop_oneof![
        (select(RESOURCES.as_slice()), kind(), select(VALUES.as_slice()))
            .prop_map(move |of| known(of).unwrap_or(PermissionId::from_u128(7))),
        (1_u128..4).prop_map(PermissionId::from_u128),
    ]
}

/// Permissions by kind (whether it is an application permission) and value.
type ExpectedValues = BTreeMap<(bool, &'static str), (Need, Option<PermissionId>)>;

fn expected_resource() -> impl Strategy<Value = (&'static str, ExpectedValues)> {
    let need = select(vec![Need::Required, Need::Optional, Need::Forbidden]);
    (select(NAMES.as_slice()), btree_map((any::<bool>(), select(VALUES.as_slice())), (need, option::of(id())), 0..5))
}

fn profile() -> impl Strategy<Value = AppProfile> {
    btree_map(select(RESOURCES.as_slice()), expected_resource(), 0..4).prop_map(|resources| {
        let resource = |(resource, (name, permissions)): (ResourceId, (&str, BTreeMap<_, _>))| ExpectedResource {
            resource,
            name: permission_table::resource_name(resource).unwrap_or(name).into(),
            permissions: permissions
                .into_iter()
                .map(|((application, value), (need, own))| {
                    let kind = if application { PermissionKind::Application } else { PermissionKind::Delegated };
                    let known = permission_table::by_value(resource, kind, value).map(|known| known.id);
                    ExpectedPermission { kind, value: value.into(), id: known.or(own), need }
                })
                .collect(),
        };
        AppProfile {
            id: ProfileId::parse("mail").unwrap(),
            client_id: ClientId::from_u128(1),
            name: "Mail".into(),
            cloud: Cloud::Global,
            verified_by: VerifiedBy::Itself,
            verify_in: VerifyIn::Callback,
            expected: resources.into_iter().map(resource).collect(),
            wording: Wording::default(),
        }
    })
}

fn visible<T: std::fmt::Debug + Clone + 'static>(some: impl Strategy<Value = T> + 'static) -> impl Strategy<Value = Visible<T>> {
    let some = some.boxed();
    prop_oneof![
        some.clone().prop_map(Visible::Seen),
        some.prop_map(Visible::Partly),
        Just(Visible::Absent),
        Just(Visible::NotVisible),
        Just(Visible::Unanswered),
        Just(Visible::NotAsked),
    ]
}

fn granted(kind: PermissionKind) -> impl Strategy<Value = Vec<GrantedPermission>> {
    let text = |text: &str| DisplayText::from_untrusted(text).unwrap();
    let permission = match kind {
        PermissionKind::Application => id().prop_map(PermissionRef::Id).boxed(),
        PermissionKind::Delegated => select(VALUES.as_slice()).prop_map(move |value| PermissionRef::Value(text(value))).boxed(),
    };
    let one = (option::of(select(RESOURCES.as_slice())), option::of(select(NAMES.as_slice())), permission);
    vec(
        one.prop_map(move |(resource, name, permission)| GrantedPermission { resource, resource_name: name.map(text), permission, kind }),
        0..6,
    )
}

prop_compose! {
    fn finding()(
        enabled in visible(option::of(any::<bool>())),
        application in visible(granted(PermissionKind::Application)),
        delegated in visible(granted(PermissionKind::Delegated)),
        unresolved_resource in btree_map(select(RESOURCES.as_slice()), select(vec![Visible::Absent, Visible::NotVisible, Visible::Unanswered]), 0..4),
        fresh_roles in btree_map(select(RESOURCES.as_slice()), btree_set(select(VALUES.as_slice()).prop_map(Box::from), 0..4), 0..3),
    ) -> Finding {
        let service_principal = enabled.map(|enabled| ServicePrincipal { enabled });
        Finding { service_principal, application, delegated, unresolved_resource, fresh_roles, ..Finding::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn no_permission_is_in_two_lists(profile in profile(), finding in finding()) {
        let difference = finding.assess(&profile).difference;
        let mut all = BTreeSet::new();
        for list in [&difference.missing, &difference.unseen, &difference.optional_absent, &difference.unexpected, &difference.forbidden] {
            let names: BTreeSet<_> = list.iter().map(|permission| permission.to_string().to_lowercase()).collect();
            for name in names {
                prop_assert!(all.insert(name.clone()), "{name} is in two lists: {difference:#?}");
            }
        }
    }
}
