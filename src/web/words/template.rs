//! Our texts, with placeholders for names from other people.

use std::borrow::Cow;

use maud::{Markup, Render, html};

use crate::consent::ResourceId;

/// The values of the placeholders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// `{operator}`: the operator's name.
    pub(crate) operator: &'a str,
    /// `{support}`: how to reach the operator, in words.
    pub(crate) support: &'a str,
    /// `{app}`: the app's name as people know it; "the app" if it is unknown.
    pub(crate) app: Option<&'a str>,
    /// `{resource}`: the resource that an app needs and the tenant lacks; "a service" if it is unknown.
    pub(crate) resource: Option<&'a str>,
    /// `{resource_id}`: the application id of that resource.
    pub(crate) resource_id: Option<ResourceId>,
    /// `{progress}`: how many apps of a chain are approved, such as "1 of 3".
    pub(crate) progress: Option<&'a str>,
}

/// A text with placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Template(pub(crate) &'static str);

enum TemplatePart<'a> {
    Ours(Cow<'a, str>),
    Name(&'a str),
}

impl Template {
    fn parts<'a>(self, names: Names<'a>) -> Vec<TemplatePart<'a>> {
        let mut parts = Vec::new();
        let mut rest = self.0;
        while let Some((before, (name, after))) = rest.split_once('{').and_then(|(before, from)| Some((before, from.split_once('}')?))) {
            parts.push(TemplatePart::Ours(before.into()));
            parts.push(match name {
                "operator" => TemplatePart::Name(names.operator),
                "support" => TemplatePart::Name(names.support),
                "app" => names.app.map_or(TemplatePart::Ours("the app".into()), TemplatePart::Name),
                "resource" => names.resource.map_or(TemplatePart::Ours("a service".into()), TemplatePart::Name),
                "resource_id" => TemplatePart::Ours(names.resource_id.map_or_else(|| "ID".into(), |id| id.to_string().into())),
                "progress" => TemplatePart::Ours(names.progress.unwrap_or("some").into()),
                other => TemplatePart::Ours(other.into()),
            });
            rest = after;
        }
        parts.push(TemplatePart::Ours(rest.into()));
        parts
    }

    /// Fills in the names and returns HTML. Each name is its own text node, isolated from the direction of the text around it.
    pub(crate) fn fill<'a>(self, names: Names<'a>) -> impl Render + use<'a> {
        Filled(self.parts(names))
    }

    /// Fills in the names and returns plain text.
    pub(crate) fn plain(self, names: Names<'_>) -> String {
        self.parts(names).iter().map(TemplatePart::text).collect()
    }
}

impl TemplatePart<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Ours(text) => text,
            Self::Name(text) => text,
        }
    }
}

struct Filled<'a>(Vec<TemplatePart<'a>>);

impl Render for Filled<'_> {
    fn render(&self) -> Markup {
        html! {
            @for part in &self.0 {
                @match part {
                    TemplatePart::Ours(text) => (text),
                    TemplatePart::Name(name) => bdi { (name) },
                }
            }
        }
    }
}
