//! The network services of the box: an HTTPS API with a live page, announcement by mDNS, and MQTT.
//!
//! They run on their own threads. [`live`] connects them with the loop that watches, and neither waits for the other.
//! The `judge_queue` judges pictures that clients send; [`pairing`] decides which clients may send them.

mod api;
pub mod bundle;
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

use counterfoil_models::protocol::CERTIFIED;
use counterfoil_models::{limits, naming};
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;
use crate::http::body::Budget;
use crate::http::hosts::Hosts;
use crate::http::places::Places;
use crate::http::server;
use crate::{Error, Result};
use certificate::Certificate;
use game_lock::GameLock;
use judge_queue::JudgeQueue;
use live::Live;
use mdns::Announced;
use pairing::{Pairing, Tokens};
use picture::Pictures;
use state::AppState;
use tokio::sync::Semaphore;

/// Number of threads for network input and output; none of them judges.
const THREADS: usize = 2;
/// Maximum number of threads for work that blocks: pictures are encoded and files written there.
const BLOCKING_THREADS: usize = 4;
/// Memory for the bodies of all requests together, in bytes: one picture of the largest size, and a few of usual size.
const BODIES: usize = limits::PICTURE_SENT + (4 << 20);
/// How long a body waits for its share of this memory.
const BODY_PATIENCE: Duration = Duration::from_secs(5);
/// How often the connections of revoked tokens are looked for.
const REVOKED_WITHIN: Duration = Duration::from_millis(200);
/// Nice value of all network threads, so that the loop that watches has priority.
const NICE: i32 = 19;
/// Time for requests in progress to finish when the box stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(300);

/// Shows messages of the network services to a person in front of the box.
pub trait Notifier: Send + Sync + 'static {
    /// Shows the pairing code for a visitor.
    fn code(&self, visitor: &str, code: &str);
    /// Reports a problem.
    fn complain(&self, what: &str);
}

/// The running network services. Dropping this stops them.
pub struct Net {
    runtime: Option<Runtime>,
    announced: Option<Announced>,
    /// Name of the box on the network.
    pub name: String,
    /// Address of the TLS listener, and the SHA-256 of its certificate; `None` without a listener.
    pub listening: Option<(SocketAddr, String)>,
}

/// Starts the network services that the configuration names; `None` if it names neither an address nor a broker.
///
/// # Errors
/// [`Error::Network`] when an address, a thread or mDNS cannot be used; [`Error::State`] when the certificate or the
/// identity of a box without a camera is damaged. A box with a camera goes on without them.
pub fn start(config: &Config, live: &Arc<Live>, notifier: impl Notifier) -> Result<Option<Net>> {
    if config.network.listen.is_none() && config.mqtt.is_none() {
        return Ok(None);
    }
    let name =
        config.network.name.clone().unwrap_or_else(|| naming::name(&hostname()).unwrap_or_else(|_| CERTIFIED.into()));
    let notifier: Arc<dyn Notifier> = Arc::new(notifier);
    let certificate = config.network.listen.map(|_| Certificate::of(&config.state));
    let certificate = or_without(certificate, config, &*notifier, "no client can connect to the box")?;
    let fingerprint = certificate.as_ref().map(Certificate::fingerprint).unwrap_or_default();
    let state = Arc::new(AppState {
        name: name.clone(),
        config: config.clone(),
        live: Arc::clone(live),
        judge_queue: JudgeQueue::open(live),
        pairing: Pairing::new(Tokens::of(&config.state), fingerprint.clone()),
        game_lock: GameLock::default(),
        pictures: Arc::new(Pictures::new()),
        bodies: Budget::new(BODIES, BODY_PATIENCE),
        installing: Semaphore::new(1),
        hosts: Hosts::of([name.as_str(), CERTIFIED, &hostname()], &config.network.hosts),
        notifier: Arc::clone(&notifier),
        judged: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    });
    let no_threads = |e: io::Error| Error::Network {
        what: format!("the system gives no threads for the network: {e}"),
        remedy: "check its limits (ulimit -u)",
    };
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(THREADS).max_blocking_threads(BLOCKING_THREADS).on_thread_start(give_way).enable_all();
    let runtime = runtime.build().map_err(no_threads)?;
    let entered = runtime.enter();
    let mut listening = None;
    let mut announced = None;
    let places = Arc::new(Places::default());
    runtime.spawn(close_revoked(Tokens::of(&config.state), Arc::clone(&places)));
    if let Some((address, certificate)) = config.network.listen.zip(certificate) {
        let (listener, address) = bind(address)?;
        runtime.spawn(server::serve(
            listener,
            Some(certificate.server()?),
            api::all(Arc::clone(&state)),
            Arc::clone(&places),
        ));
        if config.network.announce {
            let notifier = Arc::clone(&notifier);
            let complain = move |what: &str| notifier.complain(what);
            announced = Some(mdns::announce(&name, address.port(), &fingerprint, complain)?);
        }
        listening = Some((address, fingerprint));
    }
    if let Some(page) = config.network.page.filter(|_| listening.is_some()) {
        let (listener, _) = bind(page)?;
        runtime.spawn(server::serve(listener, None, api::open(Arc::clone(&state)), places));
    }
    let id = config.mqtt.as_ref().map(|_| identity::of(&config.state));
    let id = or_without(id, config, &*notifier, "the MQTT broker hears nothing")?;
    if let Some((mqtt, id)) = config.mqtt.as_ref().zip(id) {
        runtime.spawn(mqtt::speak(mqtt.clone(), id, state, move |what| notifier.complain(&what)));
    }
    drop(entered);
    Ok(Some(Net { runtime: Some(runtime), announced, name, listening }))
}

/// Reports what the network needs from the state folder and does not get, and goes on without it if the box has a camera
/// to judge by. A box without a camera is there for the network only, so it fails.
fn or_without<T>(needed: Option<Result<T>>, config: &Config, notifier: &dyn Notifier, lost: &str) -> Result<Option<T>> {
    match needed.transpose() {
        Err(error) if config.source.looks() => {
            notifier.complain(&format!("{error}. Until then {lost}; it judges its camera"));
            Ok(None)
        }
        needed => needed,
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.announced = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        }
    }
}

/// Closes the connections of tokens that are revoked, event streams among them. Runs until its future is dropped.
async fn close_revoked(tokens: Tokens, places: Arc<Places>) {
    loop {
        tokio::time::sleep(REVOKED_WITHIN).await;
        if places.has_known() {
            // With a damaged file no token counts.
            let valid = tokens.list().unwrap_or_default();
            places.close_revoked(|sha256| valid.iter().any(|token| token.sha256() == sha256));
        }
    }
}

/// Lowers the priority of this thread. If that is not permitted, the priority stays as it is.
fn give_way() {
    let _ = rustix::process::nice(NICE);
}

/// Opens a listener. Also returns its address, since port 0 stands for any free port.
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

/// The host name of this machine.
fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "counterfoil".into() } else { name.into() }
}
