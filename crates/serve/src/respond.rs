use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use candor::EngineError;
use candor::core::Hints;
use serde_json::json;

/// Why a request got no answer.
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub error: String,
    pub hints: Vec<String>,
}

impl Refusal {
    pub fn bad(error: impl Into<String>, hint: &str) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            error: error.into(),
            hints: vec![hint.to_owned()],
        }
    }

    pub fn busy() -> Refusal {
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "too many requests are waiting".into(),
            hints: vec!["try again in a second, or send more rows in one request".into()],
        }
    }

    pub fn internal(error: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: error.into(),
            hints: vec!["this is a fault of the service: please report it".into()],
        }
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            error: error.to_string(),
            hints: error.hints(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "hints": self.hints }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let wait = header::HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}
