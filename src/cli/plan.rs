//! `entra-consent plan`: the shortest way to each approval, before a customer gets a mail.

mod requests;

use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use serde::Serialize;

use self::requests::{GdapRequest, requests, write_requests};
use super::customers::ColumnChoice;
use super::exit::{CommandError, Exit, unusable};
use super::output::{self, Column, Format, PrintedRow};
use super::partner::Partner;
use super::timestamp::exact;
use super::verify::{self, AppChoice, Asking, ResultRow};
use super::{printed, verifiers_of};
use crate::config::ConfiguredApp;
use crate::consent::outcome::Approval;
use crate::consent::roles::{RoleNeeded, role_name, role_needed};
use crate::consent::{Outcome, TenantStatus, named};
use crate::entra::graph::GdapRelationships;
use crate::installation::Installation;

#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("help/plan.txt"))]
pub(super) struct PlanArgs {
    #[command(flatten)]
    which: AppChoice,
    /// A table of customers with a column `tenant`; - is standard input.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Which column of the table has a field, by its heading or number: tenant=customerId, label=2.
    #[arg(long, value_name = "FIELD=NAME")]
    column: Vec<ColumnChoice>,
    /// Leave out rows that need no link. `link --from` reads the rest.
    #[arg(long)]
    links: bool,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Write the rows to this file as CSV, which `link`, `verify` and `status` read.
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    to: Option<PathBuf>,
    /// Write the requests that grant approvals through GDAP to this file, for a REST client such as the one of Visual Studio Code.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

named! {
    all
    /// The shortest way to an approval. The names are stable.
    pub(super) enum Way {
        /// Microsoft showed the approval.
        Approved = "approved",
        /// The partner can grant it with its own roles.
        Gdap = "gdap",
        /// A link, because only a Global Administrator or a Privileged Role Administrator can approve.
        GlobalAdministrator = "global_administrator",
        /// A link, and an Application Administrator is enough.
        ApplicationAdministrator = "application_administrator",
        /// Users may approve the app for themselves.
        Users = "users",
        /// The tenant lacks the service principal of a resource, and so probably the licence.
        PrerequisiteMissing = "prerequisite_missing",
        /// The tenant is in another cloud.
        OtherCloud = "other_cloud",
        /// We may not see it: a link.
        NotVisible = "not_visible",
        /// Approved, and switched off.
        SwitchedOff = "switched_off",
        /// The operator has to correct a row or the configuration.
        Operator = "operator",
        /// Microsoft did not answer.
        AskAgain = "ask_again",
    }
}

impl Way {
    /// The count's name in the summary, and what to do.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Approved => ("approved already", "Nothing to do."),
            Self::Gdap => ("you can grant through GDAP", "Send the requests of --requests with your own account. No mail is needed."),
            Self::GlobalAdministrator => {
                ("need a link to a Global Administrator", "Send a link to a Global Administrator or Privileged Role Administrator.")
            }
            Self::ApplicationAdministrator => {
                ("need a link to an Application Administrator", "Send a link. An Application Administrator can approve.")
            }
            Self::Users => ("users may approve themselves", "No link is needed: each user may approve the app for themselves."),
            Self::PrerequisiteMissing => {
                ("lack a licence or service principal", "Check the licence first: the tenant lacks an API that the app needs.")
            }
            Self::OtherCloud => ("are in another cloud", "Use an app of that cloud (cloud in consent.toml)."),
            Self::NotVisible => ("are not visible, and need a link", "Send a link. We have no right to see the approval here."),
            Self::SwitchedOff => ("are approved and switched off", "Ask the customer why the app is switched off, and to switch it on."),
            Self::Operator => ("need a correction of yours", "Correct the row or consent.toml: the column problem says how."),
            Self::AskAgain => ("got no answer", "Run plan again later: Microsoft did not answer."),
        }
    }

    fn needs_link(self) -> bool {
        matches!(self, Self::GlobalAdministrator | Self::ApplicationAdministrator | Self::NotVisible)
    }
}

