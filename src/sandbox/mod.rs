//! An embedded Houston: a real GraphQL engine over a state in memory, with faults on demand.
//!
//! Main type: [`Sandbox`]. It serves to rehearse a run and to test the client, so
//! it is never easier than the real server: it parses, validates and coerces like one, keeps the
//! oddities of each version, carries a request on when the client has gone, and keeps an
//! [`Audit`] of every mutation. It shares nothing with the client, not even the names of roles: a
//! mistake made on both sides must not cancel out.
//!
//! Everything that happens by chance is drawn from one seed, request by request in the order of
//! arrival. Faults are described in [`FAULTS_HELP`], switches in [`switches_help`], the state file
//! in [`state`].
//!
//! What is not known of the real server is assumed, and marked as such where it is written:
//! which versions have the modern membership model, whether `workspaceAddUser` is nullable, the
//! texts for user management off, SCIM on and the last admin of a workspace, the pattern for
//! addresses, the order and the cursor of paged lists, whether pending people are in the lists,
//! what an upsert does for strangers, whether a dead token still fails inside `self` after 0.23, and
//! that `isAdmin` and `permissions` stayed the constants that they were in 2020.

mod access;
mod accounts;
mod audit;
mod database;
mod deployments;
mod engine;
mod export;
mod faults;
mod installation;
mod limits;
mod membership;
mod mutations;
mod pages;
mod profile;
mod queries;
mod refused;
mod resolve;
mod roles;
mod schema;
mod server;
pub mod state;
mod switches;
mod table;
mod teams;
mod text;
mod tokens;
mod variables;
mod workspaces;
mod world;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

pub use audit::{Applied, Audit, AuditEntry};
pub use faults::{FAULTS_HELP, FaultError, Faults};
pub use mutations::LOCAL_PASSWORD;
pub use pages::Delivery;
pub use profile::{Database, DeadToken, Model, Profile, Readers, Refusal, Style, UnknownName};
pub use schema::schema;
pub use state::{Role, State};
pub use switches::{SwitchError, Switches, Version, switches_help};
pub use tokens::{SERVICE_ACCOUNT_KEY, Tokens};
pub use world::{DuplicateBinding, DuplicateInvite};

use audit::{Recorder, locked};
use engine::Engine;
use faults::Dice;
use server::Shared;
use switches::Behaviour;
use world::World;

/// Why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Its threads could not be started.
    #[error("cannot start the server's threads")]
    Threads(#[source] std::io::Error),
    /// The state file cannot be used.
    #[error("cannot use the state file {}{}", path.display(), source.position())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: state::StateError,
    },
    /// The state cannot be used.
    #[error("cannot use the state")]
    State(#[source] state::StateError),
}

/// What kind of Houston to play.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The version.
    pub profile: Profile,
    /// The membership model, if not the profile's own.
    pub model: Option<Model>,
    /// Latency of every request to `/v1`, on top of the work itself.
    pub latency: Duration,
    /// The faults to inject.
    pub faults: Faults,
    /// Where chance starts: faults, latencies, new ids.
    pub seed: u64,
    /// A state file or a roster export; the built-in world if none.
    pub state: Option<PathBuf>,
    /// The port; 0: any that is free.
    pub port: u16,
    /// The behaviours that differ between installations.
    pub switches: Switches,
}

/// A running Houston on 127.0.0.1, on threads of its own; it stops when this is dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    url: String,
    tokens: Tokens,
    runtime: Option<Runtime>,
}

impl Sandbox {
    /// Starts a sandbox from the state in `options.state`, or the built-in one.
    pub fn start(options: Options) -> Result<Self, Error> {
        let state = match &options.state {
            None => State::default(),
            Some(path) => {
                State::read(path).map_err(|source| Error::StateFile { path: path.clone(), source })?
            }
        };
        Self::start_with(options, state)
    }

