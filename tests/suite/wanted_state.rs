//! Whatever Houston has and whatever the roster wants: applying the plan gives exactly the wanted
//! state, the plan after it is empty, guards do not depend on the order of rows, and nothing is done
//! that was not asked for. Held against a model of its own that knows nothing of the program.

#![cfg(feature = "sandbox")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::harness::{InProcess, Sandbox, World, playing, records, workspace};
use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{Model, Options, Role};

/// So many worlds, rosters and choices of flags.
const CASES: u64 = 40;
const ROLES: [Role; 3] = [Role::WorkspaceViewer, Role::WorkspaceEditor, Role::WorkspaceAdmin];

/// How somebody is in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Active(Role),
    Pending(Role),
    Invited(Role),
}

/// Who is in which workspace, by their first address.
type Present = BTreeMap<(usize, String), How>;

/// Somebody whom the installation knows.
fn known(who: usize) -> String {
    format!("known.{who}@example.com")
}

/// Somebody who is invited or pending, or whom nobody knows.
fn newcomer(who: usize) -> String {
    format!("new.{who}@example.com")
}

/// A case: what there is, what is wanted, what may be done.
#[derive(Debug)]
struct Case {
    model: Model,
    workspaces: usize,
    present: Present,
    wishes: BTreeMap<(usize, String), Role>,
    update_roles: bool,
    prune: bool,
}

