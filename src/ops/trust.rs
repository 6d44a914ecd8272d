//! Whether a run's folder may be resumed. One that another user made, or can change, can name any
//! server to send the token to and any people to remove: it is refused, unless the user says that this
//! very folder is meant.
//!
//! Main type: [`Origin`]. It decides; the command line asks the user.

use super::failure::Failure;
use crate::model::{printable, shell_word};
use crate::outcome::ExitStatus;
use crate::record::folder::{Distrust, LATEST, RunFolder};
use crate::record::journal::{Header, Reach};

/// Who wrote what a run's folder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The present user, and no one else can.
    Own,
    /// Perhaps another user; the present one said `--trust-folder`.
    Foreign(Distrust),
}

impl Origin {
    /// Whose word a folder is; `named` is how the user named it.
    ///
    /// # Errors
    /// It may be another user's, and `--trust-folder` does not say that this very folder is meant (2).
    pub fn of(folder: &RunFolder, named: &str, trusted: bool) -> Result<Self, Failure> {
        let usage = |text: String| Failure::new(ExitStatus::Usage, anyhow::anyhow!(text));
        match (folder.distrust(), trusted) {
            (None, _) => Ok(Self::Own),
            (Some(why), true) if named != LATEST => Ok(Self::Foreign(why)),
            (Some(_), true) => {
                Err(usage("--trust-folder needs the run's id or folder, not `latest`".to_owned()))
            }
            (Some(why), false) => {
                let id = printable(folder.id());
                let hint = format!(
                    "a run folder can send your token to any server and remove anyone. Review it with `report`. {}If you trust its author: resume --trust-folder {}",
                    close(folder, why),
                    shell_word(named)
                );
                Err(usage(format!("refusing to resume run {id}: {why}; nothing was sent")).hint(hint))
            }
        }
    }

    /// How the run was reached, as far as that may be believed: paths and trust that another user chose
    /// are not used.
    pub fn reach(self, header: &Header) -> Reach {
        match self {
            Self::Own => header.reach.clone(),
            Self::Foreign(_) => Reach::default(),
        }
    }
}

/// The command that takes others' write access to a folder away, if that is all that is wrong.
fn close(folder: &RunFolder, why: Distrust) -> String {
    match why {
        Distrust::OthersWrite { .. } | Distrust::GroupWrites { .. } => {
            let path = crate::report::shell_word(folder.path());
            format!("If no one else wrote to it: chmod go-w {path}, then resume again. ")
        }
        Distrust::Foreign { .. } | Distrust::Link | Distrust::Linked { .. } => String::new(),
    }
}
