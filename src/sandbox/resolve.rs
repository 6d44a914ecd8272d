//! The objects of the schema: how a field of each becomes a value.
//!
//! Main type: [`Node`], any object of the schema. The two root types are resolved by `queries`
//! and `mutations`; everything here only reads.

use std::sync::{Mutex, MutexGuard};

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{JsonMap, JsonValue};
use jiff::Timestamp;

use super::access::{Caller, Rights};
use super::audit::{Recorder, locked};
use super::faults::Fault;
use super::refused::{Operation, Refused};
use super::switches::Behaviour;
use super::world::{Account, Binding, DeploymentAt, Invite, Scope, UserAt, WorkspaceAt, World};
use super::{accounts, deployments, installation, mutations, queries, teams, tokens};

/// All that a resolver may use while one request is executed.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) world: &'c Mutex<World>,
    pub(super) rules: &'c Behaviour,
    pub(super) caller: &'c Caller,
    pub(super) recorder: &'c Recorder,
    pub(super) operation_name: Option<&'c str>,
    pub(super) fault: Option<Fault>,
}

impl<'c> Context<'c> {
    pub(super) fn lock(&self) -> MutexGuard<'c, World> {
        locked(self.world)
    }

    pub(super) fn rights<'r>(&self, world: &'r World) -> Rights<'r>
    where
        'c: 'r,
    {
        Rights { caller: self.caller, world, rules: self.rules }
    }

    /// The user whose address is spelled like this, or is this one however it is spelled, as the server
    /// does it.
    pub(super) fn user_by_email(&self, world: &World, email: &str) -> Option<UserAt> {
        if self.rules.switches.any_case {
            world.user_by_email_in_any_case(email)
        } else {
            world.user_by_email(email)
        }
    }

    /// The members of a workspace that its lists show.
    pub(super) fn visible_members(&self, world: &World, workspace: WorkspaceAt) -> Vec<UserAt> {
        let pending_too = self.rules.switches.pending_in_users;
        let visible = |at: &UserAt| pending_too || world.users[*at].status != super::state::Status::Pending;
        world.workspaces[workspace].members.iter().copied().filter(visible).collect()
    }

    /// The invite tokens that the lists show: those of pending users only if a switch says so.
    pub(super) fn shows_invite(&self, invite: &Invite) -> bool {
        invite.user.is_none() || self.rules.switches.pending_in_invites
    }
}

/// The arguments of a field.
#[derive(Clone, Copy)]
pub(super) struct Args<'a>(pub(super) &'a JsonMap);

impl<'a> Args<'a> {
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(JsonValue::as_str)
    }

    pub(super) fn number(self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(JsonValue::as_i64)
    }

    pub(super) fn flag(self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(JsonValue::as_bool)
    }

    pub(super) fn object(self, name: &str) -> Option<Args<'a>> {
        self.0.get(name).and_then(JsonValue::as_object).map(Args)
    }

    pub(super) fn list(self, name: &str) -> &'a [JsonValue] {
        self.0.get(name).and_then(JsonValue::as_array).map_or(&[], Vec::as_slice)
    }
}

/// An object of the schema.
pub(super) struct Node<'c> {
    context: &'c Context<'c>,
    thing: Thing,
}

/// What a node represents.
pub(super) enum Thing {
    Query,
    Mutation,
    AppConfig,
    AuthConfig,
    AuthProvider,
    AuthUser(Caller),
    Capabilities(Caller),
    Token(UserAt),
    TokenPayload {
        uuid: String,
        iat: i64,
        exp: i64,
    },
    /// A user, with all bindings or only those that have to do with one workspace.
    User {
        at: UserAt,
        only: Option<WorkspaceAt>,
    },
    Email {
        address: String,
        primary: bool,
        verified: bool,
    },
    Binding {
        binding: Binding,
        user: UserAt,
    },
    Workspace(WorkspaceAt),
    Deployment(DeploymentAt),
    DeployInfo,
    TeamPage,
    Invite(Box<Invite>),
    /// An invitation of which the server hands out nothing but the id.
    InviteId(String),
    Account(Box<Account>),
    AccountBinding(Box<Account>),
}

const ONE_DAY: i64 = 86_400;

impl<'c> Node<'c> {
    pub(super) fn query(context: &'c Context<'c>) -> Self {
        Self { context, thing: Thing::Query }
    }

    pub(super) fn mutation(context: &'c Context<'c>) -> Self {
        Self { context, thing: Thing::Mutation }
    }

