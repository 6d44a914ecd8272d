//! The token of a process, which may be replaced while requests are in flight.
//!
//! Main types: [`Credential`], the token in force, shared by all senders, and [`Renewing`],
//! a transport that reads a token file again when Houston no longer takes what it held before. It asks
//! Houston only whether the token is valid, and never sends again what may have had an effect.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use super::answer::refusal_in;
use super::fault::Fault;
use super::operations::{self, Operation};
use super::token::{Token, TokenKind};
use super::transport::{Answer, Budget, Failure, Kind, Request, Transport};
use crate::time::{Cancel, Clock, Waited};

/// How often one request is sent again with a new token; after that many dead ones it fails.
const MOST_RENEWALS: u32 = 3;
/// A file whose token is dead is looked at again this often, for it may be about to be written.
const GLANCES: u32 = 5;
/// The time from one look to the next.
const GLANCE: Duration = Duration::from_millis(200);

/// The token in force. Cheap to clone: clones are one credential.
#[derive(Clone)]
pub struct Credential(Arc<RwLock<Vec<Arc<Token>>>>);

impl Credential {
    /// This token, until another one replaces it.
    pub fn new(token: Token) -> Self {
        Self(Arc::new(RwLock::new(vec![Arc::new(token)])))
    }

    /// How often the token was replaced.
    pub fn renewals(&self) -> usize {
        self.tokens().len() - 1
    }

    /// When the token in force says that it ends, see [`Token::expires`].
    pub fn expires(&self) -> Option<SystemTime> {
        self.token()?.expires()
    }

    /// The user that the token in force was made for, by its own claim; see [`Token::user_id`].
    pub fn user_id(&self) -> Option<String> {
        self.token()?.user_id()
    }

    /// What the token in force looks like.
    pub fn kind(&self) -> TokenKind {
        self.token().map_or(TokenKind::Unknown, |token| token.kind())
    }

    /// The token in force.
    pub(super) fn token(&self) -> Option<Arc<Token>> {
        self.tokens().last().cloned()
    }

    /// Redacts every token this process has used wherever a foreign text repeats it.
    pub(super) fn scrub(&self, body: Vec<u8>) -> Vec<u8> {
        self.tokens().iter().fold(body, |body, token| token.scrub(body))
    }

    /// Whether this is another token than the one in force; then it is in force from now on.
    fn take(&self, token: Token) -> bool {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = tokens.last().is_none_or(|held| !held.is_same(&token));
        if is_new {
            tokens.push(Arc::new(token));
        }
        is_new
    }

    fn tokens(&self) -> RwLockReadGuard<'_, Vec<Arc<Token>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("renewals", &self.renewals()).finish_non_exhaustive()
    }
}

/// Reads the token's file again when Houston refuses the caller, and sends the refused request
/// again if the file has another token: a refusal had no effect. If the file brings nothing new and
/// the token turns out to be dead, the refusal becomes [`Fault::Expired`]; a [`Fault::Denied`] that
/// comes out of here was said to a token that lives.
pub struct Renewing<T> {
    inner: T,
    credential: Credential,
    file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    cancel: Cancel,
    /// The holder reads the file; the others wait for the result. It has the number of the token
    /// that was last found dead for good.
    desk: Mutex<Option<usize>>,
}

impl<T: fmt::Debug> fmt::Debug for Renewing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewing")
            .field("inner", &self.inner)
            .field("credential", &self.credential)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// What is known of a token after a look into its file.
enum Standing {
    /// Another one has replaced it.
    Replaced,
    /// It is valid, or that is unknown: the refusal stands.
    Alive,
    /// It is dead, and no other was found.
    Dead,
}

impl<T> Renewing<T> {
    /// Renews the credential from a file; without one it does nothing.
    pub fn new(
        inner: T,
        credential: Credential,
        file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        cancel: Cancel,
    ) -> Self {
        Self { inner, credential, file, clock, cancel, desk: Mutex::new(None) }
    }

    /// Whether the file holds another token, which is in force from now on. A file that is missing,
    /// empty or half written holds none; what is not a plain file could make us wait for ever.
    fn renew(&self, file: &Path) -> bool {
        let is_plain = std::fs::metadata(file).is_ok_and(|found| found.is_file());
        is_plain && Token::from_file(file).is_ok_and(|token| self.credential.take(token))
    }

    /// The same, for a file that may be about to be written.
    fn renew_patiently(&self, file: &Path) -> bool {
        (0..GLANCES).any(|_| self.clock.wait(GLANCE, &self.cancel) == Waited::Fully && self.renew(file))
    }
}