/// The plan for one app in one tenant.
#[derive(Debug)]
struct PlanRow {
    result: ResultRow,
    way: Way,
    role: RoleNeeded,
    /// The right by which we know the way.
    seen_by: String,
    requests: Vec<GdapRequest>,
}

/// A member for each column, `null` for an empty cell, and the requests.
impl Serialize for PlanRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WholeRow<'r> {
            #[serde(flatten)]
            cells: BTreeMap<&'static str, Option<String>>,
            requests: &'r [GdapRequest],
        }
        let cells = Self::names().zip(self.cells().map(|cell| Some(cell).filter(|cell| !cell.is_empty()))).collect();
        WholeRow { cells, requests: &self.requests }.serialize(serializer)
    }
}

fn text(text: &Option<Box<str>>) -> String {
    text.as_deref().unwrap_or_default().to_owned()
}

impl PrintedRow for PlanRow {
    const COLUMNS: &'static [Column<Self>] = &[
        ("tenant", |row| row.result.tenant.to_string()),
        ("label", |row| text(&row.result.label)),
        ("reference", |row| text(&row.result.reference)),
        ("contact", |row| text(&row.result.contact)),
        ("language", |row| text(&row.result.hints.language)),
        ("app", |row| row.result.app.to_string()),
        ("way", |row| row.way.name().to_owned()),
        ("next", |row| row.way.texts().1.to_owned()),
        ("role", |row| row.role.name().to_owned()),
        ("seen_by", |row| row.seen_by.clone()),
        ("outcome", |row| row.result.outcome.to_string()),
        ("checked_at", |row| row.result.checked_at.map(exact).unwrap_or_default()),
        ("tenant_id", |row| row.result.tenant_id.map(|id| id.to_string()).unwrap_or_default()),
        ("problem", |row| text(&row.result.problem)),
    ];
}

/// A row for people.
#[derive(Debug, Serialize)]
struct BriefPlan(PlanRow);

impl PrintedRow for BriefPlan {
    const COLUMNS: &'static [Column<Self>] = &[
        ("customer", |Self(row)| row.result.called().to_owned()),
        ("app", |Self(row)| row.result.app.to_string()),
        ("way", |Self(row)| row.way.name().replace('_', " ")),
        ("seen by", |Self(row)| row.seen_by.clone()),
    ];
}

pub(super) async fn run(installation: &Installation, args: &PlanArgs) -> Result<Exit, CommandError> {
    let apps = args.which.apps(installation, false)?;
    let (relationships, is_complete) = relationships(installation, &apps, args).await;
    let results = verify::rows(installation, &apps, &args.asking, &args.from, &args.column).await?;
    let planner = Planner { installation, args, relationships };
    let mut rows: Vec<PlanRow> = results.into_iter().filter_map(|result| planner.plan(&apps, result)).collect();
    say!("{}", summary(&rows));
    let is_answered = is_complete && rows.iter().all(|row| !matches!(row.way, Way::Operator | Way::AskAgain));
    let exit = if is_answered { Exit::Done } else { Exit::Attention };
    if let Some(path) = &args.requests {
        let unwritten = |error: io::Error| unusable(path.display(), &error);
        let through_gdap = rows.iter().filter(|row| row.way == Way::Gdap);
        write_requests(path, through_gdap.map(|row| (row.result.called(), &*row.result.app, &*row.requests))).map_err(unwritten)?;
        say!("The requests are in {}. This program sends none of them.", path.display());
    }
    if args.links {
        // `link` says what is wrong with a row, so such rows stay.
        rows.retain(|row| row.way.needs_link() || matches!(row.way, Way::Operator | Way::AskAgain));
    }
    if let Some(path) = &args.to {
        output::write_csv(path, &rows)?;
        return Ok(exit);
    }
    let out = BufWriter::new(io::stdout().lock());
    let result = match args.output {
        Format::Table => output::all(Format::Table, &rows.into_iter().map(BriefPlan).collect::<Vec<_>>(), out),
        format => output::all(format, &rows, out),
    };
    printed(result, exit)
}