    pub(super) fn object(context: &'c Context<'c>, thing: Thing) -> ResolvedValue<'c> {
        ResolvedValue::object(Self { context, thing })
    }

    pub(super) fn objects(
        context: &'c Context<'c>,
        things: impl Iterator<Item = Thing>,
    ) -> ResolvedValue<'c> {
        // Collected here, since the caller's lock on the world ends before the list is walked.
        let nodes = things.map(|thing| Self::object(context, thing)).collect::<Vec<_>>();
        ResolvedValue::list(nodes)
    }

    fn resolve(&self, field: &str, args: Args<'_>) -> Result<ResolvedValue<'c>, Refused> {
        let context = self.context;
        let text = |text: &str| ResolvedValue::leaf(text);
        Ok(match &self.thing {
            Thing::Query => return queries::resolve(context, field, args),
            Thing::Mutation => return mutations::resolve(context, field, args),
            Thing::AppConfig => installation::app_config(context, field)?,
            Thing::AuthConfig => installation::auth_config(context, field)?,
            Thing::AuthProvider => installation::provider(field)?,
            Thing::AuthUser(caller) => self.auth_user(caller, field)?,
            Thing::Capabilities(caller) => {
                let world = context.lock();
                let rights = Rights { caller, world: &world, rules: context.rules };
                match field {
                    "canSysAdmin" => ResolvedValue::leaf(rights.is_system_admin()),
                    _ => return Err(unexpected(field)),
                }
            }
            Thing::Token(user) => {
                let world = context.lock();
                let (uuid, iat) = (world.users[*user].id.clone(), world.now().as_second());
                let exp = iat + ONE_DAY;
                match field {
                    "value" => text(&tokens::mint(&uuid, iat, exp)),
                    "payload" => Self::object(context, Thing::TokenPayload { uuid, iat, exp }),
                    _ => return Err(unexpected(field)),
                }
            }
            Thing::TokenPayload { uuid, iat, exp } => match field {
                "uuid" => text(uuid),
                "iat" => ResolvedValue::leaf(*iat),
                "exp" => ResolvedValue::leaf(*exp),
                _ => return Err(unexpected(field)),
            },
            Thing::User { at, only } => self.user(*at, *only, field)?,
            Thing::Email { address, primary, verified } => match field {
                "address" => text(address),
                "primary" => ResolvedValue::leaf(*primary),
                "verified" => ResolvedValue::leaf(*verified),
                _ => return Err(unexpected(field)),
            },
            Thing::Binding { binding, user } => match field {
                "id" => text(&binding.id),
                "role" => text(binding.role.name()),
                "user" => Self::object(context, Thing::User { at: *user, only: None }),
                "serviceAccount" => ResolvedValue::null(),
                "workspace" => {
                    let workspace = context.lock().workspace_of(binding);
                    workspace
                        .map_or_else(ResolvedValue::null, |at| Self::object(context, Thing::Workspace(at)))
                }
                "deployment" => match binding.scope {
                    Scope::Deployment(at) => Self::object(context, Thing::Deployment(at)),
                    Scope::System | Scope::Workspace(_) => ResolvedValue::null(),
                },
                _ => return Err(unexpected(field)),
            },
            Thing::Workspace(at) => self.workspace(*at, field)?,
            Thing::Deployment(at) => deployments::field(context, *at, field)?,
            Thing::DeployInfo => deployments::info(field)?,
            Thing::TeamPage => teams::page(context, field)?,
            Thing::Invite(invite) => match field {
                "id" => text(&invite.id),
                "email" => text(&invite.email),
                "role" => text(invite.role.name()),
                "createdAt" | "updatedAt" => date(invite.created_at),
                _ => return Err(unexpected(field)),
            },
            Thing::InviteId(id) => match field {
                "id" => text(id),
                _ => ResolvedValue::null(),
            },
            Thing::Account(account) => accounts::field(context, account, field)?,
            // The role of an account, which is not stored as one of a user.
            Thing::AccountBinding(account) => match field {
                "id" => text(&account.id),
                "role" => text(account.role.name()),
                "serviceAccount" => Self::object(context, Thing::Account(account.clone())),
                "user" => ResolvedValue::null(),
                "workspace" => match account.scope {
                    Scope::Workspace(at) => Self::object(context, Thing::Workspace(at)),
                    Scope::System | Scope::Deployment(_) => ResolvedValue::null(),
                },
                "deployment" => match account.scope {
                    Scope::Deployment(at) => Self::object(context, Thing::Deployment(at)),
                    Scope::System | Scope::Workspace(_) => ResolvedValue::null(),
                },
                _ => return Err(unexpected(field)),
            },
        })
    }

    fn auth_user(&self, caller: &Caller, field: &str) -> Result<ResolvedValue<'c>, Refused> {
        let context = self.context;
        let user = match caller {
            Caller::User(at) => Some(*at),
            Caller::Nobody | Caller::Account { .. } => None,
        };
        Ok(match field {
            "user" => user
                .map_or_else(ResolvedValue::null, |at| Self::object(context, Thing::User { at, only: None })),
            "token" => user.map_or_else(ResolvedValue::null, |at| Self::object(context, Thing::Token(at))),
            // Both are constants for every caller.
            "permissions" => ResolvedValue::leaf(JsonValue::Object(JsonMap::new())),
            "isAdmin" => ResolvedValue::leaf(false),
            "authUserCapabilities" => Self::object(context, Thing::Capabilities(caller.clone())),
            _ => return Err(unexpected(field)),
        })
    }

    fn user(&self, at: UserAt, only: Option<WorkspaceAt>, field: &str) -> Result<ResolvedValue<'c>, Refused> {
        let context = self.context;
        let world = context.lock();
        let user = &world.users[at];
        Ok(match field {
            "id" => ResolvedValue::leaf(user.id.as_str()),
            "username" => ResolvedValue::leaf(user.username.as_str()),
            "fullName" => ResolvedValue::leaf(user.full_name.clone()),
            "status" => ResolvedValue::leaf(user.status.name()),
            "emails" => {
                let verified = user.status == super::state::Status::Active;
                let email = |(index, address): (usize, &String)| Thing::Email {
                    address: address.clone(),
                    primary: index == 0,
                    verified,
                };
                Self::objects(context, user.emails.iter().enumerate().map(email))
            }
            "roleBindings" => {
                let wanted = |binding: &&Binding| only.is_none() || world.workspace_of(binding) == only;
                let bindings = user.bindings.iter().filter(wanted).cloned();
                Self::objects(context, bindings.map(|binding| Thing::Binding { binding, user: at }))
            }
            "createdAt" | "updatedAt" => date(user.created_at),
            _ => return Err(unexpected(field)),
        })
    }

    fn workspace(&self, at: WorkspaceAt, field: &str) -> Result<ResolvedValue<'c>, Refused> {
        let context = self.context;
        let world = context.lock();
        let workspace = &world.workspaces[at];
        Ok(match field {
            "id" => ResolvedValue::leaf(workspace.id.as_str()),
            "label" => ResolvedValue::leaf(workspace.label.clone()),
            "description" => ResolvedValue::leaf(workspace.description.clone()),
            "users" => {
                let only = context.rules.narrow.then_some(at);
                let members = context.visible_members(&world, at).into_iter();
                Self::objects(context, members.map(|at| Thing::User { at, only }))
            }
            // The rights on this path are not known; who may not list them gets none.
            "invites" => {
                let allowed = context.rights(&world).reads_invites(Some(at));
                let here = |invite: &&Invite| {
                    allowed && invite.workspace == Some(at) && context.shows_invite(invite)
                };
                let invites = world.invites.values().filter(here).cloned();
                Self::objects(context, invites.map(|invite| Thing::Invite(Box::new(invite))))
            }
            "roleBindings" => {
                let members = workspace.members.iter();
                let bindings = members.flat_map(|user| {
                    let here = |binding: &&Binding| binding.scope == Scope::Workspace(at);
                    let bindings = world.users[*user].bindings.iter().filter(here).cloned();
                    bindings.map(|binding| Thing::Binding { binding, user: *user })
                });

                let accounts = world.accounts.iter().filter(|account| account.scope == Scope::Workspace(at));
                let accounts = accounts.map(|account| Thing::AccountBinding(Box::new(account.clone())));
                Self::objects(context, bindings.chain(accounts))
            }
            "createdAt" | "updatedAt" => date(workspace.created_at),
            _ => return Err(unexpected(field)),
        })
    }
}

