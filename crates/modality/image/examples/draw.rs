//! Writes the drawing of a design of pictures of 3 x 32 x 32 as SVG, and its words to the standard error.
//!
//!     cargo run --release -p candor-image --example draw -- '{"model":"cells","blocks":5}' > cells.svg
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example that stops at the first fault, and speaks"
)]

use candor_data::ImageSize;
use candor_design::Design;
use candor_image::{drawing_svg, drawing_text};

fn main() {
    let given = std::env::args().nth(1);
    let given = given.unwrap_or_else(|| r#"{"model":"fast_residual"}"#.into());
    let design: Design = serde_json::from_str(&given).unwrap();
    let size = ImageSize {
        channels: 3,
        height: 32,
        width: 32,
    };
    eprint!("{}", drawing_text(&design, size, 10).unwrap());
    println!("{}", drawing_svg(&design, size).unwrap());
}