fn role(random: &mut fastrand::Rng) -> Role {
    ROLES[random.usize(0..3)]
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let model = if random.bool() { Model::Legacy } else { Model::Modern };
        let workspaces = random.usize(1..4);
        let (mut present, mut wishes) = (Present::new(), BTreeMap::new());
        for place in 0..workspaces {
            for who in 0..8 {
                if random.u8(0..10) < 6 {
                    present.insert((place, known(who)), How::Active(role(&mut random)));
                }
                if random.u8(0..10) < 5 {
                    wishes.insert((place, known(who)), role(&mut random));
                }
            }
            for who in 0..4 {
                if random.u8(0..10) < 4 {
                    let how = match model {
                        Model::Legacy => How::Invited(role(&mut random)),
                        Model::Modern => How::Pending(role(&mut random)),
                    };
                    present.insert((place, newcomer(who)), how);
                }
                if random.u8(0..10) < 4 {
                    wishes.insert((place, newcomer(who)), role(&mut random));
                }
            }
        }
        if wishes.is_empty() {
            wishes.insert((0, known(0)), Role::WorkspaceViewer);
        }
        Self { model, workspaces, present, wishes, update_roles: random.bool(), prune: random.bool() }
    }

    fn world(&self) -> World {
        let id = |email: &str| format!("ck{}", email.split('@').next().unwrap().replace('.', ""));
        let user = |world: World, email: String, status| {
            // A second address, which a roster may use.
            world.user(&id(&email), &[&email, &format!("alias.{email}")], status)
        };
        let everybody = (0..8).map(|who| (known(who), Status::Active));
        let is_present = |email: &String| self.present.keys().any(|(_, present)| present == email);
        let pending = (0..4).map(newcomer).filter(|email| self.model == Model::Modern && is_present(email));
        let users = everybody.chain(pending.map(|email| (email, Status::Pending)));
        let world =
            users.fold(World::of(self.workspaces, 0), |world, (email, status)| user(world, email, status));
        self.present.iter().enumerate().fold(world, |world, (number, ((place, email), how))| match *how {
            How::Active(role) | How::Pending(role) => {
                world.bound(&format!("ckbind{number}"), &id(email), *place, role)
            }
            How::Invited(role) => world.invited(*place, email, role),
        })
    }

    /// The roster, its rows turned by so many places; some workspaces by label, some people by their
    /// other address.
    fn roster(&self, turn: usize) -> String {
        let mut rows: Vec<String> = self
            .wishes
            .iter()
            .map(|((place, email), role)| {
                let by_label = (place + email.len()) % 2 == 0;
                let name = if by_label { format!("Team {place}") } else { workspace(*place) };
                let email =
                    if email.starts_with("known.3") { format!("alias.{email}") } else { email.clone() };
                format!("{email},{},{name}\n", role.name())
            })
            .collect();
        let turn = turn % rows.len();
        rows.rotate_left(turn);
        format!("email,role,workspace\n{}", rows.concat())
    }

    fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec!["--max-remove", "1000", "--max-remove-percent", "100"];
        flags.extend(self.update_roles.then_some("--update-roles"));
        flags.extend(self.prune.then_some("--prune"));
        flags
    }

    /// Whether a person whom the roster wants as an admin is known to become one: a member who is promoted, or
    /// somebody with an account, whom only newer servers show.
    fn succeeds(&self, place: usize, email: &str) -> bool {
        match self.present.get(&(place, email.to_owned())) {
            Some(How::Active(role)) => self.update_roles && *role != Role::WorkspaceAdmin,
            Some(How::Pending(_) | How::Invited(_)) => false,
            None => self.model == Model::Modern && email.starts_with("known"),
        }
    }

    /// What there is to be in the end, and whether a guard has held somebody back.
    fn expected(&self) -> (Present, bool) {
        let mut end = Present::new();
        let mut held = false;
        for place in 0..self.workspaces {
            let here = |key: &&(usize, String)| key.0 == place;
            let is_named = self.wishes.keys().any(|key| key.0 == place);
            let mut changes: BTreeMap<&String, Option<Role>> = BTreeMap::new();
            for ((_, email), how) in self.present.iter().filter(|(key, _)| here(key)) {
                let change = match (self.wishes.get(&(place, email.clone())), how) {
                    (None, _) if self.prune && is_named => Some(None),
                    (None, _) => None,
                    (Some(wanted), How::Active(role) | How::Pending(role) | How::Invited(role)) => {
                        (self.update_roles && wanted != role).then_some(Some(*wanted))
                    }
                };
                changes.extend(change.map(|change| (email, change)));
            }
            // Nobody takes an admin away unless an active one remains; who is pending may be removed.
            let how = |email: &String| self.present[&(place, email.clone())];
            let takes = |email: &String, change: &Option<Role>| match how(email) {
                How::Active(role) => role == Role::WorkspaceAdmin,
                How::Pending(role) => role == Role::WorkspaceAdmin && change.is_some(),
                How::Invited(_) => false,
            };
            let losers: Vec<&String> = changes
                .iter()
                .filter(|(email, change)| takes(email, change))
                .map(|(email, _)| *email)
                .collect();
            let stays =
                |email: &String| how(email) == How::Active(Role::WorkspaceAdmin) && !losers.contains(&email);
            let remain = self.present.keys().filter(here).any(|(_, email)| stays(email));
            let comes = self
                .wishes
                .iter()
                .filter(|(key, _)| here(key))
                .any(|((_, email), role)| *role == Role::WorkspaceAdmin && self.succeeds(place, email));
            if !remain && !comes && !losers.is_empty() {
                held = true;
                changes.retain(|email, _| !losers.contains(email));
            }
            for ((_, email), how) in self.present.iter().filter(|(key, _)| here(key)) {
                let how = match (changes.get(email), how) {
                    (None, how) => *how,
                    (Some(None), _) => continue,
                    (Some(Some(role)), How::Active(_)) => How::Active(*role),
                    (Some(Some(role)), How::Pending(_)) => How::Pending(*role),
                    (Some(Some(role)), How::Invited(_)) => How::Invited(*role),
                };
                end.insert((place, email.clone()), how);
            }
            for ((_, email), role) in self.wishes.iter().filter(|(key, _)| here(key)) {
                let how = match self.model {
                    _ if email.starts_with("known") => How::Active(*role),
                    Model::Legacy => How::Invited(*role),
                    Model::Modern => How::Pending(*role),
                };
                end.entry((place, email.clone())).or_insert(how);
            }
        }
        (end, held)
    }
}