/// The partner's relationships, and whether the plan considers them. An installation without `home_tenant` has none.
async fn relationships(installation: &Installation, apps: &[&ConfiguredApp], args: &PlanArgs) -> (GdapRelationships, bool) {
    let config = &installation.config;
    // The apps' verifiers come first: a directory reader is the likeliest to have the right.
    let asking: Vec<&ConfiguredApp> = match args.asking.token_from {
        Some(_) => apps.iter().take(1).copied().collect(),
        None => verifiers_of(config, apps).into_iter().chain(&config.apps).filter(|app| app.credential.is_some()).collect(),
    };
    let mut why = "consent.toml names no home_tenant, or no app with a credential.".to_owned();
    for app in asking.into_iter().filter(|_| config.site.home_tenant.is_some()) {
        let read = async || Partner::sign_in(installation, app, args.asking.token_from).await?.relationships().await;
        match read().await {
            Ok(relationships) => return (relationships, true),
            Err(error) => why = format!("{} {}", error.message, error.remedy),
        }
    }
    say!("GDAP is not considered. {why}");
    (GdapRelationships::new(), config.site.home_tenant.is_none())
}

struct Planner<'s> {
    installation: &'s Installation,
    args: &'s PlanArgs,
    relationships: GdapRelationships,
}

impl Planner<'_> {
    fn plan(&self, apps: &[&ConfiguredApp], mut result: ResultRow) -> Option<PlanRow> {
        let app = apps.iter().find(|app| app.profile.id.as_str() == &*result.app)?;
        let is_required = |resource: &_| app.profile.on(*resource).is_some_and(|expected| expected.required().next().is_some());
        result.hints.absent_resources.retain(is_required);
        let role = role_needed(&app.profile.expected);
        let gdap = result.tenant_id.and_then(|tenant| self.relationships.get(&tenant));
        let granting = gdap.and_then(|gdap| role.met_by(gdap.roles()));
        let (way, by_gdap) = match way(&result, role) {
            Way::GlobalAdministrator | Way::ApplicationAdministrator | Way::NotVisible if granting.is_some() => (Way::Gdap, granting),
            way => (way, None),
        };
        let seen_by = match (by_gdap, way) {
            (Some(role), _) => format!("GDAP role {}", role_name(role)),
            (None, Way::OtherCloud) => "discovery document".to_owned(),
            (None, Way::NotVisible | Way::Operator | Way::AskAgain) => String::new(),
            (None, way) => {
                let asker = match self.args.asking.token_from {
                    Some(_) => "your Graph token".to_owned(),
                    None => self.installation.config.verifier_of(app).map(|asker| asker.profile.id.to_string()).unwrap_or_default(),
                };
                let right = if way == Way::Users { "Policy.Read.All" } else { "Microsoft Graph" };
                format!("{right}, {asker}")
            }
        };
        let requests = match (way, result.tenant_id) {
            (Way::Gdap, Some(tenant)) => requests(app, tenant),
            _ => Vec::new(),
        };
        Some(PlanRow { result, way, role, seen_by, requests })
    }
}

