//! The breaker of the whole run: what is refused in the same words wherever a run begins is not
//! about the rows. An installation with user management off, or under SCIM, cannot be recognised
//! beforehand; it is recognised here.
//!
//! Main type: [`Refusals`]. Pure: it counts refusals and says when they are enough. What Houston
//! accepts even once proves that the installation allows it, and counting ends.

use crate::houston::{Fault, RejectedKind};
use crate::outcome::Cause;

/// So many refusals in the same words end the run.
const REFUSALS: usize = 6;
/// So many do if they may be temporary. A failing database that refuses three writes in ten by chance
/// refuses the first twelve of a run once in more than a million runs.
const PASSING_REFUSALS: usize = 12;
/// They must come from so many workspaces, where the plan has as many.
const WORKSPACES: usize = 3;
/// And from so many people, where the plan has as many operations.
const PEOPLE: usize = 3;
/// So many different texts are distinguished; a server with more of them does not repeat itself.
const TEXTS: usize = 16;

/// How strongly a refusal points to the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Nothing else can be meant.
    Certain,
    /// About the installation, but not about all of its people.
    Policy,
    /// The message is unknown. It may be about one workspace.
    Unknown,
    /// As before, but it may be temporary: the write is sent again.
    Passing,
}

/// Where and for whom a refusal came.
#[derive(Debug)]
struct Refused {
    words: String,
    count: usize,
    workspaces: Vec<usize>,
    people: Vec<String>,
}

/// How large a run is.
#[derive(Debug, Clone, Copy)]
struct Extent {
    workspaces: usize,
    operations: usize,
    /// How often a write is sent at most before its workspace is closed.
    sends: usize,
}

/// The refusals of a run in which nothing has been accepted yet.
#[derive(Debug)]
pub struct Refusals {
    extent: Extent,
    /// `None` once something was accepted.
    seen: Option<Vec<Refused>>,
    /// What the writes do to people.
    verb: &'static str,
}

impl Refusals {
    /// Of a plan with so many workspaces and operations, each sent again up to `retries` times.
    pub fn new(workspaces: usize, operations: usize, retries: u32) -> Self {
        let sends = (retries as usize).saturating_add(1);
        let verb = "added";
        Self { extent: Extent { workspaces, operations, sends }, seen: Some(Vec::new()), verb }
    }

    /// The same for writes that do something else to people than to add them.
    #[must_use]
    pub fn of(self, verb: &'static str) -> Self {
        Self { verb, ..self }
    }

    /// Houston accepted a write, or showed that it would.
    pub fn accepted(&mut self) {
        self.seen = None;
    }

    /// A write for this person was refused. Gives the cause to end the run for, once there is one.
    pub fn refused(&mut self, fault: &Fault, workspace: usize, email: &str) -> Option<Cause> {
        let seen = self.seen.as_mut()?;
        let (weight, text) = weigh(fault)?;
        let words = words(text);
        let place = match seen.iter().position(|refused| refused.words == words) {
            Some(place) => place,
            None if seen.len() < TEXTS => {
                seen.push(Refused { words, count: 0, workspaces: Vec::new(), people: Vec::new() });
                seen.len() - 1
            }
            None => return None,
        };
        let refused = &mut seen[place];
        refused.count += 1;
        if !refused.workspaces.contains(&workspace) {
            refused.workspaces.push(workspace);
        }
        if !refused.people.iter().any(|known| known == email) {
            refused.people.push(email.to_owned());
        }
        let is_enough = self.extent.is_met(weight, refused);
        is_enough.then(|| Cause::new(fault.code(), sentence(fault, weight, refused, text, self.verb)))
    }
}

impl Extent {
    /// Whether these refusals are enough for a run of this extent.
    fn is_met(self, weight: Weight, refused: &Refused) -> bool {
        let few = WORKSPACES.min(self.workspaces);
        let (count, workspaces, people) = match weight {
            Weight::Certain => (1, 1, 1),
            Weight::Policy => (REFUSALS.min(self.operations), few, PEOPLE.min(self.operations)),
            Weight::Unknown => (REFUSALS.min(self.operations), few.max(2), few.max(2)),
            Weight::Passing => (PASSING_REFUSALS.min(few * self.sends), few.max(2), few.max(2)),
        };
        refused.count >= count && refused.workspaces.len() >= workspaces && refused.people.len() >= people
    }
}

