//! What the database layer says when it fails, and where it says so: in the words of Prisma 1 of 2019
//! and 2020, or of the Prisma that came after it.
//!
//! Main functions: [`Database::gone`], [`Database::unconnected`], [`Database::trouble`]. Prisma 1 names its
//! own operation as the path of an error, not the field of the request.

use super::profile::Database;
use super::refused::{INTERNAL, Operation, Refused};

impl Database {
    /// A record is to be deleted that is gone. Of the later texts, this is that of Prisma 6.
    pub(super) fn gone(self, operation: Operation, kind: &str, id: &str) -> Refused {
        let text = match self {
            Self::Prisma1 => no_node(kind, id),
            Self::Prisma2 => invalid(operation, "No record was found for a delete."),
        };
        self.failure(operation, text)
    }

    /// A new record is to be connected with one that does not exist. The later text is assumed.
    pub(super) fn unconnected(self, operation: Operation, kind: &str, id: &str) -> Refused {
        let text = match self {
            Self::Prisma1 => no_node(kind, id),
            Self::Prisma2 => {
                invalid(operation, &format!("No '{kind}' record was found for a nested connect."))
            }
        };
        self.failure(operation, text)
    }

    /// A record is to be found by nothing. The later text is assumed to be the same.
    pub(super) fn unselected(self, operation: Operation, kind: &str) -> Refused {
        let text = format!(
            "You provided an invalid argument for the where selector on {kind}. Please provide exactly one \
             unique field and value."
        );
        self.failure(operation, text)
    }

    fn failure(self, operation: Operation, text: String) -> Refused {
        let refused = Refused::new(INTERNAL, text);
        match self {
            Self::Prisma1 => Refused { database: Some(operation), ..refused },
            Self::Prisma2 => refused,
        }
    }
}

fn no_node(kind: &str, id: &str) -> String {
    format!("No Node for the model {kind} with value {id} for id found.")
}

fn invalid(operation: Operation, what: &str) -> String {
    format!(
        "\nInvalid `prisma.{}()` invocation:\n\n\nAn operation failed because it depends on one or more records \
         that were required but not found. {what}",
        operation.call()
    )
}
