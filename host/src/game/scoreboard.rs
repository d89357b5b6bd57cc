//! A game enters as it is played, pages leave: a large one for the projector, a small one for the phones of those who play along.
//!
//! Whoever looks gets the whole scene whenever it changes, so that a page that was away is right again at once. Verdicts and labels are in a
//! scene only when nobody can answer any more.

mod audience;
mod hall;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_edge::http::page::html;
use counterfoil_edge::http::server;
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};

pub use audience::Refused;
pub use hall::{Hall, Scene, Stage};

const PROJECTOR: &str = include_str!("scoreboard/projector.html");
const PHONE: &str = include_str!("scoreboard/phone.html");

/// Opens the hall's doors; says where.
///
/// # Errors
/// When the address cannot be had.
pub async fn open(hall: &Arc<Hall>, address: SocketAddr) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another --web, or stop what listens there"))?;
    let at = listener.local_addr()?;
    let at = if at.ip().is_unspecified() { SocketAddr::new(own_address().unwrap_or(at.ip()), at.port()) } else { at };
    hall.set(|scene| scene.play = format!("http://{at}/play"));
    let app = Router::new()
        .route("/", get(async || html(PROJECTOR)))
        .route("/play", get(async || html(PHONE)))
        .route("/events", get(events))
        .route("/exhibit/{round}", get(exhibit))
        .route("/api/join", post(join))
        .route("/api/answer", post(answer))
        .layer(DefaultBodyLimit::max(1024))
        .with_state(Arc::clone(hall));
    tokio::spawn(server::serve(listener, None, app));
    Ok(at)
}

/// This machine's address on the network that leads to all others, as whoever listens on all of its own is to be reached by.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: the kernel only looks up the way to an address that is set aside for documentation (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

async fn events(State(hall): State<Arc<Hall>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let scenes = WatchStream::new(hall.watch());
    Sse::new(scenes.map(|scene| Ok(Event::default().json_data(&*scene).unwrap_or_default())))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(10)))
}

async fn exhibit(State(hall): State<Arc<Hall>>, Path(round): Path<usize>) -> Response {
    match hall.exhibit(round) {
        Some(picture) => {
            ([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "no-store")], picture).into_response()
        }
        None => (StatusCode::NOT_FOUND, "this exhibit is not shown").into_response(),
    }
}

#[derive(Deserialize)]
struct Join {
    name: String,
}

#[derive(Serialize)]
struct Joined {
    id: String,
}

#[derive(Deserialize)]
struct Said {
    id: String,
    round: usize,
    genuine: bool,
}

async fn join(State(hall): State<Arc<Hall>>, Json(join): Json<Join>) -> Result<Json<Joined>, Refused> {
    Ok(Json(Joined { id: hall.join(&join.name)? }))
}

async fn answer(State(hall): State<Arc<Hall>>, Json(said): Json<Said>) -> Result<StatusCode, Refused> {
    hall.say(&said.id, said.round, said.genuine)?;
    Ok(StatusCode::NO_CONTENT)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::CONFLICT, Json(serde_json::json!({ "error": self.to_string() }))).into_response()
    }
}