    /// Starts a sandbox from this state; `options.state` only names it in errors.
    pub fn start_with(options: Options, state: State) -> Result<Self, Error> {
        let Options { profile, model, latency, faults, seed, state: path, port, switches } = options;
        let rules = Behaviour::new(profile, model, switches);
        let now = rules.switches.now;
        let world =
            World::new(&with_callers(state), rules.model, seed, now).map_err(|source| match path {
                Some(path) => Error::StateFile { path, source },
                None => Error::State(source),
            })?;
        let tokens = Tokens::of(&world);

        let listen = |source| Error::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let url = format!("http://{}/v1", listener.local_addr().map_err(listen)?);

        let cap = rules.switches.concurrency_cap;
        let threads = rules.switches.threads.max(1);
        let shared = Arc::new(Shared {
            engine: Engine::new(&rules),
            rules,
            world: Mutex::new(world),
            recorder: Arc::new(Recorder::new()),
            dice: Dice::new(faults, seed),
            latency,
            permits: (cap > 0).then(|| Semaphore::new(cap)),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("sandbox")
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(listen)?
        };
        runtime.spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, url, tokens, runtime: Some(runtime) })
    }

    /// The GraphQL endpoint: `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether its users have local passwords.
    pub fn has_local_passwords(&self) -> bool {
        self.shared.rules.people.local_auth
    }

    /// The token of a system admin.
    pub fn token(&self) -> &str {
        &self.tokens.system_admin
    }

    /// Tokens of every kind of caller.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// A token for the user with this address, if they exist.
    pub fn token_of(&self, email: &str) -> Option<String> {
        let world = locked(&self.shared.world);
        world.user_by_email(email).map(|at| tokens::lasting(&world.users[at].id))
    }

    /// A token of the user with this address that is new, and ends then. The fault `token-dies` does
    /// not concern it.
    pub fn fresh_token_of(&self, email: &str, ends: jiff::Timestamp) -> Option<String> {
        let world = locked(&self.shared.world);
        world.user_by_email(email).map(|at| tokens::fresh(&world.users[at].id, ends.as_second()))
    }

    /// What a client gets that posts this JSON to `/v1` without a connection, for tests in one process;
    /// `None` where the connection would be closed in place of an answer. An answer that is to come late
    /// comes at once, and says so.
    pub fn post(&self, authorization: &str, body: &[u8]) -> Option<Delivery> {
        let (authorization, body) = (authorization.to_owned(), body.to_vec().into());
        self.runtime.as_ref()?.block_on(server::post(Arc::clone(&self.shared), authorization, body))
    }

    /// What has happened so far.
    pub fn audit(&self) -> Audit {
        self.shared.recorder.audit(&locked(&self.shared.world), true)
    }

    /// The state now.
    pub fn state(&self) -> State {
        locked(&self.shared.world).to_state()
    }

    /// Replaces the faults; their seeded sequence restarts, dead tokens live again.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.dice.set(faults);
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Requests that are held for long are not waited for.
            runtime.shutdown_timeout(Duration::from_millis(500));
        }
    }
}

/// The state with a person who may do everything: a state from an export has none.
fn with_callers(mut state: State) -> State {
    if !state.bindings.iter().any(|binding| binding.role == Role::SystemAdmin) {
        let (id, email) = ("csbsandboxadmin0000000001", "sandbox.admin@example.com");
        state.users.push(state::StateUser {
            id: id.to_owned(),
            username: email.to_owned(),
            full_name: Some("Sandbox Admin".to_owned()),
            status: state::Status::Active,
            emails: vec![email.to_owned()],
            created_at: None,
        });
        state.bindings.push(state::StateBinding {
            id: "csbsandboxadmin0000000002".to_owned(),
            role: Role::SystemAdmin,
            user: id.to_owned(),
            workspace: None,
            deployment: None,
        });
    }
    if !state.service_accounts.iter().any(|account| account.role == Role::SystemAdmin) {
        state.service_accounts.push(state::StateAccount {
            id: "csbsandboxadmin0000000003".to_owned(),
            label: "Sandbox automation".to_owned(),
            category: None,
            api_key: SERVICE_ACCOUNT_KEY.to_owned(),
            role: Role::SystemAdmin,
            workspace: None,
            deployment: None,
            created_at: None,
        });
    }
    state
}
