//! Reads the chains: several apps in one invitation.

use super::Chain;
use super::app_draft::{AppDraft, profile_id, refuse_unknown_app, with_id};
use super::reader::{At, Item, Reader, Section};
use crate::consent::ProfileId;

pub(super) const CHAIN_KEYS: &[&str] = &["id", "name", "steps", "optional"];

/// Reads the chains. `all_read` is false if an app could not be read: a step may then name that app, so a step with an unknown app is not
/// reported.
pub(super) fn chains<'t>(reader: &mut Reader<'t>, root: &Section<'t>, drafts: &[AppDraft], all_read: bool) -> Option<Vec<Chain>> {
    let Some(item) = root.get("chains") else { return Some(Vec::new()) };
    let items = reader.list(&item, "it is not a list of tables", "describe each chain in a table [[chains]]")?;
    let mut ids: Vec<(At, ProfileId)> = Vec::new();
    let chains: Vec<_> = items.iter().map(|item| chain(reader, item, drafts, all_read, &mut ids)).collect();
    chains.into_iter().collect()
}

fn chain<'t>(
    reader: &mut Reader<'t>,
    item: &Item<'t>,
    drafts: &[AppDraft],
    all_read: bool,
    ids: &mut Vec<(At, ProfileId)>,
) -> Option<Chain> {
    let chain = reader.section(item, CHAIN_KEYS)?;
    let id = id(reader, &chain, drafts, ids);
    let name = reader.required_text(&chain, "name", 80, "write what the apps are approved for, such as \"Mail on phones\"");
    let remedy = "list the ids of the apps in the order in which they are approved: [\"reader\", \"thunderbird\"]";
    let steps = reader.required(&chain, "steps", remedy)?;
    let steps = steps_of(reader, &steps, drafts, all_read)?;
    let optional = match chain.get("optional") {
        Some(item) => optional_of(reader, &item, &steps)?,
        None => Vec::new(),
    };
    Some(Chain { id: id?, name: name?.into(), steps, optional })
}

fn optional_of<'t>(reader: &mut Reader<'t>, item: &Item<'t>, steps: &[ProfileId]) -> Option<Vec<ProfileId>> {
    let elements = reader.list(item, "it is not a list", "write the ids of the optional steps in brackets: [\"thunderbird\"]")?;
    let mut optional = Vec::new();
    for element in elements {
        let id = profile_id(reader, &element)?;
        if !steps.contains(&id) {
            return reader.fail(&element.at, format!("\"{id}\" is no step of this chain"), "write the id of a step, or remove it");
        }
        optional.push(id);
    }
    if steps.iter().all(|step| optional.contains(step)) {
        return reader.fail(
            &item.at,
            "no step would be needed",
            "leave out at least one step: a chain without a needed step is never done",
        );
    }
    Some(optional)
}

fn id<'t>(reader: &mut Reader<'t>, chain: &Section<'t>, drafts: &[AppDraft], ids: &mut Vec<(At, ProfileId)>) -> Option<ProfileId> {
    let item = reader.required(chain, "id", "choose a short name for links and records, such as \"mail-on-phones\"")?;
    let id = profile_id(reader, &item)?;
    let of_apps = drafts.iter().filter_map(|draft| draft.id.as_ref());
    // Records and the command line use one id for both, so an id must be unique across apps and chains.
    if let Some((first, _)) = of_apps.chain(ids.iter()).find(|(_, other)| *other == id) {
        let remedy = "give each chain an id that no app and no other chain has";
        return reader.fail(&item.at, format!("{} has the id \"{id}\" too", first.key), remedy);
    }
    ids.push((item.at.clone(), id.clone()));
    Some(id)
}

fn steps_of<'t>(reader: &mut Reader<'t>, item: &Item<'t>, drafts: &[AppDraft], all_read: bool) -> Option<Vec<ProfileId>> {
    let elements = reader.list(item, "it is not a list", "write the ids of the apps in brackets: [\"reader\", \"thunderbird\"]")?;
    let most = Chain::MOST_STEPS;
    if !(2..=most).contains(&elements.len()) {
        let (what, remedy) = match elements.len() {
            0 | 1 => (format!("a chain has 2 to {most} steps"), "add a step, or make invitations for the one app itself"),
            more => (format!("it has {more} steps, and a chain has at most {most}"), "make two chains of it"),
        };
        return reader.fail(&item.at, what, remedy);
    }
    let problems = reader.problem_count();
    let mut steps: Vec<(At, ProfileId)> = Vec::new();
    for element in elements {
        let Some(id) = profile_id(reader, &element) else { continue };
        if steps.iter().any(|(_, other)| *other == id) {
            reader.refuse(&element.at, format!("\"{id}\" is a step already"), "keep it once: each step can be repeated anyway");
            continue;
        }
        steps.push((element.at.clone(), id));
    }
    for (at, id) in &steps {
        refuse_step(reader, at, id, &steps, drafts, all_read);
    }
    (reader.problem_count() == problems).then(|| steps.into_iter().map(|(_, id)| id).collect())
}

fn refuse_step(reader: &mut Reader<'_>, at: &At, id: &ProfileId, steps: &[(At, ProfileId)], drafts: &[AppDraft], all_read: bool) {
    let Some(draft) = with_id(drafts, id) else {
        return refuse_unknown_app(reader, at, id, drafts, all_read, "describe");
    };
    let first = steps.first().and_then(|(_, first)| with_id(drafts, first));
    if let (Some((mine, _)), Some((theirs, _))) = (&draft.cloud, first.and_then(|first| first.cloud.as_ref()))
        && mine != theirs
    {
        let what = format!("this app is in the cloud {} and the first step is in {}", mine.name(), theirs.name());
        reader.refuse(at, what, "make a chain for each cloud: an invitation is for one tenant, and a tenant is in one cloud");
    }
    let place = |id: &ProfileId| steps.iter().position(|(_, other)| other == id);
    if let Some((_, Some(verifier))) = &draft.verified_by
        && let (Some(own), Some(verifier_place)) = (place(id), place(verifier))
        && verifier_place > own
    {
        let what = format!("\"{verifier}\" asks Graph about this app, and is approved only after it");
        reader.refuse(at, what, format!("put \"{verifier}\" before \"{id}\""));
    }
}
