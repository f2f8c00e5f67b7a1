//! Renders a text of the catalogue as a part of a page.
//!
//! ```text
//! who = { $operator } asks for { $place }.
//! ```
//! `PAGES.text("who").with("place", html! { code { (place) } }).fill(names)`: a name, a number or a markup takes the place of an argument.
//! Names and numbers are escaped and isolated by `<bdi>`; a markup is inserted as it is. So links and emphasis are built by the page, and
//! the text says where they belong.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentValue};
use maud::{Escaper, Markup, PreEscaped, Render};

use crate::consent::ResourceId;
use crate::texts::Catalogue;

/// The frame of every page, the parts of result pages, and the notices.
pub(in crate::web) static PAGES: Catalogue = Catalogue::of_page("en", include_str!("../../../locales/en/pages.ftl"));
/// The pages of an invitation: the invitation itself, the watch page and the report of a chain.
pub(in crate::web) static INVITATION: Catalogue = Catalogue::of_page("en", include_str!("../../../locales/en/invitation.ftl"));
/// The letter that a reader passes on.
pub(in crate::web) static LETTERS: Catalogue = Catalogue::of_page("en", include_str!("../../../locales/en/letters.ftl"));
/// The words for each outcome.
pub(in crate::web) static OUTCOMES: Catalogue = Catalogue::of_page("en", include_str!("../../../locales/en/outcomes.ftl"));
/// What permissions let an app do.
pub(in crate::web) static PERMISSIONS: Catalogue = Catalogue::of_page("en", include_str!("../../../locales/en/permissions.ftl"));
/// What Microsoft's codes mean, and what to do next.
pub(in crate::web) static CODES: Catalogue = Catalogue::of_page("en", include_str!("../../../locales/en/codes.ftl"));

/// The arguments that every text of a page gets, under the names of the fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The operator's name.
    pub(crate) operator: &'a str,
    /// How to reach the operator, in words.
    pub(crate) support: &'a str,
    /// The app's name as people know it; "the app" if it is unknown.
    pub(crate) app: Option<&'a str>,
    /// The resource that an app needs and the tenant lacks, or has switched off.
    pub(crate) resource: Option<&'a str>,
    /// `resource-id`: the application id of that resource.
    pub(crate) resource_id: Option<ResourceId>,
}

/// The value of an argument.
#[derive(Debug, Clone)]
pub(in crate::web) enum Argument<'a> {
    Name(Cow<'a, str>),
    Number(u64),
    Markup(Markup),
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for Argument<'_> {
    fn from(name: String) -> Self {
        Self::Name(name.into())
    }
}

impl From<u64> for Argument<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Argument<'_> {
    fn from(number: usize) -> Self {
        Self::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<Markup> for Argument<'_> {
    fn from(markup: Markup) -> Self {
        Self::Markup(markup)
    }
}

/// A text of a page, with the arguments of its own.
#[derive(Clone)]
pub(crate) struct PageText<'a> {
    catalogue: &'static Catalogue,
    key: Cow<'static, str>,
    arguments: Vec<(&'static str, Argument<'a>)>,
}

impl Catalogue {
    pub(in crate::web) fn text<'a>(&'static self, key: impl Into<Cow<'static, str>>) -> PageText<'a> {
        PageText { catalogue: self, key: key.into(), arguments: Vec::new() }
    }
}

const ISOLATE: char = '\u{2068}';
const END_OF_ISOLATE: char = '\u{2069}';
/// Noncharacters that hold the place of a markup while Fluent formats a text: the first markup, the second one, and so on.
const PLACES: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

fn is_mark(c: char) -> bool {
    matches!(c, ISOLATE | END_OF_ISOLATE) || PLACES.contains(&c)
}

/// Whether a text can contain a mark, by the first byte of each. Most texts are ASCII, and a page has dozens of them.
fn may_have_mark(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | matches!(byte, 0xe2 | 0xef))
}

