//! [`World`], the state that a sandbox starts with, built step by step: workspaces by number, their
//! people by number within them. What it has no step for, [`World::edit`] changes.

use houston_onboard::sandbox::state::{
    StateBinding, StateDeployment, StateInvite, StateUser, StateWorkspace, Status,
};
use houston_onboard::sandbox::{Role, State};

/// The id of a workspace.
pub fn workspace(number: usize) -> String {
    format!("ckworkspace{number:014}")
}

/// The address of a person.
pub fn person(workspace: usize, number: usize) -> String {
    format!("person.{workspace}.{number}@example.com")
}

/// The id of a user.
pub fn user(workspace: usize, number: usize) -> String {
    format!("ckuser{workspace:08}x{number:010}")
}

/// A state under construction.
#[derive(Debug, Clone)]
pub struct World(State);

impl From<World> for State {
    fn from(world: World) -> Self {
        world.0
    }
}

impl World {
    /// Workspaces labelled `Team 0`, `Team 1`, ..., with so many viewers in each.
    pub fn of(workspaces: usize, people: usize) -> Self {
        (0..workspaces).fold(Self(State::empty()), |world, number| world.team(number, people))
    }

    fn team(mut self, number: usize, people: usize) -> Self {
        self.0.workspaces.push(StateWorkspace {
            id: workspace(number),
            label: Some(format!("Team {number}")),
            description: None,
            created_at: None,
        });
        (0..people).fold(self, |world, who| {
            let email = person(number, who);
            world.user(&user(number, who), &[&email], Status::Active).bound(
                &format!("ckbind{number:08}x{who:010}"),
                &user(number, who),
                number,
                Role::WorkspaceViewer,
            )
        })
    }

    /// The built-in world and this one in one.
    pub fn and_the_built_in(self) -> Self {
        let (mut state, mine) = (State::default(), self.0);
        state.workspaces.extend(mine.workspaces);
        state.users.extend(mine.users);
        state.bindings.extend(mine.bindings);
        Self(state)
    }

    /// One more user, known by these addresses, the primary one first.
    pub fn user(mut self, id: &str, emails: &[&str], status: Status) -> Self {
        self.0.users.push(StateUser {
            id: id.to_owned(),
            username: emails[0].to_owned(),
            full_name: None,
            status,
            emails: emails.iter().map(|&email| email.to_owned()).collect(),
            created_at: None,
        });
        self
    }

    /// A role of a user in a workspace, beside those they have.
    pub fn bound(mut self, id: &str, user: &str, place: usize, role: Role) -> Self {
        self.0.bindings.push(StateBinding {
            id: id.to_owned(),
            role,
            user: user.to_owned(),
            workspace: Some(workspace(place)),
            deployment: None,
        });
        self
    }

    /// A second role of a member in their workspace.
    pub fn doubled(self, place: usize, who: usize, role: Role) -> Self {
        self.bound(&format!("cktwice{place:08}x{who:08}"), &user(place, who), place, role)
    }

    /// The role of a member.
    pub fn role(self, place: usize, who: usize, role: Role) -> Self {
        self.edit(|state| {
            let (user, workspace) = (user(place, who), Some(workspace(place)));
            let theirs = |b: &&mut StateBinding| b.user == user && b.workspace == workspace;
            state.bindings.iter_mut().find(theirs).unwrap().role = role;
        })
    }

    /// The first people of every workspace are its admins.
    pub fn admins(self, count: usize) -> Self {
        let workspaces = 0..self.0.workspaces.len();
        let all = workspaces.flat_map(|place| (0..count).map(move |who| (place, who)));
        all.fold(self, |world, (place, who)| world.role(place, who, Role::WorkspaceAdmin))
    }

    /// Changes the user of a member.
    pub fn person(self, place: usize, who: usize, change: impl FnOnce(&mut StateUser)) -> Self {
        self.edit(|state| {
            let id = user(place, who);
            change(state.users.iter_mut().find(|user| user.id == id).unwrap());
        })
    }

    /// A pending invitation of an address into a workspace.
    pub fn invited(self, place: usize, email: &str, role: Role) -> Self {
        self.edit(|state| {
            state.invites.push(StateInvite {
                id: format!("ckinvite{:08}", state.invites.len()),
                email: email.to_owned(),
                workspace: Some(workspace(place)),
                role,
                user: None,
                deployment_roles: Vec::new(),
                created_at: None,
            });
        })
    }

    /// Two deployments in every workspace: `rel-0-a` and `rel-0-b`, `rel-1-a`, ...
    pub fn deployments(self) -> Self {
        self.edit(|state| {
            for place in 0..state.workspaces.len() {
                for letter in ["a", "b"] {
                    state.deployments.push(StateDeployment {
                        id: format!("ckdeploy{place}{letter}"),
                        label: format!("Deployment {letter}"),
                        release_name: format!("rel-{place}-{letter}"),
                        workspace: workspace(place),
                    });
                }
            }
        })
    }

    /// The role of a member in the first deployment of their workspace.
    pub fn granted(self, place: usize, who: usize, role: Role) -> Self {
        self.edit(|state| {
            state.bindings.push(StateBinding {
                id: format!("ckgrant{place:08}x{who:08}"),
                role,
                user: user(place, who),
                workspace: None,
                deployment: Some(format!("ckdeploy{place}a")),
            });
        })
    }

    /// Changes what has no step of its own.
    pub fn edit(mut self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.0);
        self
    }
}
