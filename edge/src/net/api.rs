//! The HTTP routes of [`counterfoil_models::protocol`], and the live page.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use counterfoil_models::limits;
use counterfoil_models::protocol::{
    Begin, Begun, Confirm, Drift, Exchange, GAME, Installed, Left, Model, Paired, Status,
};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;
use tower_http::timeout::TimeoutLayer;

use super::pairing::{PairingError, SHOWN};
use super::state::AppState;
use super::{bundle, metrics, picture};
use crate::Error;
use crate::http::body;
use crate::http::hosts::FOREIGN;
use crate::http::page::html;
use crate::http::places::{Place, Share};
use crate::http::refusal::refuse;
use crate::watch::state::Purpose;

/// Time limit of a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// Places for event streams of clients without a token.
const LISTENERS: Share = Share { all: 96, each: 32 };

/// Who may send a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everybody who addresses the box by its own name.
    Anyone,
    /// Those with a token.
    Paired,
}

/// All routes, for TLS.
pub(super) fn all(state: Arc<AppState>) -> Router {
    let commands = Router::new()
        .route("/v1/look", post(look))
        .route("/v1/genuine", post(genuine))
        .route("/v1/leave", post(leave))
        .layer(middleware::from_fn(body::none_taken));
    let visitors = Router::new().route("/v1/detect", post(detect)).route("/v1/bundle", put(install)).merge(commands);
    let pairing = Router::new()
        .route("/v1/pair/begin", post(begin))
        .route("/v1/pair/exchange", post(exchange))
        .route("/v1/pair/confirm", post(confirm))
        .layer(DefaultBodyLimit::max(4096));
    let reading = if state.config.network.public { Access::Anyone } else { Access::Paired };
    let app = for_those(visitors, Access::Paired, &state)
        .merge(for_those(pairing, Access::Anyone, &state))
        .merge(for_those(for_reading(), reading, &state));
    finished(app, state)
}

/// The routes that can be read without a token, for plain HTTP.
pub(super) fn open(state: Arc<AppState>) -> Router {
    finished(for_those(for_reading(), Access::Anyone, &state), state)
}

fn for_reading() -> Router<Arc<AppState>> {
    Router::new()
        .route("/", get(live_page))
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/v1/picture.jpg", get(picture))
        .route("/metrics", get(metrics::metrics))
        .layer(middleware::from_fn(body::none_taken))
}

fn for_those(routes: Router<Arc<AppState>>, access: Access, state: &Arc<AppState>) -> Router<Arc<AppState>> {
    routes.layer(middleware::from_fn_with_state((Arc::clone(state), access), admit))
}

fn finished(app: Router<Arc<AppState>>, state: Arc<AppState>) -> Router {
    // An event stream is a response that is complete as soon as it begins, so it has no time limit.
    let timed = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE);
    app.layer(timed).fallback(nothing_here).method_not_allowed_fallback(wrong_method).with_state(state)
}

async fn picture(State(state): State<Arc<AppState>>) -> Response {
    picture::answer(Arc::clone(&state.pictures), Arc::clone(&state.live)).await
}

async fn live_page() -> Response {
    html(include_str!("page.html"))
}

async fn nothing_here() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing here; the box's page is at /, its status at /v1/status")
}

async fn wrong_method() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "this is asked for in another way; docs/network.md lists how")
}

/// Lets a request through that has a valid token, or that needs none and is addressed to this box. A valid token gives
/// the connection one of the places for those who have paired.
async fn admit(
    State((state, access)): State<(Arc<AppState>, Access)>,
    axum::Extension(place): axum::Extension<Arc<Place>>,
    mut request: Request,
    next: Next,
) -> Response {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let known = token.map(|token| state.pairing.tokens().find(token)).transpose();
    let (status, why) = match known {
        Ok(Some(Some(known))) => match place.known(known.sha256()) {
            Ok(()) => {
                request.extensions_mut().insert(Visitor(known.name));
                return next.run(request).await;
            }
            Err(full) => (StatusCode::SERVICE_UNAVAILABLE, full.to_string()),
        },
        Err(error) if access == Access::Paired => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        _ if access == Access::Paired => {
            state.refused.fetch_add(1, Ordering::Relaxed);
            let why = "only those who have paired with this box may do that; `counterfoil pair` gives a token";
            (StatusCode::UNAUTHORIZED, why.to_owned())
        }
        _ if !state.hosts.are_asked(&request) => (StatusCode::MISDIRECTED_REQUEST, FOREIGN.to_owned()),
        _ => return next.run(request).await,
    };
    body::discard(request.into_body()).await;
    let mut response = refuse(status, &why);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Name of the visitor whose token came with the request.
#[derive(Clone, Debug)]
struct Visitor(String);

/// Takes the game lock if the request names a game. Returns a response if the lock cannot be taken.
fn take_lock(state: &AppState, visitor: &Visitor, headers: &HeaderMap) -> Option<Response> {
    let Ok(game) = headers.get(GAME)?.to_str() else {
        return Some(refuse(StatusCode::BAD_REQUEST, "a game's name is letters and digits"));
    };
    state.game_lock.acquire(game, &visitor.0).err().map(|busy| refuse(StatusCode::CONFLICT, &busy))
}

async fn detect(
    State(state): State<Arc<AppState>>,
    axum::Extension(visitor): axum::Extension<Visitor>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(response) = take_lock(&state, &visitor, &headers) {
        return response;
    }
    if let Some(wrapped) = wrapping(&headers) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &wrapped);
    }
    let picture = match state.bodies.read(&headers, body, limits::PICTURE_SENT).await {
        Ok(picture) => picture,
        Err(unread) => return refuse(unread.status(), &unread),
    };
    let Some(judged) = state.judge_queue.hand_in(picture) else { return busy() };
    match judged.await {
        Ok(Ok(judged)) => {
            state.judged.fetch_add(1, Ordering::Relaxed);
            Json(judged).into_response()
        }
        Ok(Err(error)) => {
            let status = match error {
                Error::Contract(_) => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refuse(status, &error)
        }
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "the box is stopping"),
    }
}

