//! What a permission lets an app do, in words that need no knowledge of Graph.

use super::text::{PERMISSIONS, PageText};
use crate::consent::ids::ResourceId;
use crate::consent::permission_table::PermissionKind;

/// What a permission lets an app do, in words that need no knowledge of Graph. `None`: use Microsoft's line.
///
/// The words are ours, not Microsoft's. They cover the permissions that apps of service providers and mail clients request most.
pub(crate) fn permission_words(resource: ResourceId, kind: PermissionKind, value: &str) -> Option<PageText<'static>> {
    let own = match resource {
        ResourceId::GRAPH => "graph",
        ResourceId::EXCHANGE_ONLINE => "exchange",
        _ => return None,
    };
    let key = [own, "mailbox"].into_iter().map(|of| key(of, kind, value)).find(|key| PERMISSIONS.has(key));
    key.map(|key| PERMISSIONS.text(key))
}

fn key(of: &str, kind: PermissionKind, value: &str) -> String {
    format!("{of}-{}-{}", kind.name(), value.to_ascii_lowercase().replace(['.', '_'], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::permission_table;

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
        let keys = crate::texts::tests::keys("en/permissions");
        for (key, sentence) in &keys {
            assert!(known.contains(key), "{key}");
            assert!(sentence.ends_with('.') && sentence.is_ascii(), "{sentence}");
        }
        assert_eq!(keys.len(), 113);
    }

    #[test]
    fn a_permission_of_a_resource_we_do_not_know_has_no_words_of_ours() {
        use PermissionKind::{Application, Delegated};
        let words = |resource, kind, value| permission_words(resource, kind, value).map(|words| words.plain_alone());
        let (graph, exchange) = (ResourceId::GRAPH, ResourceId::EXCHANGE_ONLINE);
        assert_eq!(words(ResourceId::from_u128(7), Application, "Mail.Read"), None);
        assert_eq!(words(graph, Application, "Calendars.Read.All"), None);
        assert_eq!(words(graph, Application, "EAS.AccessAsUser.All"), None);
        let read = words(exchange, Application, "mail.read");
        assert_eq!(read, words(graph, Application, "Mail.Read"));
        assert_ne!(read, words(graph, Delegated, "Mail.Read"));
        assert!(read.is_some());
    }
}