/// What the sandbox has.
fn present(sandbox: &Sandbox) -> Present {
    let state = sandbox.state();
    let place = |id: &str| id.strip_prefix("ckworkspace").unwrap().parse::<usize>().unwrap();
    let mut present = Present::new();
    let mut note =
        |key: (usize, String), how| assert_eq!(present.insert(key.clone(), how), None, "twice: {key:?}");
    for binding in &state.bindings {
        let Some(workspace) = &binding.workspace else { continue };
        let user = state.users.iter().find(|user| user.id == binding.user).unwrap();
        let how = if user.status == Status::Active { How::Active } else { How::Pending };
        note((place(workspace), user.emails[0].to_lowercase()), how(binding.role));
    }
    if state.users.iter().all(|user| user.status == Status::Active) {
        for invite in &state.invites {
            note(
                (place(invite.workspace.as_ref().unwrap()), invite.email.clone()),
                How::Invited(invite.role),
            );
        }
    }
    present
}

/// What a plan does, whatever the order of its rows.
fn actions(csv: &str) -> BTreeSet<String> {
    let rows = records(csv, b',');
    let cells = ["email", "workspace_id", "action", "from_role", "to_role", "reason"];
    rows.iter().map(|row| cells.map(|cell| row[cell].as_str()).join("|")).collect()
}

#[test]
fn applying_the_plan_gives_exactly_the_wanted_state_and_the_next_plan_is_empty() {
    let mut seen = BTreeMap::<&str, u32>::new();
    for (seed, turn) in (0..CASES).zip((1..8).cycle()) {
        let case = Case::new(seed);
        let (expected, held) = case.expected();
        let workdir = InProcess::new();
        let sandbox = Sandbox::of(case.world(), playing(case.model, Options::default()));
        let before = present(&sandbox);
        assert_eq!(before, case.present, "{seed}: the world is the one of the case");
        let mut told = String::new();
        write!(told, "seed {seed}: {case:#?}").unwrap();
        let status = if held { 7 } else { 0 };

        let plan = |name: &str, turn: usize| {
            workdir.write(name, case.roster(turn));
            let call = workdir.call(["plan", name, "--format", "csv"]).args(&case.flags());
            actions(&call.quick().to(&sandbox).run().ended(status).stdout)
        };
        let planned = plan("roster.csv", 0);
        assert_eq!(planned, plan("turned.csv", turn), "{told}");
        let does = |action: &str| planned.iter().any(|line| line.contains(&format!("|{action}|")));
        assert!(case.prune || !does("remove"), "{told}");
        assert!(case.update_roles || !does("update_role"), "{told}");
        sandbox.received_no_mutation();

        let run = workdir.apply(&sandbox, "roster.csv", &case.flags()).ended(status);
        let found = present(&sandbox);
        let differs: Vec<_> = expected
            .keys()
            .chain(found.keys())
            .filter(|key| found.get(key) != expected.get(key))
            .map(|key| (key, found.get(key), expected.get(key)))
            .collect();
        assert!(differs.is_empty(), "(who, is, should be): {differs:#?}\n{told}\n{}", run.stderr);

        let detailed = [&case.flags()[..], &["--detailed-exitcode"]].concat();
        let again = workdir.call(["plan", "roster.csv", "--format", "csv"]).args(&detailed);
        let again = again.quick().to(&sandbox).run();
        let changes: Vec<String> =
            actions(&again.stdout).into_iter().filter(|line| !line.contains("|none|")).collect();
        // Where the last admins were held back and another one came, they may go now; nothing else.
        let is_held = |change: &String| {
            let key = change.split('|').take(2).collect::<Vec<_>>().join("|") + "|none|";
            planned.iter().any(|line| line.starts_with(&key) && line.contains("without an admin"))
        };
        assert!(changes.iter().all(is_held), "{told}\n{changes:#?}");
        assert_eq!(again.status == Some(0), !held, "{told}\n{}", again.stdout);

        for (what, is_so) in [
            ("held", held),
            ("removed", does("remove")),
            ("updated", does("update_role")),
            ("added", does("add")),
        ] {
            *seen.entry(what).or_default() += u32::from(is_so);
        }
    }
    // The cases would prove little if what they are about never happened.
    assert!(seen.values().all(|&times| times >= 5), "{seen:?}");
}
