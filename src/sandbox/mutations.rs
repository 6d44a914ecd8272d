//! The fields of `Mutation`: the audit of all of them, and those about the platform. Those about
//! members of a workspace or deployment are in `membership`.
//!
//! Main function: [`resolve`].

use apollo_compiler::resolvers::ResolvedValue;

use super::access::Caller;
use super::audit::{Applied, AuditEntry};
use super::faults::Fault;
use super::profile::{DeadToken, Model, Profile};
use super::queries::DATABASE_TROUBLE;
use super::refused::{INTERNAL, Operation, Refused};
use super::resolve::{Args, Context, Node, Thing, unexpected};
use super::state::{Role, Status};
use super::world::{Binding, Invite, UserAt, WorkspaceAt};
use super::{accounts, membership, teams, workspaces};

/// What a mutation answers.
pub(super) enum Answer {
    Null,
    Role(Role),
    Workspace(WorkspaceAt),
    Binding(Binding, UserAt),
    Thing(Thing),
}

/// A mutation that was done.
pub(super) struct Done {
    pub(super) answer: Answer,
    /// For the audit: what exactly changed.
    pub(super) detail: &'static str,
}

impl Done {
    pub(super) fn new(answer: Answer, detail: &'static str) -> Self {
        Self { answer, detail }
    }
}

/// The local password of every user, where local passwords are switched on.
pub const LOCAL_PASSWORD: &str = "sandbox-password";

/// Resolves a field of `Mutation` and enters it in the audit.
pub(super) fn resolve<'c>(
    context: &'c Context<'c>,
    field: &str,
    args: Args<'_>,
) -> Result<ResolvedValue<'c>, Refused> {
    let result = if context.fault == Some(Fault::Internal { after: false }) {
        Err(Refused::new(INTERNAL, DATABASE_TROUBLE))
    } else {
        change(context, field, args)
    };
    let lied = context.fault == Some(Fault::Lie);
    let (outcome, detail) = match &result {
        Ok(_) if lied => (Applied::Refused, "answered as done".to_owned()),
        Ok(done) => (Applied::Applied, done.detail.to_owned()),
        Err(refused) => (Applied::Refused, refused.message.clone()),
    };
    let mut email = ["email", "userUuid", "inviteUuid", "identity", "label"].iter();
    context.recorder.mutation(AuditEntry {
        seq: 0,
        at_ms: 0,
        field: field.to_owned(),
        operation_name: context.operation_name.map(str::to_owned),
        workspace: args.text("workspaceUuid").map(str::to_owned),
        email: email.find_map(|name| args.text(name)).map(str::to_owned),
        role: args.text("role").map(str::to_owned),
        caller: context.caller.name(&context.lock()),
        outcome,
        detail: Some(detail),
        fault: context.fault.map(|fault| fault.name().to_owned()),
    });
    let done = result?;
    if context.fault == Some(Fault::Internal { after: true }) {
        return Err(Refused::new(INTERNAL, DATABASE_TROUBLE));
    }
    Ok(match done.answer {
        Answer::Null => ResolvedValue::null(),
        Answer::Role(role) => ResolvedValue::leaf(role.name()),
        Answer::Workspace(at) => Node::object(context, Thing::Workspace(at)),
        Answer::Binding(binding, user) => Node::object(context, Thing::Binding { binding, user }),
        Answer::Thing(thing) => Node::object(context, thing),
    })
}

fn change(context: &Context<'_>, field: &str, args: Args<'_>) -> Result<Done, Refused> {
    match field {
        "workspaceAddUser" => membership::add(context, args),
        "workspaceUpdateUserRole" => membership::update_role(context, args),
        "workspaceUpsertUserRole" => membership::upsert_role(context, args),
        "workspaceRemoveUser" => membership::remove(context, args),
        "deploymentAddUserRole" => membership::add_deployment_role(context, args),
        "deploymentUpdateUserRole" => membership::update_deployment_role(context, args),
        "deploymentRemoveUserRole" => membership::remove_deployment_role(context, args),
        "createToken" => create_token(context, args),
        "createUser" => create_user(args),
        "createWorkspace" => workspaces::create(context, args),
        "updateWorkspace" => workspaces::update(context, args),
        "deleteWorkspace" => workspaces::delete(context, args),
        "deleteInviteToken" => delete_invite(context, args),
        "inviteUser" => invite_user(context, args),
        "createSystemServiceAccount" => accounts::create(context, accounts::Kind::System, args),
        "createWorkspaceServiceAccount" => accounts::create(context, accounts::Kind::Workspace, args),
        "createDeploymentServiceAccount" => accounts::create(context, accounts::Kind::Deployment, args),
        "deleteWorkspaceServiceAccount" => accounts::delete(context, accounts::Kind::Workspace, args),
        "deleteDeploymentServiceAccount" => accounts::delete(context, accounts::Kind::Deployment, args),
        "workspaceAddTeam" | "workspaceRemoveTeam" | "workspaceUpdateTeamRole" => {
            teams::change(context, field, args)
        }
        _ => Err(unexpected(field)),
    }
}