/// Why the body is not a plain picture, judged by its content type: forms and JSON wrap a picture, and text is none.
fn wrapping(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
    let wraps = kind.starts_with("multipart/") || kind.starts_with("text/") || kind == "application/json";
    wraps.then(|| {
        format!("the body is {kind}; send the picture's own bytes as the body: `curl --data-binary @picture.jpg`, and not `-F`")
    })
}

fn busy() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the box has more to judge than it can; try again in a second")
}

async fn look(
    State(state): State<Arc<AppState>>,
    axum::Extension(visitor): axum::Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    if let Some(response) = take_lock(&state, &visitor, &headers) {
        return response;
    }
    if !state.config.source.looks() {
        return refuse(StatusCode::CONFLICT, "this box has no camera of its own; send it pictures");
    }
    looked(&state, Purpose::Look).await
}

/// Looks at a piece that a person knows to be genuine, while the box asks for one.
async fn genuine(
    State(state): State<Arc<AppState>>,
    axum::Extension(visitor): axum::Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    if let Some(response) = take_lock(&state, &visitor, &headers) {
        return response;
    }
    if !matches!(state.live.now().drift, Some(Drift::Rejections { .. })) {
        return refuse(
            StatusCode::CONFLICT,
            "the box asks for no genuine piece; it does when many in a row are called counterfeit",
        );
    }
    looked(&state, Purpose::KnownGenuine).await
}

/// The verdict on what is in front of the camera now.
async fn looked(state: &AppState, purpose: Purpose) -> Response {
    let Some(seen) = state.live.ask(purpose) else { return busy() };
    match seen.await {
        Ok(seen) => Json(seen).into_response(),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "the box is stopping"),
    }
}

async fn leave(
    State(state): State<Arc<AppState>>,
    axum::Extension(visitor): axum::Extension<Visitor>,
    headers: HeaderMap,
) -> Json<Left> {
    if let Some(Ok(game)) = headers.get(GAME).map(HeaderValue::to_str) {
        state.game_lock.release(game, &visitor.0);
    }
    Json(Left {})
}

async fn install(State(state): State<Arc<AppState>>, body: Body) -> Response {
    let Ok(_alone) = state.installing.try_acquire() else {
        body::discard(body).await;
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "another bundle is being installed; try again when it is done");
    };
    match bundle::take(&state.config, body).await {
        Ok(slot) => {
            Json(Installed { model: Model { name: slot.name, counter: slot.counter, id: slot.id } }).into_response()
        }
        Err((status, why)) => refuse(status, &why),
    }
}

async fn status(State(state): State<Arc<AppState>>) -> Json<Status> {
    Json(state.status())
}

async fn events(State(state): State<Arc<AppState>>, axum::Extension(place): axum::Extension<Arc<Place>>) -> Response {
    if let Err(full) = place.listens("events", LISTENERS) {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &full);
    }
    let first = state.live.now().seen;
    let news = BroadcastStream::new(state.live.listen()).filter_map(Result::ok);
    let all = tokio_stream::iter(first).chain(news);
    let events = all.map(|seen| Ok::<_, Infallible>(Event::default().json_data(&*seen).unwrap_or_default()));
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))).into_response()
}

async fn begin(
    State(state): State<Arc<AppState>>,
    axum::Extension(place): axum::Extension<Arc<Place>>,
    Json(begin): Json<Begin>,
) -> Response {
    match state.pairing.begin(&begin.name, place.from(), state.live.pressed_twice()) {
        Ok((id, code)) => {
            state.notifier.code(&begin.name, &code);
            Json(Begun { id, seconds: SHOWN.as_secs(), name: state.name.clone() }).into_response()
        }
        Err(shut) => shut.into_response(),
    }
}

async fn exchange(State(state): State<Arc<AppState>>, Json(exchange): Json<Exchange>) -> Response {
    match state.pairing.exchange(&exchange.id, &exchange.message) {
        Ok(message) => Json(Exchange { id: exchange.id, message }).into_response(),
        Err(shut) => shut.into_response(),
    }
}

async fn confirm(State(state): State<Arc<AppState>>, Json(confirm): Json<Confirm>) -> Response {
    // In a blocking task, because the token is written to the disk before it is returned.
    let confirmed = tokio::task::spawn_blocking(move || state.pairing.confirm(&confirm.id, &confirm.proof)).await;
    match confirmed {
        Ok(Ok((proof, token))) => Json(Paired { proof, token }).into_response(),
        Ok(Err(shut)) => shut.into_response(),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &Error::Panicked),
    }
}

impl IntoResponse for PairingError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Name(_) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoCode | Self::Wrong => StatusCode::FORBIDDEN,
            Self::Box(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        refuse(status, &self)
    }
}
