//! The error of a field, before it becomes part of an answer.
//!
//! Main type: [`Refused`]. Who is refused what is decided elsewhere.

/// An error of one field: a message and the code under `extensions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The database's operation that the error names as its path.
    pub(super) database: Option<Operation>,
}

pub(super) const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
pub(super) const FORBIDDEN: &str = "FORBIDDEN";
pub(super) const INTERNAL: &str = "INTERNAL_SERVER_ERROR";
pub(super) const NOT_FOUND: &str = "RESOURCE_NOT_FOUND";

impl Refused {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), database: None }
    }

    pub(super) fn bad_input(message: &str) -> Self {
        Self::new(BAD_USER_INPUT, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(NOT_FOUND, "The requested resource was not found")
    }

    /// What a right or a login is missing for.
    pub(super) fn forbidden() -> Self {
        Self::new(FORBIDDEN, "You do not have the appropriate permissions for that")
    }

    pub(super) fn shielded() -> Self {
        Self::new(INTERNAL, "Insufficient permissions.")
    }

    pub(super) fn refresh_failed() -> Self {
        Self::new(INTERNAL, "AUTH_TOKEN_REFRESH_FAILED")
    }
}

/// An operation of the database layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    CreateRoleBinding,
    CreateInviteToken,
    DeleteInviteToken,
    CreateWorkspace,
    DeleteServiceAccount,
}

impl Operation {
    /// As Prisma 1 calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CreateRoleBinding => "createRoleBinding",
            Self::CreateInviteToken => "createInviteToken",
            Self::DeleteInviteToken => "deleteInviteToken",
            Self::CreateWorkspace => "createWorkspace",
            Self::DeleteServiceAccount => "deleteServiceAccount",
        }
    }

    /// As later versions call it.
    pub(super) fn call(self) -> &'static str {
        match self {
            Self::CreateRoleBinding => "roleBinding.create",
            Self::CreateInviteToken => "inviteToken.create",
            Self::DeleteInviteToken => "inviteToken.delete",
            Self::CreateWorkspace => "workspace.create",
            Self::DeleteServiceAccount => "serviceAccount.delete",
        }
    }
}