/// Appends a text as a text node. Copies a text without special characters as a whole.
fn escape(out: &mut String, text: &str) {
    if text.bytes().fold(false, |found, byte| found | matches!(byte, b'<' | b'>' | b'&' | b'"')) {
        // Writing into a string cannot fail.
        let _ = Escaper::new(out).write_str(text);
    } else {
        out.push_str(text);
    }
}

fn value(name: &str) -> FluentValue<'_> {
    if name.contains(is_mark) { name.replace(is_mark, "\u{fffd}").into() } else { name.into() }
}

impl<'a> PageText<'a> {
    pub(in crate::web) fn with(mut self, name: &'static str, value: impl Into<Argument<'a>>) -> Self {
        self.arguments.push((name, value.into()));
        self
    }

    /// The text under `variant` of this key, if the catalogue has it.
    pub(in crate::web) fn variant(self, variant: &str) -> Self {
        let key = format!("{}-{variant}", self.key);
        if self.catalogue.has(&key) { Self { key: key.into(), ..self } } else { self }
    }

    fn formatted(&self, names: Option<Names<'_>>) -> Cow<'_, str> {
        self.catalogue.find(&self.key, || self.with_names(names)).unwrap_or_else(|| (*self.key).into())
    }

    fn with_names<'n>(&'n self, names: Option<Names<'n>>) -> FluentArgs<'n> {
        let mut arguments = FluentArgs::with_capacity(self.arguments.len() + 5);
        let mut places = PLACES;
        for (name, argument) in &self.arguments {
            arguments.set(
                *name,
                match argument {
                    Argument::Name(name) => value(name),
                    Argument::Number(number) => (*number).into(),
                    Argument::Markup(_) => places.next().map(String::from).unwrap_or_default().into(),
                },
            );
        }
        if let Some(names) = names {
            arguments.set("operator", value(names.operator));
            arguments.set("support", value(names.support));
            arguments.set("app", names.app.map_or_else(|| (&**THE_APP).into(), value));
            if let Some(resource) = names.resource {
                arguments.set("resource", value(resource));
                arguments.set("resource-id", names.resource_id.map_or_else(|| "ID".to_owned(), |id| id.to_string()));
            }
        }
        arguments
    }

    /// The text as a part of a page.
    pub(crate) fn fill(&self, names: Names<'_>) -> Markup {
        self.markup(Some(names))
    }

    /// The text without markup, for titles, addresses and programs.
    pub(crate) fn plain(&self, names: Names<'_>) -> String {
        without_marks(&self.formatted(Some(names)))
    }

    /// As [`Self::plain`], with the arguments of its own alone.
    pub(in crate::web) fn plain_alone(&self) -> String {
        without_marks(&self.formatted(None))
    }

    fn markup(&self, names: Option<Names<'_>>) -> Markup {
        let markups = self.arguments.iter().filter_map(|(_, argument)| match argument {
            Argument::Markup(markup) => Some(markup),
            Argument::Name(_) | Argument::Number(_) => None,
        });
        let text = self.formatted(names);
        let mut out = String::with_capacity(text.len());
        if !may_have_mark(&text) {
            escape(&mut out, &text);
            return PreEscaped(out);
        }
        for piece in text.split_inclusive(is_mark) {
            let mark = piece.chars().next_back().filter(|last| is_mark(*last));
            escape(&mut out, mark.map_or(piece, |mark| piece.trim_end_matches(mark)));
            match mark {
                Some(ISOLATE) => out.push_str("<bdi>"),
                Some(END_OF_ISOLATE) => out.push_str("</bdi>"),
                Some(place) => {
                    let at = PLACES.take_while(|one| *one != place).count();
                    out.push_str(markups.clone().nth(at).map_or("", |PreEscaped(markup)| markup));
                }
                None => {}
            }
        }
        PreEscaped(out)
    }
}

/// The name of an app that is unknown.
static THE_APP: LazyLock<String> = LazyLock::new(|| PAGES.text("the-app").plain_alone());

fn without_marks(text: &str) -> String {
    if may_have_mark(text) { text.replace(is_mark, "") } else { text.to_owned() }
}

/// A text without names.
impl Render for PageText<'_> {
    fn render(&self) -> Markup {
        self.markup(None)
    }
}