/// How strongly a fault points to the installation, and its text; none if it does not.
fn weigh(fault: &Fault) -> Option<(Weight, &str)> {
    match fault {
        Fault::Rejected { kind, text } => {
            let weight = match kind {
                RejectedKind::UserManagementOff => Weight::Certain,
                RejectedKind::Scim => Weight::Policy,
                RejectedKind::SignUp | RejectedKind::Other => Weight::Unknown,
                RejectedKind::BadEmail
                | RejectedKind::BadRole
                | RejectedKind::NotInWorkspace
                | RejectedKind::NotFound
                | RejectedKind::LastAdmin
                | RejectedKind::Ambiguous
                | RejectedKind::WorkspaceState => return None,
            };
            Some((weight, text))
        }
        Fault::Internal { text } => Some((Weight::Passing, text)),
        Fault::Unsent { .. }
        | Fault::NoAnswer { .. }
        | Fault::Proxy { .. }
        | Fault::Throttled { .. }
        | Fault::Denied { .. }
        | Fault::Expired { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Malformed { .. } => None,
    }
}

/// The part of a message that is the same in equal refusals: without addresses, ids, numbers and what
/// is quoted.
fn words(text: &str) -> String {
    let plain = |word: &&str| !word.contains('@') && !word.contains(|c: char| c.is_ascii_digit());
    let unquoted: Vec<&str> = text.split('"').step_by(2).collect();
    unquoted.join(" ").to_lowercase().split_whitespace().filter(plain).collect::<Vec<_>>().join(" ")
}

fn sentence(fault: &Fault, weight: Weight, refused: &Refused, text: &str, verb: &str) -> String {
    let means = match weight {
        Weight::Certain => "user management is off".to_owned(),
        Weight::Policy => {
            format!("Houston refused the first {} writes, because SCIM manages its users", refused.count)
        }
        Weight::Unknown | Weight::Passing => format!(
            "Houston refused the first {} writes, in {} workspaces, with the same message; user management may be off, or SCIM may manage its users",
            refused.count,
            refused.workspaces.len()
        ),
    };
    let text = if text.is_empty() { fault.to_string() } else { text.to_owned() };
    format!("people cannot be {verb}: {means}. Houston's message: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(kind: RejectedKind, text: &str) -> Fault {
        Fault::Rejected { kind, text: text.to_owned() }
    }

    fn internal(text: &str) -> Fault {
        Fault::Internal { text: text.to_owned() }
    }

    /// After how many refusals the run ends, if the workspaces of a plan take turns and every row
    /// is another person's. At most 30 are tried.
    fn ends_after(workspaces: usize, operations: usize, retries: u32, fault: &Fault) -> Option<usize> {
        let mut refusals = Refusals::new(workspaces, operations, retries);
        let person = |turn: usize| format!("p{}@example.com", turn % operations);
        (0..30)
            .find(|turn| refusals.refused(fault, turn % workspaces, &person(*turn)).is_some())
            .map(|turn| turn + 1)
    }

    #[test]
    fn a_few_refusals_end_a_run_and_what_is_about_one_row_does_not() {
        let scim = rejected(RejectedKind::Scim, "Users are managed by SCIM");
        let off = rejected(RejectedKind::UserManagementOff, "User management is disabled");
        let other = rejected(RejectedKind::Other, "This installation is read-only");
        let unknown = internal("Something went wrong");
        let table = [
            (&off, 1, 1, Some(1)),
            (&off, 50, 5_000, Some(1)),
            (&scim, 1, 1, Some(1)),
            (&scim, 1, 2, Some(2)),
            (&scim, 1, 5_000, Some(6)),
            (&scim, 50, 5_000, Some(6)),
            (&other, 1, 5_000, None),
            (&other, 2, 5_000, Some(6)),
            (&other, 2, 2, Some(2)),
            (&other, 50, 5_000, Some(6)),
            (&unknown, 1, 5_000, None),
            (&unknown, 2, 5_000, Some(10)),
            (&unknown, 50, 5_000, Some(12)),
        ];
        for (fault, workspaces, operations, after) in table {
            let found = ends_after(workspaces, operations, 4, fault);
            assert_eq!(found, after, "{fault:?}, {operations} rows in {workspaces} workspaces");
        }
        assert_eq!(ends_after(3, 5_000, 0, &unknown), Some(3), "closed after one send each");
        for kind in [
            RejectedKind::BadEmail,
            RejectedKind::BadRole,
            RejectedKind::NotInWorkspace,
            RejectedKind::NotFound,
            RejectedKind::LastAdmin,
            RejectedKind::Ambiguous,
            RejectedKind::WorkspaceState,
        ] {
            assert_eq!(ends_after(50, 5_000, 4, &rejected(kind, "no")), None, "{kind:?}");
        }
        let broken = Fault::no_answer(crate::houston::NoAnswerCause::Reset, "");
        assert_eq!(ends_after(50, 5_000, 4, &broken), None);
    }

    #[test]
    fn one_person_or_one_workspace_does_not_speak_for_the_installation() {
        let mut refusals = Refusals::new(5, 100, 4);
        for turn in 0..30 {
            assert_eq!(refusals.refused(&internal("no"), turn % 5, "ana@example.com"), None);
        }
        let mut refusals = Refusals::new(5, 100, 4);
        for turn in 0..30 {
            assert_eq!(refusals.refused(&internal("no"), 0, &format!("p{turn}@example.com")), None);
        }
    }

    #[test]
    fn one_success_speaks_for_the_installation() {
        let mut refusals = Refusals::new(5, 100, 4);
        let person = |turn: usize| format!("p{turn}@example.com");
        for turn in 0..5 {
            assert_eq!(refusals.refused(&internal("no"), turn, &person(turn)), None);
        }
        refusals.accepted();
        for turn in 5..50 {
            assert_eq!(refusals.refused(&internal("no"), turn % 5, &person(turn)), None);
        }
    }

    #[test]
    fn texts_that_differ_in_names_and_numbers_only_are_the_same() {
        let same = [
            "Cannot add ana@example.com to \"Finance\" (request 17)",
            "Cannot add ben@example.com to \"Data Platform\" (request 18)",
            "cannot add  <cy@example.com> to \"x\" (request a7)",
        ];
        for text in same {
            assert_eq!(words(text), words(same[0]));
        }
        assert_ne!(words("Cannot add this person"), words("Cannot add that person"));
    }

    #[test]
    fn texts_that_differ_are_counted_apart() {
        let mut refusals = Refusals::new(5, 1_000, 4);
        for turn in 0..200 {
            let text = format!("word{}", "x".repeat(turn));
            assert_eq!(refusals.refused(&internal(&text), turn % 5, &format!("p{turn}@example.com")), None);
        }
        assert_eq!(refusals.seen.as_ref().map(Vec::len), Some(TEXTS));
    }

    #[test]
    fn the_sentence_has_the_words_of_the_server() {
        let mut refusals = Refusals::new(3, 3, 0);
        refusals.refused(&internal("Computer says no"), 0, "a@example.com");
        refusals.refused(&internal("Computer says no"), 1, "b@example.com");
        let cause = refusals.refused(&internal("Computer says no"), 2, "c@example.com").expect("enough");
        for part in ["user management", "SCIM", "3 workspaces", "Computer says no"] {
            assert!(cause.text.contains(part), "{part}: {}", cause.text);
        }
    }

    #[test]
    fn the_words_say_what_was_refused() {
        let fault = rejected(RejectedKind::UserManagementOff, "no");
        let words = |mut refusals: Refusals| refusals.refused(&fault, 0, "a@example.com").unwrap().text;
        assert!(words(Refusals::new(1, 1, 0)).starts_with("people cannot be added: "));
        assert!(words(Refusals::new(1, 1, 0).of("removed")).starts_with("people cannot be removed: "));
    }
}
