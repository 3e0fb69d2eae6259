use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use candor::Model;
use candor::challenge::{BatchShift, ShiftReference};
use candor::core::Interrupt;
use candor::deploy::Answer;
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::respond::Refusal;
use crate::rows;

/// How the service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeSettings {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// Requests that are worked on at once.
    pub working: usize,
    /// Requests that may be in the service, those that are worked on included; more are turned away with 503.
    pub waiting: usize,
    /// Bytes of a body at most.
    pub body: usize,
}

/// Why the service could not run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The network failed, or no threads could be had.
    #[error("the service stopped: {0}")]
    Stopped(#[from] std::io::Error),
}

struct Service {
    model: Model,
    metrics: Metrics,
    /// Places in the service.
    places: Arc<Semaphore>,
    /// Places at work.
    work: Semaphore,
}

/// Serves until `interrupt` is raised; requests that are in the service are answered first. `ready` gets the address.
///
/// # Errors
/// When the address is taken or not this machine's, or the network fails.
pub fn serve(
    model: Model,
    settings: &ServeSettings,
    interrupt: &Interrupt,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let service = Arc::new(Service {
        model,
        metrics: Metrics::default(),
        places: Arc::new(Semaphore::new(settings.waiting.max(1))),
        work: Semaphore::new(settings.working.max(1)),
    });
    let router = Router::new()
        .route("/predict", post(predict))
        .route("/health", get(health))
        .route("/model", get(model_of))
        .route("/metrics", get(metrics))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(settings.body))
        .with_state(service);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = settings.address;
        let failed = |source| ServeError::Address { address, source };
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(failed)?;
        ready(listener.local_addr().map_err(failed)?);
        let raised = interrupt.clone();
        let stop = async move {
            while !raised.is_raised() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await?;
        Ok(())
    })
}

#[derive(Serialize)]
struct Answers {
    answers: Vec<Answer>,
    /// The rows of this request against those that the model was tested on; null with fewer than 20 rows.
    shift: Option<BatchShift>,
}

/// Types of bodies that are read as a file of the same bytes is.
const AS_FILES: [&str; 4] = ["text/csv", "image/", "model/", "application/octet-stream"];

async fn predict(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let Ok(_place) = service.places.clone().try_acquire_owned() else {
        service.metrics.turned_away();
        return Refusal::busy().into_response();
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            service.metrics.refused();
            return Refusal {
                status: rejection.status(),
                error: rejection.body_text(),
                hints: vec!["send fewer rows at a time".into()],
            }
            .into_response();
        }
    };
    let as_file = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|kind| AS_FILES.iter().any(|known| kind.starts_with(known)));
    let Ok(_working) = service.work.acquire().await else {
        return Refusal::busy().into_response();
    };
    let own = service.clone();
    let answered = tokio::task::spawn_blocking(move || answer(&own, as_file, &body)).await;
    let outcome = answered.unwrap_or_else(|e| Err(Refusal::internal(e.to_string())));
    match outcome {
        Ok(answers) => Json(answers).into_response(),
        Err(refusal) => {
            service.metrics.refused();
            refusal.into_response()
        }
    }
}

fn answer(service: &Service, as_file: bool, body: &[u8]) -> Result<Answers, Refusal> {
    let started = Instant::now();
    let inputs = if as_file {
        rows::from_file(&service.model, body)?
    } else {
        rows::from_json(&service.model, body)?
    };
    let answers = service.model.predict(&inputs)?;
    let abstained = answers.iter().filter(|a| a.abstained.is_some()).count();
    let least = service.model.parts().abstention.ood_p_min;
    let strange = |a: &&Answer| a.strangeness.is_some_and(|s| s.p_value < least);
    let strange = answers.iter().filter(strange).count();
    service
        .metrics
        .answered(answers.len(), abstained, strange, started.elapsed());
    // Over the life of the service a false alarm comes with at most the probability of one batch alone.
    let shift = match answers.len() < ShiftReference::LEAST_UNITS {
        true => None,
        false => service
            .model
            .shift(&answers, service.metrics.next_level(ShiftReference::LEVEL))?,
    };
    if let Some(shift) = &shift {
        service.metrics.compared(shift.shifted);
    }
    Ok(Answers { answers, shift })
}

async fn health(State(service): State<Arc<Service>>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "model": service.model.parts().name,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

async fn model_of(State(service): State<Arc<Service>>) -> Json<Value> {
    let parts = service.model.parts();
    Json(json!({
        "name": parts.name,
        "target": parts.target,
        "columns": service.model.columns(),
        "card": service.model.card(),
    }))
}

async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, service.metrics.text())
}

async fn nothing_here() -> Refusal {
    Refusal {
        status: StatusCode::NOT_FOUND,
        error: "there is nothing here".into(),
        hints: vec!["POST /predict, GET /health, /model or /metrics".into()],
    }
}