/// The role argument. The schema lets nothing else through.
pub(super) fn role(args: Args<'_>) -> Result<Role, Refused> {
    args.text("role").and_then(Role::from_name).ok_or_else(|| Refused::bad_input("Invalid role"))
}

fn create_token(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let world = context.lock();
    let identity = args.text("identity").unwrap_or_default();
    let named = |at: &UserAt| {
        let user = &world.users[*at];
        user.username == identity || user.emails.iter().any(|email| email == identity)
    };
    let user = (0..world.users.len()).find(named).ok_or_else(Refused::not_found)?;
    if !context.rules.people.local_auth {
        return Err(Refused::new("UNAUTHENTICATED", "No password credentials found"));
    }
    if args.text("password") != Some(LOCAL_PASSWORD) {
        return Err(Refused::new(INTERNAL, "Invalid password and username combination"));
    }
    if world.users[user].status != Status::Active {
        let text = "Your account is awaiting email confirmation";
        return Err(Refused::new("ACCOUNT_NOT_CONFIRMED", text));
    }
    Ok(Done::new(Answer::Thing(Thing::AuthUser(Caller::User(user))), "token"))
}

/// `createUser`: no one signs up here, since invitations hand out no token.
fn create_user(args: Args<'_>) -> Result<Done, Refused> {
    if args.text("inviteToken").is_some() {
        return Err(Refused::bad_input("Invite token not found"));
    }
    // The end of the text is assumed.
    let text = "Public sign ups are disabled, a valid inviteToken is required";
    Err(Refused::new("PUBLIC_SIGNUPS_DISABLED", text))
}

fn delete_invite(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let id = args.text("inviteUuid").unwrap_or_default();
    let found = world.invites.values().find(|invite| invite.id == id);
    let rights = context.rights(&world);
    // In 2020 a login was enough; that a later server wants the right to change members is assumed.
    let login_is_enough =
        context.rules.profile <= Profile::V0_23 || context.rules.dead_token == DeadToken::Inside;
    if login_is_enough {
        rights.need_login()?;
    } else {
        rights.need(rights.changes_members(found.and_then(|invite| invite.workspace)))?;
    }
    let gone = || context.rules.database.gone(Operation::DeleteInviteToken, "InviteToken", id);
    let invite = world.remove_invite(id).ok_or_else(gone)?;
    Ok(Done::new(invite_answer(context, invite), "invite taken back"))
}

/// The server of 2019 and 2020 hands out nothing of an invitation but its id.
fn invite_answer(context: &Context<'_>, invite: Invite) -> Answer {
    Answer::Thing(match context.rules.model {
        Model::Legacy => Thing::InviteId(invite.id),
        Model::Modern => Thing::Invite(Box::new(invite)),
    })
}

fn invite_user(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let rights = context.rights(&world);
    rights.need(rights.is_system_admin())?;
    let email = membership::checked_email(context, args)?;
    membership::check_user_management(context)?;
    if context.user_by_email(&world, &email).is_some() {
        return Err(Refused::new("DUPLICATE_EMAIL", "Email address in use"));
    }
    // An invitation into a workspace counts, too.
    if world.is_invited_anywhere(&email) {
        return Err(Refused::new("USER_ALREADY_INVITED", "User already invited"));
    }
    membership::check_scim(context)?;
    let user = match context.rules.model {
        Model::Legacy => None,
        Model::Modern => Some(membership::push_pending_user(&mut world, &email)),
    };
    let invite = Invite {
        id: world.new_id(),
        email,
        workspace: None,
        role: Role::User,
        user,
        deployment_roles: Vec::new(),
        created_at: world.now(),
    };
    world.push_invite(invite.clone());
    world.mails += u64::from(context.rules.people.smtp);
    Ok(Done::new(invite_answer(context, invite), "invite"))
}
