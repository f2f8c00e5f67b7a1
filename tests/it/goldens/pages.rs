//! Splits a page or its JSON counterpart into the structure for programs and buttons, and the words for people.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scraper::node::Element;
use scraper::{ElementRef, Html, Node, Selector};
use serde_json::{Map, Value, json};

/// JSON fields that contain a sentence.
const SENTENCES: [&str; 7] = ["title", "sentence", "next_step", "hint", "meaning", "for_operator", "summary"];

/// Elements that start a new line.
const BLOCKS: [&str; 26] = [
    "title", "header", "main", "footer", "section", "article", "nav", "div", "p", "h1", "h2", "h3", "ul", "ol", "li", "dl", "dt", "dd",
    "details", "summary", "form", "button", "label", "table", "tr", "td",
];

/// An address. If it has parameters, it becomes an object of its decoded parts.
pub(super) fn address(text: &str) -> Value {
    let Some((place, query)) = text.split_once('?').filter(|(_, query)| query.contains('&')) else { return json!(text) };
    let parameters = url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| format!("{name}={value}"));
    std::iter::once(place.to_owned()).chain(parameters).collect()
}

fn all<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn attributes(element: &Element) -> Map<String, Value> {
    let pair = |(name, value): (&str, &str)| {
        let value = if matches!(name, "href" | "action") { address(value) } else { json!(value) };
        (name.to_owned(), value)
    };
    element.attrs().map(pair).collect()
}

/// The parts of a page besides text: language, the data attributes of `<main>`, links, forms, and every other element with data.
pub(super) fn structure(page: &str) -> Value {
    let html = Html::parse_document(page);
    let main = all(&html, "main").first().map(|main| attributes(main.value()));
    let links: Vec<_> = all(&html, "a").iter().map(|link| attributes(link.value())).collect();
    let forms: Vec<_> = all(&html, "form")
        .iter()
        .map(|form| {
            let fields = Selector::parse("input, button, select, textarea").unwrap();
            let fields: Vec<_> = form
                .select(&fields)
                .map(|field| {
                    let mut shown = attributes(field.value());
                    shown.insert("element".into(), field.value().name().into());
                    shown
                })
                .collect();
            json!({ "form": attributes(form.value()), "fields": fields })
        })
        .collect();
    let data: Vec<_> = all(&html, "body *")
        .iter()
        .filter(|element| element.value().name() != "main")
        .filter(|element| element.value().attrs().any(|(name, _)| name.starts_with("data-") || name == "datetime" || name == "id"))
        .map(|element| {
            let shown = element.value().attrs().filter(|(name, _)| name.starts_with("data-") || matches!(*name, "datetime" | "id"));
            let shown: Vec<_> = shown.map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {}", element.value().name(), shown.join(" "))
        })
        .collect();
    let html_element = all(&html, "html")[0];
    let metas: Vec<_> = all(&html, "meta").iter().map(|meta| attributes(meta.value())).collect();
    let mut shown = json!({ "lang": html_element.attr("lang"), "main": main, "head": metas });
    for (name, found) in [("links", json!(links)), ("forms", json!(forms)), ("data", json!(data))] {
        if found.as_array().is_some_and(|found| !found.is_empty()) {
            shown[name] = found;
        }
    }
    shown
}

/// The hash that allows the page's style in the content security policy.
pub(super) fn style_hash(page: &str) -> Option<String> {
    let html = Html::parse_document(page);
    let style: String = all(&html, "style").first()?.text().collect();
    Some(format!("'sha256-{}'", STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()))))
}

/// The words of a page in reading order, one line for each block. Text that only screen readers get is in brackets.
pub(super) fn words(page: &str) -> String {
    let html = Html::parse_document(page);
    let mut lines = vec![String::new()];
    for part in ["title", "body"] {
        for element in all(&html, part) {
            read_aloud(element, &mut lines);
        }
    }
    let folded = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    folded.filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

fn read_aloud(element: ElementRef<'_>, lines: &mut Vec<String>) {
    let name = element.value().name();
    if matches!(name, "style" | "script") {
        return;
    }
    let is_block = BLOCKS.contains(&name);
    if is_block || name == "br" {
        lines.push(String::new());
    }
    for (attribute, value) in element.value().attrs() {
        if matches!(attribute, "aria-label" | "alt" | "title" | "placeholder") {
            lines.last_mut().unwrap().push_str(&format!("[{attribute}: {value}] "));
        }
    }
    for child in element.children() {
        match child.value() {
            Node::Text(text) => lines.last_mut().unwrap().push_str(text),
            Node::Element(_) => read_aloud(ElementRef::wrap(child).unwrap(), lines),
            _ => {}
        }
    }
    if is_block {
        lines.push(String::new());
    }
}

/// Removes the sentences from a JSON answer or message. Returns each sentence on a line of its own, with the path of its field.
pub(super) fn take_sentences(value: &mut Value) -> String {
    let mut sentences = String::new();
    take(value, "", &mut sentences);
    sentences
}

fn take(value: &mut Value, path: &str, sentences: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if SENTENCES.contains(&name.as_str()) => {
                        sentences.push_str(&format!("{path}{name}: {text}\n"));
                        *member = json!("<sentence>");
                    }
                    _ => take(member, &format!("{path}{name}."), sentences),
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                take(item, &format!("{path}{at}."), sentences);
            }
        }
        _ => {}
    }
}
