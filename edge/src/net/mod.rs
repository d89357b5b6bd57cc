//! The box on the network: an HTTPS API with a live page, discovery by mDNS, and MQTT.
//!
//! All of it runs on threads of its own. [`live`] lies between them and the loop that watches, and neither waits for
//! the other. Pictures that peers send are judged by the [`judge_queue`]; [`pairing`] says which peers may send them.

mod api;
mod bundle;
pub mod certificate;
mod game_lock;
mod identity;
mod judge_queue;
pub mod live;
mod mdns;
mod metrics;
mod mqtt;
pub mod pairing;
mod picture;
mod state;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::http::server;
use crate::{Error, Result};
use certificate::Certificate;
use game_lock::GameLock;
use judge_queue::JudgeQueue;
use live::Live;
use mdns::Announced;
use pairing::{Pairing, Tokens};
use state::AppState;

/// Threads that speak to the network; none of them judges.
const THREADS: usize = 2;
/// Nice value of all threads of the network, so that the loop that watches goes first.
const NICE: i32 = 10;
/// Whoever is still spoken to when the box stops has so long.
const FAREWELL: Duration = Duration::from_millis(300);

/// How the network speaks to whoever stands before the box.
pub trait Notifier: Send + Sync + 'static {
    /// Shows the code for a visitor who wants to pair.
    fn code(&self, visitor: &str, code: &str);
    /// Says what is wrong.
    fn complain(&self, what: &str);
}

/// A box that is on the network until this is dropped.
pub struct Net {
    runtime: Option<Runtime>,
    announced: Option<Announced>,
    /// What it is called.
    pub name: String,
    /// Where it listens for TLS, and the SHA-256 of its certificate.
    pub listening: Option<(SocketAddr, String)>,
}

/// Puts a box on the network, as its configuration says; `None` when that names neither an address nor a broker.
///
/// # Errors
/// [`Error::Network`] when an address cannot be had, naming it; [`Error::State`] when the certificate is damaged.
pub fn start(config: &Config, live: &Arc<Live>, notifier: impl Notifier) -> Result<Option<Net>> {
    if config.network.listen.is_none() && config.mqtt.is_none() {
        return Ok(None);
    }
    let name = config.network.name.clone().unwrap_or_else(hostname);
    let certificate = config.network.listen.map(|_| Certificate::of(&config.state)).transpose()?;
    let fingerprint = certificate.as_ref().map(Certificate::fingerprint).unwrap_or_default();
    let notifier: Arc<dyn Notifier> = Arc::new(notifier);
    let state = Arc::new(AppState {
        name: name.clone(),
        config: config.clone(),
        live: Arc::clone(live),
        judge_queue: JudgeQueue::open(live),
        pairing: Pairing::new(Tokens::of(&config.state), fingerprint.clone()),
        game_lock: GameLock::default(),
        notifier: Arc::clone(&notifier),
        judged: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    });
    let no_threads = |e: io::Error| Error::Network {
        what: format!("the system gives no threads for the network: {e}"),
        remedy: "check its limits (ulimit -u)",
    };
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(THREADS).on_thread_start(give_way).enable_all().build().map_err(no_threads)?;
    let entered = runtime.enter();
    let mut listening = None;
    let mut announced = None;
    if let Some((address, certificate)) = config.network.listen.zip(certificate) {
        let (listener, address) = bind(address)?;
        runtime.spawn(server::serve(listener, Some(certificate.server()?), api::all(Arc::clone(&state))));
        if config.network.announce {
            let notifier = Arc::clone(&notifier);
            let complain = move |what: &str| notifier.complain(what);
            announced = Some(mdns::announce(&name, address.port(), &fingerprint, complain)?);
        }
        listening = Some((address, fingerprint));
    }
    if let Some(page) = config.network.page {
        let (listener, _) = bind(page)?;
        runtime.spawn(server::serve(listener, None, api::open(Arc::clone(&state))));
    }
    if let Some(mqtt) = &config.mqtt {
        let id = identity::of(&config.state)?;
        runtime.spawn(mqtt::speak(mqtt.clone(), id, state, move |what| notifier.complain(&what)));
    }
    drop(entered);
    Ok(Some(Net { runtime: Some(runtime), announced, name, listening }))
}

impl Drop for Net {
    fn drop(&mut self) {
        self.announced = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(FAREWELL);
        }
    }
}

/// Puts this thread behind the loop that watches. Where it may not give way, it does not.
fn give_way() {
    let _ = rustix::process::nice(NICE);
}

/// A listener, and where it is: port 0 is any.
fn bind(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr)> {
    let bound = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        Ok((tokio::net::TcpListener::from_std(listener)?, at))
    };
    bound().map_err(|e: io::Error| Error::Network {
        what: format!("the box cannot listen on {address}: {e}"),
        remedy: "choose another address, or stop what listens there",
    })
}

/// What the system calls this machine.
fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "counterfoil".into() } else { name.into() }
}
