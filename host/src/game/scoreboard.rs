//! The scoreboard of a game as web pages: a large one for the projector, a small one for the phones of the audience.
//!
//! A page receives the whole scene whenever it changes, so that a page that reconnects is up to date at once.
//! Verdicts and labels are in a scene only when the round no longer accepts answers.

mod audience;
mod view;

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
pub use view::{GameView, Scene, Stage};

const PROJECTOR: &str = include_str!("scoreboard/projector.html");
const PHONE: &str = include_str!("scoreboard/phone.html");

/// Starts the web server of a scoreboard. Returns the address of the pages.
///
/// # Errors
/// Returns an error when the server cannot listen on the address.
pub async fn open(view: &Arc<GameView>, address: SocketAddr) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another --web, or stop what listens there"))?;
    let at = listener.local_addr()?;
    let at = if at.ip().is_unspecified() { SocketAddr::new(own_address().unwrap_or(at.ip()), at.port()) } else { at };
    view.set(|scene| scene.play = format!("http://{at}/play"));
    let app = Router::new()
        .route("/", get(async || html(PROJECTOR)))
        .route("/play", get(async || html(PHONE)))
        .route("/events", get(events))
        .route("/exhibit/{round}", get(exhibit))
        .route("/api/join", post(join))
        .route("/api/answer", post(answer))
        .layer(DefaultBodyLimit::max(1024))
        .with_state(Arc::clone(view));
    tokio::spawn(server::serve(listener, None, app));
    Ok(at)
}

/// This machine's address on its default route, at which others reach a server that listens on all addresses.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: the kernel only looks up the route to an address reserved for documentation (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

async fn events(State(view): State<Arc<GameView>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let scenes = WatchStream::new(view.watch());
    Sse::new(scenes.map(|scene| Ok(Event::default().json_data(&*scene).unwrap_or_default())))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(10)))
}

async fn exhibit(State(view): State<Arc<GameView>>, Path(round): Path<usize>) -> Response {
    match view.exhibit(round) {
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
struct AnswerRequest {
    id: String,
    round: usize,
    genuine: bool,
}

async fn join(State(view): State<Arc<GameView>>, Json(join): Json<Join>) -> Result<Json<Joined>, Refused> {
    Ok(Json(Joined { id: view.join(&join.name)? }))
}

async fn answer(State(view): State<Arc<GameView>>, Json(said): Json<AnswerRequest>) -> Result<StatusCode, Refused> {
    view.say(&said.id, said.round, said.genuine)?;
    Ok(StatusCode::NO_CONTENT)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::CONFLICT, Json(serde_json::json!({ "error": self.to_string() }))).into_response()
    }
}
