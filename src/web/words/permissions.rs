//! What a permission lets an app do, in words that need no knowledge of Graph.

use crate::consent::ids::ResourceId;
use crate::consent::permission_table::PermissionKind;
use crate::sentences::Sentences;

static SENTENCES: Sentences = Sentences::of(include_str!("permissions.ftl"));

/// How apps use permissions of a kind, as the heading of a list.
pub(crate) fn exercised(kind: PermissionKind) -> &'static str {
    match kind {
        PermissionKind::Application => "By itself, with nobody signed in",
        PermissionKind::Delegated => "For whoever is signed in to it, and no further than that person may go",
    }
}

/// What a permission lets an app do, in words that need no knowledge of Graph. `None`: use Microsoft's line.
///
/// The words are ours, not Microsoft's. They cover the permissions that apps of service providers and mail clients request most.
pub(crate) fn permission_words(resource: ResourceId, kind: PermissionKind, value: &str) -> Option<&'static str> {
    let own = match resource {
        ResourceId::GRAPH => "graph",
        ResourceId::EXCHANGE_ONLINE => "exchange",
        _ => return None,
    };
    [own, "mailbox"].into_iter().find_map(|of| SENTENCES.get(&key(of, kind, value)))
}

fn key(of: &str, kind: PermissionKind, value: &str) -> String {
    format!("{of}-{}-{}", kind.name(), value.to_ascii_lowercase().replace(['.', '_'], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::permission_table;
    use crate::sentences::tests::checked_keys;

    #[test]
    fn every_permission_that_has_words_is_one_that_microsoft_publishes() {
        let mut known = std::collections::BTreeSet::new();
        for (of, resource) in [("graph", ResourceId::GRAPH), ("exchange", ResourceId::EXCHANGE_ONLINE)] {
            for kind in [PermissionKind::Application, PermissionKind::Delegated] {
                let values = include_str!("../../consent/permission_table.tsv").lines().filter_map(|line| line.split('\t').nth(1));
                for value in values.filter(|value| permission_table::by_value(resource, kind, value).is_some()) {
                    known.extend([key(of, kind, value), key("mailbox", kind, value)]);
                }
            }
        }
        for (key, sentence) in SENTENCES.by_key() {
            assert!(known.contains(*key), "{key}");
            assert!(sentence.ends_with('.') && sentence.is_ascii(), "{sentence}");
        }
        assert_eq!(checked_keys(&SENTENCES).len(), 113);
    }

    #[test]
    fn a_permission_of_a_resource_we_do_not_know_has_no_words_of_ours() {
        use PermissionKind::{Application, Delegated};
        let other = ResourceId::from_u128(7);
        assert_eq!(permission_words(other, Application, "Mail.Read"), None);
        assert_eq!(permission_words(ResourceId::GRAPH, Application, "Calendars.Read.All"), None);
        assert_eq!(permission_words(ResourceId::GRAPH, Application, "EAS.AccessAsUser.All"), None);
        let read = permission_words(ResourceId::EXCHANGE_ONLINE, Application, "mail.read");
        assert_eq!(read, permission_words(ResourceId::GRAPH, Application, "Mail.Read"));
        assert_ne!(read, permission_words(ResourceId::GRAPH, Delegated, "Mail.Read"));
        assert!(read.is_some());
    }
}
