//! Puts people into the right workspaces of Astro Private Cloud (formerly Astronomer Software)
//! through its Houston GraphQL API.
//!
//! A roster (what the file wants) is compared with the present (what Houston has), which gives a
//! plan (what must change). The engine applies the plan, once and safely; reports are written for
//! people and machines. Data flows one way.
//!
//! # The story of a run
//!
//! What `houston-onboard apply team.csv` does, and where:
//!
//! 1. **Flags become settings.** [`cli`] makes plain settings of flags, variables and the settings
//!    file; no other module sees a flag. It also asks the user and prints. Between the two it calls
//!    [`ops`], which does the work of a command: settings in, data out. [`ops::apply`] leads through
//!    the steps below. What the user should know on the way is a [`report::notices::Notice`].
//! 2. **The file becomes a roster.** A [`roster::Roster`] reads every row, keeps the good ones
//!    packed small and every problem as an [`Issue`](roster::Issue) with line and column. A good
//!    row is a [`model::Assignment`]: this person, this role, this workspace. A file with an issue
//!    ends the run here, before anything is sent.
//! 3. **Houston answers.** An [`ops::session::Session`] connects; a rehearsal starts a
//!    [`sandbox::Sandbox`] in the same process and continues as if it were the real thing.
//!    [`houston::Houston`] is the remote side as typed calls. Below it, every
//!    request passes one [`houston::Pace`], is repeated by [`houston::Retrying`] if nothing was
//!    done, and comes back as data or as a [`houston::Fault`] that says why not. Version, caller
//!    and policy are checked.
//! 4. **Texts become workspaces.** [`present::resolve`] finds the id behind each label, once per
//!    run; equal and opposed wishes are looked for again, since one row may have named the label
//!    and another the id.
//! 5. **Houston is read.** A [`present::survey::Survey`] reads members and invitations of many
//!    workspaces at a time, and gives a [`plan::Membership`] for every wanted row.
//! 6. **Differences become a plan.** [`ops::planning`] puts it together: a list of [`plan::Item`]s,
//!    for rows, for the deployment roles that they want, and for people who are not in the roster.
//!    [`plan::decide`] is a pure function from a wish and a membership to a [`plan::Decision`], and
//!    [`plan::guard`] holds back what must not be done. What has to be sent is a
//!    [`plan::Operation`]. `plan` shows it and ends here; `apply` asks, or was given `--yes`.
//! 7. **The plan is written down.** An [`record::folder::RunFolder`] holds a copy of the roster
//!    and the plan, and the [`record::journal`] is open, before the first mutation.
//! 8. **The plan is applied.** The [`engine::Engine`] has one dispatcher, which owns the run,
//!    and workers, which call. Each workspace has a lane of its own ([`engine::lane`]): a few
//!    rows first, then the rest, then a read-back. What to do about a fault is decided by
//!    [`engine::verdict::judge`]; a write without an answer goes to [`engine::verify`], which looks
//!    before anything is sent again. What a reading means for a change is said by
//!    [`plan::finding`]. [`ops::phases`] is the order: the rows first, then deployment roles, then
//!    the removal of people who are not in the roster. [`ops::pending`] finds what is left of a
//!    phase in the files of the run, and reads Houston again; `resume` enters there.
//! 9. **It is reported.** Every listener gets the same [`event::Event`]s through a
//!    [`report::Reporter`]. When the run is over, its reports are made from the files of the run
//!    alone, and the totals decide the [`outcome::ExitStatus`].
//!
//! [`time`] is beside all of this: only there does the program wait, so that every wait can be
//! cut short, and tests need none. So is [`files`], which opens files that another person may have
//! made.
//!
//! # Where a change goes
//!
//! | change | first | then |
//! |---|---|---|
//! | a message of Houston means something | `houston/catalogue.rs`, one row | its row in the table test |
//! | a fault is retried, verified or final | `engine/verdict.rs` | a fault of the sandbox |
//! | how long a write in doubt is waited for | `engine/verify.rs` | |
//! | a person must not be changed or removed | `plan/guard.rs` | its flag in `cli`, its setting in `ops/limits.rs` |
//! | a column of the roster | `roster/column.rs` | `roster/check.rs`, `model.rs` |
//! | a problem of a roster | `roster/issue.rs` | the file in `roster` that finds it |
//! | a column of `results.csv` | `report/results.rs` | `record/journal.rs`, if the run does not keep it yet |
//! | an exit status, or a code in a report | `outcome.rs`, `outcome/code.rs` | |
//! | a sentence for people | `report`; a notice on the way is in `report/notices.rs` | |
//! | a check of `doctor` | `ops/doctor/verdicts` | `ops/doctor/asking.rs`, for what it asks |
//! | what `resume` shows and sends | `ops/resume.rs`, `ops/pending.rs` | |
//! | a difference between versions of Houston | `houston/profile.rs` | the schema and the switches of `sandbox` |
//! | a new kind of change to a person | `plan/decision.rs`, `plan/finding.rs` | the compiler names the rest |
//!
//! # Reading order
//!
//! The modules below, from the words to the flags. A module uses only modules above it, and often
//! fewer: [`plan`] knows no file and no network, [`roster`] knows no remote side, [`report`] knows
//! events and not calls, and [`sandbox`] shares nothing with the client, so that a mistake made on
//! both sides cannot cancel out.

pub mod files;
pub mod model;
pub mod outcome;
pub mod time;

pub mod roster;

pub mod houston;

pub mod plan;

pub mod present;

pub mod event;

pub mod record;

pub mod engine;

pub mod report;

#[cfg(feature = "sandbox")]
pub mod sandbox;

pub mod ops;

pub mod cli;