impl<T: Transport> Renewing<T> {
    /// Finds out about the token with this number, after Houston has refused it.
    fn look(&self, file: &Path, number: usize, is_certain: bool) -> Standing {
        let mut dead = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if self.credential.renewals() != number || self.renew(file) {
            return Standing::Replaced;
        }
        if *dead == Some(number) {
            return Standing::Dead;
        }
        if !is_certain && refusal(&self.inner.send(&who_am_i())).is_none() {
            return Standing::Alive;
        }
        if self.renew_patiently(file) {
            return Standing::Replaced;
        }
        *dead = Some(number);
        Standing::Dead
    }
}

impl<T: Transport> Transport for Renewing<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let Some(file) = self.file.as_ref().filter(|_| request.kind != Kind::Once) else {
            return self.inner.send(request);
        };
        let (mut attempts, mut renewals) = (0, 0);
        loop {
            let number = self.credential.renewals();
            let mut result = self.inner.send(request);
            let (Ok(Answer { attempts: sent, .. }) | Err(Failure { attempts: sent, .. })) = &mut result;
            attempts += *sent;
            *sent = attempts;
            let Some(Refusal { text, is_certain }) = refusal(&result) else { return result };
            let is_certain = is_certain || request.operation == WHO_AM_I;
            match self.look(file, number, is_certain) {
                Standing::Alive => return result,
                Standing::Replaced if renewals < MOST_RENEWALS => renewals += 1,
                // The caller knows what a refusal means.
                Standing::Replaced | Standing::Dead if request.operation == WHO_AM_I => return result,
                Standing::Replaced | Standing::Dead => {
                    let fault = Fault::expired(&format!("{text}; its file holds no newer token"));
                    return Err(Failure { fault, attempts });
                }
            }
        }
    }
}

const WHO_AM_I: &str = <operations::Caller as Operation>::NAME;

/// What any living token may ask.
fn who_am_i() -> Request {
    Request {
        operation: WHO_AM_I,
        kind: Kind::Read,
        body: operations::body::<operations::Caller>(operations::caller::Variables {}),
        timeout: None,
        budget: Budget::Exempt,
    }
}

/// A request that was refused as a whole because of who asks: it had no effect.
struct Refusal {
    /// In the server's words.
    text: String,
    /// Whether it is the token that is wrong; otherwise it may be a right that is missing.
    is_certain: bool,
}

