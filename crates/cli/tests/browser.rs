//! The report in a real browser, at the width of a desktop and of a phone.
//!
//! Without `chromium` the test says so and passes, unless `CANDOR_REQUIRE_TOOLS` is set.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::candor;

/// CSS pixels.
const PHONE: u32 = 390;
const DESKTOP: u32 = 1280;

/// Shows the report in a frame of a given width and writes what it measures into the page, from where it is read.
const PROBE: &str = r##"<!doctype html><meta charset="utf-8">
<iframe id="frame" src="report.html" style="width:WIDTHpx;height:900px;border:0"></iframe>
<pre id="measured"></pre>
<script>
document.getElementById("frame").onload = (event) => {
  const page = event.target.contentDocument;
  const shown = [...page.querySelectorAll("svg, h1, h2, .card, table")].filter((e) => !e.closest("details"));
  const box = (e) => e.getBoundingClientRect();
  const clipped = shown.filter((e) => !e.closest(".wide") && box(e).right > WIDTH + 1);
  const smallest = [...page.querySelectorAll("svg text")].map((e) => parseFloat(getComputedStyle(e).fontSize)
    * (box(e.ownerSVGElement).width / (e.ownerSVGElement.viewBox.baseVal.width || 1)));
  document.getElementById("measured").textContent = JSON.stringify({
    width: page.documentElement.scrollWidth,
    pictures: page.querySelectorAll("svg").length,
    flat: shown.filter((e) => box(e).height < 5).map((e) => e.outerHTML.slice(0, 80)),
    clipped: clipped.map((e) => e.outerHTML.slice(0, 80)),
    verdicts: [...page.querySelectorAll("#verdicts ~ .cards .card p")].map((e) => e.textContent),
    dangling: [...page.querySelectorAll("nav a")].map((a) => a.getAttribute("href"))
      .filter((href) => !page.querySelector(href)),
    smallest_text: Math.min(...smallest, 99),
  });
};
</script>"##;

fn chromium(folder: &Path, arguments: &[&str]) -> std::io::Result<std::process::Output> {
    Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--allow-file-access-from-files",
            "--virtual-time-budget=10000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
}

/// Whether the browser is there.
fn found() -> bool {
    let there = Command::new("chromium").arg("--version").output().is_ok();
    assert!(
        there || std::env::var_os("CANDOR_REQUIRE_TOOLS").is_none(),
        "`chromium` is required and missing"
    );
    if !there {
        eprintln!("skipped: `chromium` is not installed");
    }
    there
}

fn measured(run: &Path, folder: &Path, width: u32) -> Value {
    let probe = run.join("probe.html");
    std::fs::write(&probe, PROBE.replace("WIDTH", &width.to_string())).unwrap();
    let address = format!("file://{}", probe.display());
    let window = format!("--window-size={},1000", width.max(500) + 100);
    let output = chromium(folder, &[&window, "--dump-dom", &address]).unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = page
        .split(r#"<pre id="measured">"#)
        .nth(1)
        .and_then(|rest| rest.split("</pre>").next())
        .unwrap_or_default();
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: `{text}`\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_report_is_whole_and_fits_a_desktop_and_a_phone() {
    if !found() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (source, pictures) in [("@iris", 6), ("@diabetes", 5)] {
        let name = &source[1..];
        let said = candor(at, &["fit", source, "--trials", "4", "--out", name]);
        assert!(said.status <= 1, "{}", said.err);
        let run = at.join(name);
        let html = std::fs::read_to_string(run.join("report.html")).unwrap();
        for foreign in [
            "src=\"http",
            "href=\"http",
            "url(http",
            "<script",
            "@import",
        ] {
            assert!(
                !html.contains(foreign),
                "{source}: `{foreign}` in a report that must stand alone"
            );
        }
        for width in [PHONE, DESKTOP] {
            let page = measured(&run, at, width);
            let case = format!("{source} at {width} pixels: {page}");
            assert!(
                page["width"].as_u64().unwrap() <= u64::from(width),
                "{case}"
            );
            assert!(page["pictures"].as_u64().unwrap() >= pictures, "{case}");
            for list in ["flat", "clipped", "dangling"] {
                assert_eq!(page[list], Value::Array(vec![]), "{list}, {case}");
            }
            assert!(page["smallest_text"].as_f64().unwrap() >= 7.5, "{case}");
            let verdicts = page["verdicts"].as_array().unwrap();
            assert!(verdicts.len() >= 7, "{case}");
        }
        let picture = at.join(format!("{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let address = format!("file://{}", run.join("report.html").display());
        chromium(at, &["--window-size=1280,2400", &shot, &address]).unwrap();
        let bytes = std::fs::metadata(&picture).unwrap().len();
        assert!(
            bytes > 50_000,
            "{source}: a picture of {bytes} bytes shows nothing"
        );
    }
}
