//! The thread on which the connections of a transport live, for callers that block.
//!
//! Main type: [`Connections`]. It carries requests out, and knows nothing of what they ask for.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Carries out what callers on other threads wait for.
pub(super) struct Connections {
    handle: Handle,
    /// The thread ends when this is dropped.
    #[expect(dead_code, reason = "held for its end")]
    open: oneshot::Sender<()>,
}

impl Connections {
    /// Starts the thread.
    pub(super) fn open() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (open, closed) = oneshot::channel();
        thread::Builder::new().name("connections".to_owned()).spawn(move || runtime.block_on(closed))?;
        Ok(Self { handle, open })
    }

    /// Waits for a request and its answer; none if it panicked.
    ///
    /// The caller hears of the answer once the connection is back in the pool of its client, so that its next
    /// request finds it there: otherwise that request would open another one.
    pub(super) fn carry_out<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        self.handle.spawn(async move {
            let answer = request.await;
            // What the end of the answer has woken, among it the task that returns the connection, comes first.
            tokio::task::yield_now().await;
            // The caller waits for it.
            let _ = sender.send(answer);
        });
        receiver.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn what_the_end_of_an_answer_has_woken_comes_before_the_caller_hears_of_it() {
        let connections = Connections::open().unwrap();
        for _ in 0..1_000 {
            let is_back = Arc::new(AtomicBool::new(false));
            let returned = Arc::clone(&is_back);
            let answer = connections.carry_out(async move {
                tokio::spawn(async move { returned.store(true, Ordering::SeqCst) });
                7
            });
            assert_eq!((answer, is_back.load(Ordering::SeqCst)), (Some(7), true));
        }
    }

    #[test]
    fn a_request_that_panics_has_no_answer_and_others_go_on() {
        let connections = Connections::open().unwrap();
        assert_eq!(connections.carry_out(async { panic!("a mistake") }), None::<u8>);
        assert_eq!(connections.carry_out(async { 7 }), Some(7));
    }
}