/// The way without GDAP.
fn way(result: &ResultRow, role: RoleNeeded) -> Way {
    let link = match role {
        RoleNeeded::PrivilegedRoleAdministrator => Way::GlobalAdministrator,
        RoleNeeded::ApplicationAdministrator => Way::ApplicationAdministrator,
    };
    let to_approve = || match &result.hints {
        hints if !hints.absent_resources.is_empty() => Way::PrerequisiteMissing,
        hints if hints.users_may_consent => Way::Users,
        _ => link,
    };
    match TenantStatus::named(&result.outcome) {
        None => Way::Operator,
        Some(TenantStatus::Absent | TenantStatus::PresentUnseen) => to_approve(),
        Some(TenantStatus::VerifierMissing | TenantStatus::CheckRefused | TenantStatus::Unverifiable) => Way::NotVisible,
        Some(TenantStatus::Outcome(Outcome::TenantNotFound)) if result.hints.is_elsewhere => Way::OtherCloud,
        Some(TenantStatus::Outcome(Outcome::Unavailable)) => Way::AskAgain,
        Some(TenantStatus::Outcome(Outcome::TenantNotFound | Outcome::TenantGone | Outcome::AppMisconfigured | Outcome::OperatorFault)) => {
            Way::Operator
        }
        Some(TenantStatus::Outcome(outcome)) => match outcome.facts().approval {
            Approval::Complete | Approval::AsFarAsVisible => Way::Approved,
            Approval::SwitchedOff => Way::SwitchedOff,
            Approval::InPart | Approval::NotSeen | Approval::Requested | Approval::Withdrawn => to_approve(),
            Approval::Unknown => Way::NotVisible,
        },
    }
}

/// The approvals by their way, and how many customers need a link.
fn summary(rows: &[PlanRow]) -> String {
    let customers = |of: &dyn Fn(&&PlanRow) -> bool| {
        rows.chunk_by(|one, other| one.result.row == other.result.row).filter(|rows| rows.iter().any(|row| of(&row))).count()
    };
    let mut lines = vec![format!(
        "Customers: {}, of whom {} need a link. Approvals: {}.",
        customers(&|_| true),
        customers(&|row| row.way.needs_link()),
        rows.len()
    )];
    for way in Way::ALL {
        let count = rows.iter().filter(|row| row.way == *way).count();
        if count > 0 {
            lines.push(format!("{count:>6} {}", way.texts().0));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::verify::Hints;
    use crate::consent::ResourceId;

    #[test]
    fn each_status_leads_to_one_way() {
        let status = |name: &str| way(&ResultRow { outcome: name.into(), ..ResultRow::default() }, RoleNeeded::ApplicationAdministrator);
        for (names, way) in [
            ("granted granted_in_excess enlarged granted_unseen", Way::Approved),
            (
                "absent present_unseen granted_in_part pending not_found declined not_an_admin wrong_account approval_requested revoked reduced",
                Way::ApplicationAdministrator,
            ),
            ("verifier_missing check_refused unverifiable reported_unverified blocked_by_policy unknown", Way::NotVisible),
            ("disabled", Way::SwitchedOff),
            ("unavailable", Way::AskAgain),
            ("tenant_not_found tenant_gone app_misconfigured operator_fault not_asked", Way::Operator),
        ] {
            for name in names.split(' ') {
                assert_eq!(status(name), way, "{name}");
            }
        }
    }

    #[test]
    fn hints_change_the_way_only_where_an_approval_is_missing() {
        let with = |name: &str, hints| {
            way(&ResultRow { outcome: name.into(), hints, ..ResultRow::default() }, RoleNeeded::PrivilegedRoleAdministrator)
        };
        let users = || Hints { users_may_consent: true, ..Hints::default() };
        let lacking = || Hints { absent_resources: [ResourceId::GRAPH].into(), users_may_consent: true, ..Hints::default() };
        let elsewhere = || Hints { is_elsewhere: true, ..Hints::default() };
        assert_eq!(with("absent", Hints::default()), Way::GlobalAdministrator);
        assert_eq!((with("absent", users()), with("granted", users())), (Way::Users, Way::Approved));
        assert_eq!((with("absent", lacking()), with("granted", lacking())), (Way::PrerequisiteMissing, Way::Approved));
        assert_eq!((with("tenant_not_found", elsewhere()), with("unavailable", elsewhere())), (Way::OtherCloud, Way::AskAgain));
    }
}
