//! Connections: accepting them, their limits, and the end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use axum::{Extension, Router};
use futures::future::{Either, select};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::access::{self, Access, Keys, Peer};
use crate::api::{self, Api};
use crate::error::{Refusal, StartError};
use crate::lend::{self, Lender};
use crate::options::Options;
use crate::queue::Queue;
use crate::responses::Responses;
use crate::{engine, log, site};

/// Connections beside those of the requests that are taken.
const IDLE_CONNECTIONS: usize = 512;
/// How long a client may take to send a request's header, and may keep a connection without one.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// How long requests may go on once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Threads for connections; answers are computed on the engine's own.
const THREADS: usize = 2;

/// Loads the models and serves until a signal to stop.
pub(crate) fn run(options: Options) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let key = std::env::var("PARLANCE_API_KEY").ok();
    let keys = Keys::read(options.keys.as_deref(), key.as_deref())?;
    let address = SocketAddr::new(options.host, options.port);
    if !address.ip().is_loopback() && keys.is_empty() {
        return Err(StartError::NoKeys(address));
    }
    let lender = if options.lends { Some(Lender::new(options.mcp.as_deref())?) } else { None };
    // Before the models, which take a while.
    let listener = runtime.block_on(TcpListener::bind(address)).map_err(|error| StartError::Listen(address, error))?;
    let (queue, responses) = (Arc::new(Queue::default()), Arc::new(Responses::default()));
    let shared = (Arc::clone(&queue), Arc::clone(&responses));
    let (models, engine_ended) = engine::start(options.models, options.compute, shared, runtime.handle().clone())?;
    let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    println!("serving {} at http://{}/v1", names.join(", "), listener.local_addr()?);
    if let Some(lender) = &lender {
        println!("the token for lend/ is {}", lender.token());
    }
    let access = Arc::new(Access { keys, names: options.names, origins: options.origins });
    let api = Arc::new(Api::new(Arc::clone(&access), queue, responses, models, options.limits));
    let files = match &options.site {
        Some(folder) => site::router(folder),
        None => {
            Router::new().fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "unknown_url", "only v1/ is here") })
        }
    };
    let mut app = Router::new().route("/v1/{*path}", any(api::handle).with_state(api));
    if let Some(lender) = lender {
        app = app.merge(lend::router(lender));
    }
    let app = app.fallback_service(files).layer(from_fn_with_state(access, access::check));
    let connections = options.limits.requests + IDLE_CONNECTIONS;
    let result = runtime.block_on(serve(listener, app, connections, engine_ended));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Serves until a signal to stop, or until the engine has ended.
async fn serve(
    listener: TcpListener,
    app: Router,
    connections: usize,
    engine_ended: oneshot::Receiver<()>,
) -> Result<(), StartError> {
    let permits = Arc::new(Semaphore::new(connections));
    let under_way = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    let signalled = pin!(signal());
    let mut end = select(signalled, engine_ended);
    let reason = loop {
        let next = pin!(accept(&listener, &permits));
        let (stream, peer, permit) = match select(&mut end, next).await {
            Either::Left((reason, _)) => break reason,
            Either::Right((Ok(accepted), _)) => accepted,
            Either::Right((Err(error), _)) => {
                // For example, there are no more file descriptors; some may be free again soon.
                log::note(&format!("no connection: {error}"));
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(app.clone().layer(Extension(Peer(peer.ip()))));
        let connection = under_way.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Clients that break the protocol or leave are their own concern.
            let _ = connection.await;
            drop(permit);
        });
    };
    drop(listener);
    log::note("stopping");
    if timeout(GRACE, under_way.shutdown()).await.is_err() {
        log::note("requests were still under way");
    }
    match reason {
        Either::Left((signalled, _)) => Ok(signalled?),
        Either::Right(_) => Err(StartError::EngineStopped),
    }
}

/// The next connection, once there may be one more.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Tokens are sent one by one.
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

/// Resolves when the process is asked to stop.
#[cfg(unix)]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    select(pin!(terminate.recv()), pin!(interrupt.recv())).await;
    Ok(())
}

/// Resolves when the process is asked to stop.
#[cfg(not(unix))]
async fn signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
