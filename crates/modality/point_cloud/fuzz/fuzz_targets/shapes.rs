//! Whatever the bytes of a file of a shape: points with all that is known of them, or an error. The first byte chooses the format by its name.
#![no_main]

use candor_point_cloud::parse_shape;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 9] = [
    "a.off", "a.ply", "a.obj", "a.stl", "a.pcd", "a.las", "a.laz", "a.xyz", "posted",
];

/// Panics of the LAZ decoder are caught where it is called. The fuzzer's own hook would end with them; only what leaves the target is a crash.
fn go_on_after_caught_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}

fuzz_target!(|bytes: &[u8]| {
    go_on_after_caught_panics();
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let Ok(shape) = parse_shape(content, NAMES[usize::from(*kind) % NAMES.len()]) else {
        return;
    };
    let count = shape.points.len();
    assert!(count > 1 && shape.points.iter().flatten().all(|x| x.is_finite()));
    assert_eq!(
        shape.channels.values.len(),
        count * shape.channels.names.len()
    );
    assert!(shape.labels.is_none_or(|labels| labels.codes.len() == count));
    let corners = shape.faces.iter().flatten();
    assert!(corners.into_iter().all(|corner| (*corner as usize) < count));
});
