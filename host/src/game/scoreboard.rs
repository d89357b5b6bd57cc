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
use axum::{Extension, Json, Router, middleware};
use counterfoil_edge::http::hosts::{self, Hosts};
use counterfoil_edge::http::page::html;
use counterfoil_edge::http::places::{Full, Place, Places, Share};
use counterfoil_edge::http::refusal::refuse;
use counterfoil_edge::http::{body, server};
use serde::{Deserialize, Serialize};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

pub use audience::Refused;
pub use view::{GameView, Scene, Stage};

/// Places for requests of phones: all may answer in the same second.
const REQUESTS: Share = Share { all: 512, each: 32 };
/// Places for the streams of phones: the audience, and those who only watch.
const PHONES: Share = Share { all: 400, each: 40 };
/// Places for the streams of projectors, which no phone takes.
const PROJECTORS: Share = Share { all: 8, each: 2 };

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
    let hosts = Hosts::of([hostname().as_str()], &[]);
    let app = Router::new()
        .route("/", get(async || html(PROJECTOR)))
        .route("/play", get(async || html(PHONE)))
        .route("/events", get(events))
        .route("/projector", get(projector))
        .route("/exhibit/{round}", get(exhibit))
        .layer(middleware::from_fn(body::none_taken))
        .route("/api/join", post(join))
        .route("/api/answer", post(answer))
        .layer(DefaultBodyLimit::max(1024))
        .layer(middleware::from_fn_with_state(hosts, hosts::only_own))
        .with_state(Arc::clone(view));
    tokio::spawn(server::serve(listener, None, app, Arc::new(Places::with(REQUESTS))));
    Ok(at)
}

/// The name of this machine.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// This machine's address on its default route, at which others reach a server that listens on all addresses.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent: the kernel only looks up the route to an address reserved for documentation (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

async fn events(State(view): State<Arc<GameView>>, Extension(place): Extension<Arc<Place>>) -> Response {
    scenes(&view, place.listens("phones", PHONES))
}

async fn projector(State(view): State<Arc<GameView>>, Extension(place): Extension<Arc<Place>>) -> Response {
    scenes(&view, place.listens("projectors", PROJECTORS))
}

/// A stream of scenes, if there is a place for it.
fn scenes(view: &GameView, place: Result<(), Full>) -> Response {
    if let Err(full) = place {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &full);
    }
    let scenes = WatchStream::new(view.watch());
    let events = scenes.map(|scene| Ok::<_, Infallible>(Event::default().json_data(&*scene).unwrap_or_default()));
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))).into_response()
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

async fn join(
    State(view): State<Arc<GameView>>,
    Extension(place): Extension<Arc<Place>>,
    Json(join): Json<Join>,
) -> Result<Json<Joined>, Refused> {
    Ok(Json(Joined { id: view.join(&join.name, place.from())? }))
}

async fn answer(State(view): State<Arc<GameView>>, Json(said): Json<AnswerRequest>) -> Result<StatusCode, Refused> {
    view.say(&said.id, said.round, said.genuine)?;
    Ok(StatusCode::NO_CONTENT)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(StatusCode::CONFLICT, &self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpSocket, TcpStream};

    /// Sends a request from one of this machine's addresses, 127.0.0.N. Returns the status and the open connection.
    async fn ask(to: SocketAddr, number: u8, host: &str, head: &str, body: &str) -> (String, TcpStream) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, number], 0))).unwrap();
        let stream = socket.connect(to).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.writable().await.unwrap();
        assert_eq!(stream.try_write(request.as_bytes()).unwrap(), request.len());
        let mut answer = [0; 12];
        let mut read = 0;
        while read < answer.len() {
            stream.readable().await.unwrap();
            match stream.try_read(&mut answer[read..]) {
                Ok(bytes @ 1..) => read += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return ("closed".into(), stream),
            }
        }
        (String::from_utf8_lossy(&answer[9..]).into_owned(), stream)
    }

    #[tokio::test]
    async fn a_full_hall_has_places_for_all_and_no_address_takes_them() {
        let view = Arc::new(GameView::default());
        let at = open(&view, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut open = Vec::new();
        for number in 1..=10 {
            for _ in 0..PHONES.each {
                let (status, stream) = ask(at, number, "localhost", "GET /events", "").await;
                assert_eq!(status, "200");
                open.push(stream);
            }
        }
        assert_eq!(ask(at, 1, "localhost", "GET /events", "").await.0, "503", "an address has its share");
        let (status, _projector) = ask(at, 1, "localhost", "GET /projector", "").await;
        assert_eq!(status, "200", "the projector has a place of its own");
        let join = async |number: u8, name: String| {
            ask(at, number, "localhost", "POST /api/join", &format!("{{\"name\":\"{name}\"}}")).await.0
        };
        let mut joined = Vec::new();
        for first in 'a'..='e' {
            for second in ['a', 'e', 'k', 'u', 'z'] {
                joined.push(join(11, format!("player {first}{second}")).await);
            }
        }
        assert_eq!(joined.iter().filter(|status| *status == "200").count(), 20, "{joined:?}");
        assert_eq!(join(12, "Ann".into()).await, "200");
        assert_eq!(join(12, "аnn".into()).await, "409", "letters of two alphabets");
    }

    #[tokio::test]
    async fn a_page_of_another_site_neither_reads_nor_joins() {
        let view = Arc::new(GameView::default());
        let at = open(&view, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        for head in ["GET /", "GET /events", "GET /projector", "GET /exhibit/1", "POST /api/join"] {
            assert_eq!(ask(at, 1, "evil.example", head, "").await.0, "421", "{head}");
        }
        assert_eq!(ask(at, 1, &at.to_string(), "GET /", "").await.0, "200");
        assert_eq!(ask(at, 1, &at.to_string(), "GET /", "x").await.0, "413");
    }
}
