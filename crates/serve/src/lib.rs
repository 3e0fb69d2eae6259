//! The HTTP service over one bundle. It holds no logic of its own: rows in, the answers of [`candor::Model`] out.
//!
//! | path | does |
//! | --- | --- |
//! | `POST /predict` | answers for `{"rows": [{"column": value, ...}, ...]}`, a bare array of such objects, a CSV text (`content-type: text/csv`), one picture (`content-type: image/png` and the like) for a model of images, or one shape (`content-type: application/octet-stream` or `model/...`) for a model of point clouds |
//! | `GET /health` | 200 once the model is loaded |
//! | `GET /model` | what is predicted, from which columns, and the model card |
//! | `GET /metrics` | counts and times, in the text format of Prometheus |
//!
//! The reply to `POST /predict` is `{"answers": [...], "shift": ...}`: with 20 rows and more, `shift` compares them with those that the model was tested
//! on (`shifted`, `p_value`, and what differs); `candor_batches_total` counts both outcomes. Levels are such that over its whole life a service whose
//! rows are as usual gives one false alarm with a probability of 1 % at most.
//!
//! Errors are JSON: `{"error": "...", "hints": ["..."]}`, 400 for rows that do not fit, 413 for too large a body, 503 when
//! more requests wait than [`ServeSettings::waiting`].

mod metrics;
mod respond;
mod rows;
mod service;

pub use service::{ServeError, ServeSettings, serve};
