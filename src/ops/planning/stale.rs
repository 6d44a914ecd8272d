//! `plan --invites-older-than`: lists old pending invitations.
//!
//! Main function: [`find`].

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::houston::Invite;
use crate::model::period::Period;
use crate::model::{Role, email_key};
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::ResolvedInput;
use crate::ops::session::Session;
use crate::plan::{Item, Membership, Phase, Standing};
use crate::report::plan::stale::{Stale, StaleInvite};

/// An age: a number of days, such as `14d`, or another length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    length: Duration,
    days: Option<u32>,
}

impl std::str::FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.trim().strip_suffix(['d', 'D']).and_then(|days| days.trim().parse::<u32>().ok());
        if let Some(days) = days.filter(|days| *days <= 36_500) {
            let length = Duration::from_secs(u64::from(days) * 24 * 3600);
            return Ok(Self { length, days: Some(days) });
        }
        let Period(length) =
            text.parse().map_err(|_| "an age is a number of days, such as 14d, or 36h".to_owned())?;
        Ok(Self { length, days: None })
    }
}

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.days {
            Some(days) => write!(f, "{days}d"),
            None => Period(self.length).fmt(f),
        }
    }
}

/// The invitations of the plan's workspaces that are older than this at `now`. It reads, and changes
/// nothing about the plan.
pub fn find(
    prepared: &PreparedPlan,
    input: &ResolvedInput,
    session: &Session,
    older_than: Age,
    now: Timestamp,
) -> Stale {
    let plan = &prepared.plan;
    let existing: Vec<u32> = (0..).zip(&plan.workspaces).map(|(place, _)| place).collect();
    let existing: Vec<u32> = existing.into_iter().filter(|&place| !plan.is_to_be_created(place)).collect();
    let ids: Vec<_> = existing.iter().map(|&place| &plan.workspaces[place as usize].id).collect();
    let named = |item: &Item| Some((item.workspace()?, input.roster.emails().get(item.row()?)));
    let named: HashSet<(u32, &str)> = plan.items.iter().filter_map(named).collect();
    let mut stale = Stale { older_than: older_than.to_string(), ..Stale::default() };
    let is_pending =
        |seen: &Membership| matches!(seen, Membership::Member { standing: Standing::Pending, .. });
    let rows = plan.in_phase(Phase::Members).iter();
    stale.pending_members = rows.filter(|row| row.seen.as_ref().is_some_and(is_pending)).count() as u64;
    let answers = session.survey(input.roster.emails()).dated_invites(&ids);
    for (&place, answer) in existing.iter().zip(answers) {
        let workspace = &plan.workspaces[place as usize];
        let Ok(invites) = answer else {
            stale.unseen_in.push(workspace.to_string());
            continue;
        };
        for Invite { email, role, created_at, .. } in invites {
            let (Some(created_at), Some(email)) = (created_at, email) else {
                stale.undated += 1;
                continue;
            };
            let age = now.duration_since(created_at);
            if age <= SignedDuration::try_from(older_than.length).unwrap_or(SignedDuration::MAX) {
                continue;
            }
            stale.invites.push(StaleInvite {
                in_roster: named.contains(&(place, &*email_key(&email))),
                email,
                workspace: workspace.label.clone().unwrap_or_else(|| workspace.id.to_string()),
                workspace_id: workspace.id.to_string(),
                role: role.map(Role::workspace),
                created_at,
                days: age.as_hours() / 24,
            });
        }
    }
    stale.invites.sort_by(|a, b| {
        (a.created_at, &a.email, &a.workspace_id).cmp(&(b.created_at, &b.email, &b.workspace_id))
    });
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_days_or_another_length() {
        for (text, shown, hours) in
            [("14d", "14d", 336), ("0d", "0d", 0), ("36h", "36h", 36), (" 400d", "400d", 9600)]
        {
            let age: Age = text.parse().unwrap();
            assert_eq!((age.to_string().as_str(), age.length.as_secs() / 3600), (shown, hours));
        }
        for bad in ["", "14", "-1d", "d", "40000d", "soon"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }
}