/// As JavaScript writes dates: three digits of a second.
pub(super) fn date<'c>(at: Timestamp) -> ResolvedValue<'c> {
    ResolvedValue::leaf(format!("{at:.3}"))
}

/// A field of the schema that no resolver knows: a mistake of ours, found by a test.
pub(super) fn unexpected(field: &str) -> Refused {
    Refused::new(super::refused::INTERNAL, format!("the sandbox has no resolver for {field}"))
}

impl ObjectValue for Node<'_> {
    fn type_name(&self) -> &str {
        match self.thing {
            Thing::Query => "Query",
            Thing::Mutation => "Mutation",
            Thing::AppConfig => "AppConfig",
            Thing::AuthConfig => "AuthConfig",
            Thing::AuthProvider => "AuthProvider",
            Thing::AuthUser(_) => "AuthUser",
            Thing::Capabilities(_) => "AuthUserCapabilities",
            Thing::Token(_) => "Token",
            Thing::TokenPayload { .. } => "TokenPayload",
            Thing::User { .. } => "User",
            Thing::Email { .. } => "Email",
            Thing::Binding { .. } | Thing::AccountBinding(_) => "RoleBinding",
            Thing::Workspace(_) => "Workspace",
            Thing::Deployment(_) => "Deployment",
            Thing::DeployInfo => "DeployInfo",
            Thing::TeamPage => "TeamPage",
            Thing::Invite(_) | Thing::InviteId(_) => "Invite",
            Thing::Account(_) => "ServiceAccount",
        }
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let answer = self.resolve(info.field_name(), Args(info.arguments()));
        answer.map_err(|Refused { code, message, database }| {
            let operation = database.map_or("", Operation::name);
            FieldError { message: format!("{code}\0{operation}\0{message}") }
        })
    }
}