fn refusal(result: &Result<Answer, Failure>) -> Option<Refusal> {
    let fault = match result {
        Ok(answer) => refusal_in(&answer.body, answer.status)?,
        Err(failure) => failure.fault.clone(),
    };
    let is_certain = matches!(fault, Fault::Expired { .. });
    if let Fault::Denied { text } | Fault::Expired { text } = fault {
        Some(Refusal { text, is_certain })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, LazyLock};
    use std::thread;
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;
    use crate::houston::scripted::request;
    use crate::houston::transport::Held;
    use crate::houston::{Http, HttpSettings, Target};
    use crate::outcome::Code;
    use crate::time::ManualClock;

    const GOOD: &str = r#"{"data":{"a":{"id":"1"}}}"#;
    const DENIED: &str =
        r#"{"data":{"a":null},"errors":[{"message":"no","path":["a"],"extensions":{"code":"FORBIDDEN"}}]}"#;
    const INVALID: &str = r#"{"data":null,"errors":[{"message":"Invalid JWT"}]}"#;
    const PARTIAL: &str = r#"{"data":{"a":null,"b":{"id":"1"}},"errors":[{"message":"no","path":["a"],"extensions":{"code":"FORBIDDEN"}}]}"#;

    type Answers = dyn Fn(&str, &Request) -> &'static str + Send + Sync;

    /// A Houston that looks at the token.
    struct Doorman {
        credential: Credential,
        answers: Box<Answers>,
        seen: Mutex<Vec<(String, &'static str)>>,
    }

    impl Transport for Doorman {
        fn send(&self, request: &Request) -> Result<Answer, Failure> {
            let token = self.credential.token().unwrap().header().unwrap().to_str().unwrap().to_owned();
            let body = (self.answers)(&token, request).as_bytes().to_vec();
            self.seen.lock().unwrap().push((token, request.operation));
            Ok(Answer { body, status: 200, attempts: 1, held: Held::default() })
        }
    }

    struct Stage {
        transport: Renewing<Doorman>,
        clock: ManualClock,
        start: Instant,
        folder: TempDir,
    }

    fn token(text: &str) -> Token {
        Token::new(text, "test").unwrap()
    }

    fn stage(answers: impl Fn(&str, &Request) -> &'static str + Send + Sync + 'static) -> Stage {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::default());
        let credential = Credential::new(token("hush.old"));
        let doorman =
            Doorman { credential: credential.clone(), answers: Box::new(answers), seen: Mutex::default() };
        let file = folder.path().join("token");
        std::fs::write(&file, "hush.old\n").unwrap();
        let waits = Arc::new(clock.clone());
        let transport = Renewing::new(doorman, credential, Some(file), waits, Cancel::new());
        Stage { start: clock.now(), transport, clock, folder }
    }

    impl Stage {
        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("token"), text).unwrap();
        }

        fn send(&self, kind: Kind) -> Result<Answer, Failure> {
            self.transport.send(&request(kind))
        }

        fn seen(&self) -> Vec<(String, &'static str)> {
            self.transport.inner.seen.lock().unwrap().clone()
        }
    }

    fn only_new(token: &str, _: &Request) -> &'static str {
        if token == "hush.new" { GOOD } else { DENIED }
    }

    #[test]
    fn a_refused_request_is_sent_again_with_the_token_that_the_file_has_now() {
        for kind in [Kind::Read, Kind::Write] {
            let stage = stage(only_new);
            stage.write("hush.new\n");
            let answer = stage.send(kind).unwrap();
            assert_eq!((answer.body.as_slice(), answer.attempts), (GOOD.as_bytes(), 2));
            let seen = [("hush.old".to_owned(), "Test"), ("hush.new".to_owned(), "Test")];
            assert_eq!(stage.seen(), seen);
            assert_eq!(stage.transport.credential.renewals(), 1);
            assert!(stage.send(kind).is_ok());
            assert_eq!(stage.seen().len(), 3, "the new one is in force");
        }
    }

    #[test]
    fn what_must_not_be_sent_twice_is_not_sent_again_with_another_token() {
        let stage = stage(only_new);
        stage.write("hush.new");
        assert_eq!(stage.send(Kind::Once).unwrap().body, DENIED.as_bytes());
        assert_eq!((stage.seen().len(), stage.transport.credential.renewals()), (1, 0));
    }

    #[test]
    fn without_a_file_or_without_a_refusal_nothing_is_looked_at() {
        let plain =
            Stage { transport: Renewing { file: None, ..stage(only_new).transport }, ..stage(only_new) };
        assert_eq!(plain.send(Kind::Write).unwrap().body, DENIED.as_bytes());
        assert_eq!(plain.seen().len(), 1);
        for body in [PARTIAL, GOOD, r#"{"data":null,"errors":[{"message":"x"}]}"#] {
            let stage = stage(move |_, _| body);
            stage.write("hush.new");
            assert_eq!(stage.send(Kind::Write).unwrap().body, body.as_bytes());
            assert_eq!((stage.seen().len(), stage.transport.credential.renewals()), (1, 0), "{body}");
        }
    }

    #[test]
    fn many_at_once_read_the_file_once() {
        static TOGETHER: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(16));
        let stage = stage(|token, _| {
            if token == "hush.old" {
                // All of them are refused before any of them reads the file.
                TOGETHER.wait();
                DENIED
            } else {
                GOOD
            }
        });
        stage.write("hush.new");
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| assert_eq!(stage.send(Kind::Write).unwrap().attempts, 2));
            }
        });
        assert_eq!(stage.transport.credential.renewals(), 1);
        assert_eq!(stage.seen().len(), 32);
        assert_eq!(stage.clock.now(), stage.start);
    }

    #[test]
    fn a_file_that_brings_nothing_new_ends_with_a_dead_token_after_a_moment() {
        for text in [None, Some(""), Some("hush.old"), Some("two\nlines"), Some("Bearer ")] {
            let stage = stage(only_new);
            match text {
                Some(text) => stage.write(text),
                None => std::fs::remove_file(stage.folder.path().join("token")).unwrap(),
            }
            for waited in [GLANCE * GLANCES; 2] {
                let failure = stage.send(Kind::Write).unwrap_err();
                assert_eq!((failure.fault.code(), failure.attempts), (Code::TokenInvalid, 1), "{text:?}");
                assert_eq!(stage.clock.now() - stage.start, waited, "who is dead once is not waited for");
            }
            let operations: Vec<_> = stage.seen().into_iter().map(|(_, operation)| operation).collect();
            assert_eq!(operations, ["Test", WHO_AM_I, "Test"], "one question for everybody");
            stage.write("hush.new");
            assert!(stage.send(Kind::Write).is_ok(), "but it is looked at");
        }
    }

    #[test]
    fn a_refusal_of_a_living_token_stands() {
        let stage = stage(|_, request| if request.operation == WHO_AM_I { GOOD } else { DENIED });
        let answer = stage.send(Kind::Write).unwrap();
        assert_eq!((answer.body.as_slice(), answer.attempts), (DENIED.as_bytes(), 1));
        assert_eq!(stage.seen().len(), 2);
        assert_eq!(stage.clock.now(), stage.start);
    }

    #[test]
    fn a_token_that_is_dead_for_certain_needs_no_question() {
        let certain = stage(|token, _| if token == "hush.new" { GOOD } else { INVALID });
        assert_eq!(certain.send(Kind::Write).unwrap_err().fault.code(), Code::TokenInvalid);
        assert_eq!(certain.seen().len(), 1);
        let asked = stage(only_new);
        assert_eq!(asked.transport.send(&who_am_i()).unwrap().body, DENIED.as_bytes());
        assert_eq!(asked.seen().len(), 1);
        assert_eq!(asked.clock.now() - asked.start, GLANCE * GLANCES);
    }

    #[test]
    fn a_file_full_of_dead_tokens_is_no_loop() {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let written = file.clone();
        let rotating = stage(move |_, _| {
            let text = format!("hush.dead{}", NUMBER.fetch_add(1, Ordering::SeqCst));
            std::fs::write(&written, text).unwrap();
            DENIED
        });
        let rotating = Stage { transport: Renewing { file: Some(file), ..rotating.transport }, ..rotating };
        let failure = rotating.send(Kind::Write).unwrap_err();
        assert_eq!((failure.fault.code(), failure.attempts), (Code::TokenInvalid, MOST_RENEWALS + 1));
    }

    /// A clock that writes the file at the second wait, in two pieces.
    struct Writing(ManualClock, AtomicUsize, PathBuf);

    impl Clock for Writing {
        fn now(&self) -> Instant {
            self.0.now()
        }

        fn wait(&self, duration: Duration, cancel: &Cancel) -> Waited {
            let pieces = ["", "hush.n", "hush.new"];
            std::fs::write(&self.2, pieces[self.1.fetch_add(1, Ordering::SeqCst).min(2)]).unwrap();
            self.0.wait(duration, cancel)
        }
    }

    #[test]
    fn a_file_that_is_just_being_written_is_waited_for() {
        let stage = stage(only_new);
        let file = stage.folder.path().join("token");
        let clock = Arc::new(Writing(stage.clock.clone(), AtomicUsize::new(0), file));
        let transport = Renewing { clock, ..stage.transport };
        let answer = transport.send(&request(Kind::Write)).unwrap();
        assert_eq!((answer.body.as_slice(), answer.attempts), (GOOD.as_bytes(), 3));
        assert_eq!(transport.credential.renewals(), 2, "half a token was tried");
    }

    #[cfg(unix)]
    #[test]
    fn a_swapped_link_is_followed_and_a_pipe_is_not_waited_for() {
        let stage = stage(only_new);
        let path = |name: &str| stage.folder.path().join(name);
        std::fs::write(path("new"), "hush.new").unwrap();
        std::os::unix::fs::symlink(path("new"), path("link")).unwrap();
        std::fs::rename(path("link"), path("token")).unwrap();
        assert!(stage.send(Kind::Write).is_ok());

        let piped = self::stage(only_new);
        let pipe = piped.folder.path().join("token");
        std::fs::remove_file(&pipe).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(piped.send(Kind::Write).unwrap_err().fault.code(), Code::TokenInvalid);
    }

    #[test]
    fn a_pulled_cancel_ends_the_looking() {
        let stage = stage(only_new);
        stage.transport.cancel.pull();
        assert_eq!(stage.send(Kind::Write).unwrap_err().fault.code(), Code::TokenInvalid);
        assert_eq!(stage.clock.now(), stage.start);
    }

    #[test]
    fn nothing_shows_a_token_and_all_of_them_are_taken_out_of_foreign_texts() {
        let stage = stage(only_new);
        stage.write("hush.new");
        stage.send(Kind::Write).unwrap();
        let credential = &stage.transport.credential;
        assert!(!format!("{credential:?}").contains("hush"), "{credential:?}");
        assert_eq!(credential.scrub(b"<hush.old> <hush.new>".to_vec()), b"<[token]> <[token]>");
        let target = Target::from_url("http://127.0.0.1:9/v1").unwrap();
        let http = Http::new(&target, Some(credential.clone()), HttpSettings::default());
        let clock = Arc::new(ManualClock::default());
        let renewing = Renewing::new(http, credential.clone(), None, clock, Cancel::new());
        assert!(!format!("{renewing:?}").contains("hush"), "{renewing:?}");
    }
}
