//! The types every part of the program shares: an email, a role, a workspace, a row of the roster.
//!
//! Main type: [`Assignment`], one row of the desired state. Values here can only be built valid;
//! this module must not know any other part of the program.

mod email;
mod glob;
mod ids;
mod line_numbers;
mod load;
pub mod period;
mod role;
mod shard;
pub mod target_key;
mod text;

pub use self::email::{Emails, domain_key, email_key, normalize_email, other_spelling};
pub use self::glob::Glob;
pub use self::ids::{ItemId, NotAWorkspaceId, RowNumber, WorkspaceId};
pub use self::line_numbers::LineNumbers;
pub use self::load::{LimitedBy, Load, Strain};
pub use self::role::{Level, NotARole, Role, Scope};
pub use self::shard::{NotAShard, Shard};
pub use self::text::{
    escaped_json, in_words, inert, is_harmless, is_invisible, printable, runs_as_formula, shell_word,
    spelled_out, stand_in, with_ends, without_os_number,
};

/// One wish of the roster: this person holds this role in this workspace. The email is trimmed, in
/// lower case and of valid form; the workspace is still the text of the file (an id or a label).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// Which row wishes it.
    pub row: RowNumber,
    /// The physical line where that row begins, from 1.
    pub line: u32,
    /// Who, as the file spells the address, in lower case ([`normalize_email`]).
    pub email: &'a str,
    /// As what.
    pub role: Level,
    /// Where: index into the roster's list of distinct workspace texts.
    pub workspace: u32,
}
