use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};
use proptest::prelude::*;

use super::*;
use crate::{DataError, Source, Values};

fn detected(path: &Path) -> Option<ImageSource> {
    ImageSource::detect(path).unwrap()
}

fn read(path: &Path) -> ReadImages {
    read_with(path, &ImageOptions::default()).unwrap()
}

fn read_with(path: &Path, options: &ImageOptions) -> Result<ReadImages, DataError> {
    read_images(&detected(path).unwrap(), options)
}

fn labelled() -> ImageOptions {
    ImageOptions {
        labelled: true,
        ..ImageOptions::default()
    }
}

fn names(read: &ReadImages) -> Vec<String> {
    cells(read, "image")
}

fn cells(read: &ReadImages, column: &str) -> Vec<String> {
    let values = &read.table.column(column).unwrap().values;
    (0..values.len())
        .map(|row| values.text(row).unwrap_or_default())
        .collect()
}

fn columns(read: &ReadImages) -> Vec<&str> {
    let columns = read.table.columns.iter();
    columns.map(|column| column.name.as_str()).collect()
}

fn shape(read: &ReadImages) -> (usize, usize, usize) {
    let size = read.images.size();
    (size.channels, size.height, size.width)
}

fn noted(read: &ReadImages, what: &str) -> bool {
    read.facts.notes.iter().any(|note| note.contains(what))
}

fn grey(width: u32, height: u32, value: u8) -> DynamicImage {
    GrayImage::from_pixel(width, height, Luma([value])).into()
}

fn colour(width: u32, height: u32, value: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(width, height, Rgb(value)).into()
}

/// Saves by the extension, with the folders that it needs.
fn save(folder: &Path, name: &str, picture: &DynamicImage) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn encoded(picture: &DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Two classes of five grey pictures each, 4 x 3.
fn animals(folder: &Path) {
    for (class, value) in [("cat", 10), ("dog", 200)] {
        for i in 0..5 {
            save(folder, &format!("{class}/{i}.png"), &grey(4, 3, value + i));
        }
    }
}

#[test]
fn class_folders_are_read_in_natural_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, value) in [
        ("cat/img10.png", 3),
        ("cat/img2.png", 2),
        ("dog/old/a.png", 4),
    ] {
        save(root, name, &grey(4, 3, value));
    }
    write(root, "cat/.hidden.png", b"x");
    write(root, ".git/a.png", b"x");
    write(root, "cat/notes.txt", b"x");
    write(root, "README.md", b"x");
    assert_eq!(
        detected(root),
        Some(ImageSource::ClassFolders(root.to_owned()))
    );
    let read = read_with(root, &labelled()).unwrap();
    assert_eq!(
        names(&read),
        ["cat/img2.png", "cat/img10.png", "dog/old/a.png"]
    );
    assert_eq!(cells(&read, "class"), ["cat", "cat", "dog"]);
    assert_eq!(columns(&read), ["image", "class"]);
    assert_eq!(shape(&read), (1, 3, 4));
    assert_eq!(read.images.get(2), Some(&[4; 12][..]));
    assert_eq!(read.facts.default_target.as_deref(), Some("class"));
    assert_eq!(
        (read.facts.rows, read.facts.source_rows, read.test_rows),
        (3, 3, 0)
    );
    assert_eq!(read.facts.format, "class folders");
    assert!(
        noted(&read, "1 with `.md`, 1 with `.txt`") || noted(&read, "1 with `.txt`, 1 with `.md`")
    );
    assert!(noted(&read, "2 hidden"));
    // One picture of a class cannot be learned from and tested on.
    assert_eq!(read.findings.len(), 1);
    assert_eq!(read.findings[0].kind, "single-picture-classes");
}

#[test]
fn a_given_test_part_comes_last() {
    let folder = tempfile::tempdir().unwrap();
    animals(&folder.path().join("test"));
    animals(&folder.path().join("train"));
    let read = read(folder.path());
    assert_eq!((read.images.len(), read.test_rows), (20, 10));
    assert_eq!(names(&read)[0], "train/cat/0.png");
    assert_eq!(names(&read)[10], "test/cat/0.png");
    assert_eq!(cells(&read, "class")[19], "dog");
}

#[test]
fn what_holds_no_pictures_is_left_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let table = write(root, "table.csv", b"a,b\n1,2\n3,4\n");
    let about = write(root, "about.csv", b"file,b\nx.png,2\ny.png,4\n");
    assert_eq!(detected(&table), None);
    // Pictures that a table names and that nobody has.
    assert_eq!(detected(&about), None);
    assert_eq!(detected(root), None);
    assert_eq!(detected(&root.join("nowhere")), None);
    assert_eq!(detected(Path::new("@iris")), None);
    save(root, "a.png", &grey(2, 2, 0));
    assert_eq!(detected(root), Some(ImageSource::Pictures(root.to_owned())));
    // By the first bytes, whatever the name.
    let odd = write(
        root,
        "odd.csv",
        &encoded(&grey(2, 2, 0), image::ImageFormat::Jpeg),
    );
    assert_eq!(detected(&odd), Some(ImageSource::Pictures(odd.clone())));
    let bare = write(
        root,
        "bare",
        &encoded(&grey(2, 2, 0), image::ImageFormat::Png),
    );
    assert_eq!(detected(&bare), Some(ImageSource::Pictures(bare.clone())));
}

#[test]
fn pictures_without_classes_are_read_to_predict_and_refused_to_learn() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "b.png", &grey(2, 2, 7));
    save(folder.path(), "a.png", &grey(2, 2, 9));
    let read = read(folder.path());
    assert_eq!(names(&read), ["a.png", "b.png"]);
    assert_eq!(columns(&read), ["image"]);
    assert_eq!(read.facts.default_target, None);
    let error = read_with(folder.path(), &labelled()).unwrap_err();
    assert!(matches!(error, DataError::NoClasses { .. }), "{error}");
    let one = read_with(&folder.path().join("b.png"), &ImageOptions::default()).unwrap();
    assert_eq!(names(&one), ["b.png"]);
    assert_eq!(one.images.pixels(), [7; 4]);
}

#[test]
fn one_class_is_an_error_only_where_there_is_something_to_learn() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "cat/a.png", &grey(2, 2, 7));
    save(folder.path(), "cat/b.png", &grey(2, 2, 7));
    assert_eq!(cells(&read(folder.path()), "class"), ["cat", "cat"]);
    let error = read_with(folder.path(), &labelled()).unwrap_err();
    assert!(
        matches!(&error, DataError::OneClass { class, .. } if class == "cat"),
        "{error}"
    );
    // A second class all of whose pictures are damaged is no second class.
    for i in 0..20 {
        save(folder.path(), &format!("cat/{i}.png"), &grey(2, 2, 7));
    }
    write(folder.path(), "dog/a.png", b"");
    let error = read_with(folder.path(), &labelled()).unwrap_err();
    assert!(matches!(error, DataError::OneClass { .. }), "{error}");
}

#[test]
fn strays_beside_class_folders_are_predicted_but_not_learned_from() {
    let folder = tempfile::tempdir().unwrap();
    animals(folder.path());
    save(folder.path(), "stray.png", &grey(4, 3, 7));
    let read = read_with(folder.path(), &labelled()).unwrap();
    assert_eq!(read.images.len(), 10);
    assert!(noted(&read, "1 pictures lie in no class folder"));
    let read = read_with(folder.path(), &ImageOptions::default()).unwrap();
    assert_eq!(read.images.len(), 11);
    assert_eq!(cells(&read, "class")[10], "");
}

#[test]
fn damaged_files_are_named_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for i in 0..40 {
        let class = if i % 2 == 0 { "a" } else { "b" };
        save(root, &format!("{class}/{i}.png"), &grey(30, 30, i));
    }
    let whole = encoded(&noise(30, 30), image::ImageFormat::Png);
    write(root, "a/cut.png", &whole[..whole.len() / 2]);
    write(root, "a/empty.png", b"");
    write(root, "a/text.png", b"not a picture");
    write(
        root,
        "b/bomb.png",
        &png(20_000, 20_000, 8, 0, &[], &[0; 100]),
    );
    write(
        root,
        "b/header.jpg",
        &[0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F'],
    );
    let mut broken = whole;
    let middle = broken.len() / 2;
    broken[middle] ^= 0x55;
    write(root, "b/broken.png", &broken);
    let read = read_with(root, &labelled()).unwrap();
    assert_eq!((read.images.len(), read.facts.source_rows), (40, 46));
    let finding = &read.findings[0];
    assert_eq!(
        (finding.kind.as_str(), finding.evidence.count),
        ("corrupt-pictures", 6)
    );
    for said in [
        "6 of 46",
        "`a/empty.png` (empty)",
        "`a/text.png` (no known format)",
        "`b/bomb.png` (20000 x 20000 pixels",
        "`a/cut.png` (damaged: ",
        "`b/header.jpg` (damaged: ",
        "`b/broken.png` (damaged: ",
    ] {
        assert!(
            finding.message.contains(said),
            "{said}: {}",
            finding.message
        );
    }
    // The others lie where they belong.
    let at = names(&read)
        .iter()
        .position(|name| name == "b/39.png")
        .unwrap();
    assert_eq!(read.images.get(at), Some(&[39; 900][..]));

    // Four are known before any is decoded.
    let refuse = ImageOptions {
        corrupt: CorruptPolicy::Refuse,
        ..labelled()
    };
    let error = read_with(root, &refuse).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::CorruptPictures {
                corrupt: 4,
                too_many: false,
                ..
            }
        ),
        "{error}"
    );
    for i in 0..6 {
        write(root, &format!("a/more{i}.png"), b"");
    }
    let error = read_with(root, &labelled()).unwrap_err();
    assert!(
        matches!(error, DataError::CorruptPictures { too_many: true, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("and 2 more"), "{error}");
}

/// Values without pattern.
fn noise(width: u32, height: u32) -> DynamicImage {
    let value =
        |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_le_bytes()[2];
    GrayImage::from_fn(width, height, |x, y| Luma([value(x, y)])).into()
}

/// A PNG file as the standard writes it; `palette` and its transparency when there is one.
fn png(width: u32, height: u32, bits: u8, kind: u8, palette: &[[u8; 4]], rows: &[u8]) -> Vec<u8> {
    fn chunk(png: &mut Vec<u8>, name: &[u8], body: &[u8]) {
        png.extend((body.len() as u32).to_be_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(name);
        sum.update(body);
        png.extend(name);
        png.extend(body);
        png.extend(sum.sum().to_be_bytes());
    }
    let mut made = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([bits, kind, 0, 0, 0]);
    chunk(&mut made, b"IHDR", &header);
    if !palette.is_empty() {
        let colours: Vec<u8> = palette.iter().flat_map(|c| c[..3].to_vec()).collect();
        let alphas: Vec<u8> = palette.iter().map(|c| c[3]).collect();
        chunk(&mut made, b"PLTE", &colours);
        chunk(&mut made, b"tRNS", &alphas);
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(rows).unwrap();
    chunk(&mut made, b"IDAT", &packed.finish().unwrap());
    chunk(&mut made, b"IEND", &[]);
    made
}

/// The first pixel of a picture that is read alone.
fn pixel(name: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), name, bytes);
    let read = read(&path);
    let size = read.images.size();
    let pixels = read.images.get(0).unwrap();
    let plane = size.height * size.width;
    pixels.iter().step_by(plane).copied().collect()
}

#[test]
fn depth_alpha_and_palettes() {
    let deep_grey: DynamicImage = ImageBuffer::from_pixel(2, 2, Luma([0xab00_u16])).into();
    let deep_colour: DynamicImage =
        ImageBuffer::from_pixel(2, 2, Rgb([0xffff_u16, 0x8000, 0])).into();
    let grey_alpha: DynamicImage = ImageBuffer::from_pixel(2, 2, LumaA([100_u8, 51])).into();
    let colour_alpha: DynamicImage = ImageBuffer::from_pixel(2, 2, Rgba([200_u8, 0, 0, 0])).into();
    let half: DynamicImage = ImageBuffer::from_pixel(2, 2, Rgba([200_u8, 0, 100, 255])).into();
    use image::ImageFormat::{Png, Tiff};
    assert_eq!(pixel("a.png", &encoded(&deep_grey, Png)), [170]);
    assert_eq!(pixel("a.tif", &encoded(&deep_grey, Tiff)), [170]);
    assert_eq!(pixel("a.png", &encoded(&deep_colour, Png)), [255, 128, 0]);
    assert_eq!(pixel("a.tiff", &encoded(&deep_colour, Tiff)), [255, 128, 0]);
    // A fifth of 100 over four fifths of white.
    assert_eq!(pixel("a.png", &encoded(&grey_alpha, Png)), [224]);
    // Wholly transparent is white, and white is grey.
    assert_eq!(pixel("a.png", &encoded(&colour_alpha, Png)), [255]);
    assert_eq!(pixel("a.png", &encoded(&half, Png)), [200, 0, 100]);
    // One bit a pixel into a palette: filter byte, then 0b01......
    let palette = [[1, 2, 3, 255], [9, 9, 9, 0]];
    let bytes = png(2, 1, 1, 3, &palette, &[0, 0b0100_0000]);
    assert_eq!(pixel("a.png", &bytes), [1, 2, 3]);
}

#[test]
fn every_format_is_decoded_whatever_the_extension() {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [
        ("a/1.bmp", Bmp),
        ("a/2.gif", Gif),
        ("a/3.JPG", Jpeg),
        ("b/4.png", Png),
        ("b/5.tif", Tiff),
        ("b/6.webp", WebP),
        ("b/7.png", Jpeg),
    ] {
        write(
            folder.path(),
            name,
            &encoded(&colour(8, 8, [250, 10, 20]), format),
        );
    }
    let read = read(folder.path());
    assert_eq!(
        cells(&read, "format"),
        ["bmp", "gif", "jpeg", "png", "tiff", "webp", "jpeg"]
    );
    assert_eq!(shape(&read), (3, 8, 8));
    for i in 0..7 {
        let first: Vec<u8> = read
            .images
            .get(i)
            .unwrap()
            .iter()
            .step_by(64)
            .copied()
            .collect();
        for (found, meant) in first.iter().zip([250_u8, 10, 20]) {
            assert!(found.abs_diff(meant) <= 3, "{i}: {first:?}");
        }
    }
}

#[test]
fn a_jpeg_for_print_has_colours_for_the_screen() {
    // 8 x 8 pixels in four inks, each of half strength: one bit a code, all differences zero.
    let mut bytes = vec![0xff, 0xd8];
    bytes.extend([0xff, 0xee, 0, 14]);
    bytes.extend(b"Adobe\0\x64\0\0\0\0\0");
    bytes.extend([0xff, 0xdb, 0, 67, 0]);
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4]);
    for component in 1..=4 {
        bytes.extend([component, 0x11, 0]);
    }
    for table in [0x00, 0x10] {
        bytes.extend([0xff, 0xc4, 0, 20, table, 1]);
        bytes.extend([0; 15]);
        bytes.push(0);
    }
    bytes.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    bytes.extend([0, 0xff, 0xd9]);
    let found = pixel("a.jpg", &bytes);
    assert!(
        found.len() == 1 && (60..=68).contains(&found[0]),
        "{found:?}"
    );
}

#[test]
fn pictures_lying_on_their_side_are_turned_upright() {
    // Stored 16 wide, 8 high, the left half dark; orientation 6 says: turn right, so the upper half is dark.
    let stored = GrayImage::from_fn(16, 8, |x, _| Luma([if x < 8 { 0 } else { 255 }]));
    let jpeg = encoded(&stored.into(), image::ImageFormat::Jpeg);
    let exif = [
        &b"Exif\0\0II*\0\x08\0\0\0\x01\0"[..],
        &[0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0],
        &[0; 4],
    ]
    .concat();
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg[2..]);
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.jpg", &bytes);
    let read = read(&path);
    assert_eq!(shape(&read), (1, 16, 8));
    let pixels = read.images.get(0).unwrap();
    assert!(pixels[..60].iter().all(|v| *v < 10), "{pixels:?}");
    assert!(pixels[68..].iter().all(|v| *v > 245), "{pixels:?}");
    assert!(noted(&read, "1 pictures were turned upright"));
}

#[test]
fn sizes_and_colours_are_brought_together_and_said() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "a/1.png", &grey(1, 1, 50));
    save(folder.path(), "a/2.png", &colour(200, 100, [10, 20, 30]));
    save(folder.path(), "b/3.png", &colour(300, 150, [10, 20, 30]));
    save(folder.path(), "b/4.png", &colour(100, 50, [10, 20, 30]));
    let read = read(folder.path());
    assert_eq!(shape(&read), (3, 32, 64));
    assert_eq!(
        columns(&read),
        ["image", "class", "width", "height", "channels"]
    );
    assert_eq!(cells(&read, "width"), ["1", "200", "300", "100"]);
    assert!(noted(&read, "brought to 32 x 64"), "{:?}", read.facts.notes);
    let kinds: Vec<&str> = read.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, ["mixed-sizes", "mixed-colours"]);
    assert_eq!(read.findings[0].evidence.rows, [1]);
    assert_eq!(read.findings[1].evidence.rows, [1]);
    let large = ImageOptions {
        longest_side: Some(150),
        ..ImageOptions::default()
    };
    assert_eq!(
        shape(&read_with(folder.path(), &large).unwrap()),
        (3, 50, 100)
    );
    // A network that exists says what it needs.
    let given = ImageOptions {
        size: Some(ImageSize {
            channels: 1,
            height: 5,
            width: 7,
        }),
        ..ImageOptions::default()
    };
    let read = read_with(folder.path(), &given).unwrap();
    assert_eq!(shape(&read), (1, 5, 7));
    // 0.299 of 10, 0.587 of 20, 0.114 of 30: 18.
    assert_eq!(read.images.get(1), Some(&[18; 35][..]));
    assert!(noted(&read, "turned grey"));
}

#[test]
fn coloured_files_without_a_colour_are_grey() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "a/1.png", &colour(3, 2, [40, 40, 40]));
    save(folder.path(), "b/2.png", &colour(3, 2, [50, 50, 50]));
    let read = read(folder.path());
    assert_eq!(shape(&read), (1, 2, 3));
    assert_eq!(read.images.pixels(), [[40; 6], [50; 6]].concat());
    save(folder.path(), "b/3.png", &colour(3, 2, [50, 50, 51]));
    assert_eq!(
        shape(&read_with(folder.path(), &labelled()).unwrap()),
        (3, 2, 3)
    );
}

#[test]
fn names_of_all_alphabets_and_one_name_in_two_folders() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "Ä Katze, \"1\"/图像 é.png", &grey(2, 2, 1));
    save(folder.path(), "собака/图像 é.png", &grey(2, 2, 2));
    let read = read(folder.path());
    assert_eq!(
        names(&read),
        ["Ä Katze, \"1\"/图像 é.png", "собака/图像 é.png"]
    );
    assert_eq!(cells(&read, "class"), ["Ä Katze, \"1\"", "собака"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_loops_end() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    animals(root);
    symlink(root, root.join("cat/loop")).unwrap();
    symlink(root.join("cat/0.png"), root.join("dog/link.png")).unwrap();
    symlink(root.join("nowhere.png"), root.join("dog/broken.png")).unwrap();
    let read = read(root);
    assert_eq!((read.images.len(), read.facts.source_rows), (11, 12));
    assert!(noted(&read, "`cat/loop`"), "{:?}", read.facts.notes);
    assert!(
        read.findings[0]
            .message
            .contains("`dog/broken.png` (does not exist)")
    );
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..50_u8 {
        let class = i % 3;
        save(
            folder.path(),
            &format!("{class}/{i}.png"),
            &noise(20 + u32::from(i), 30),
        );
    }
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| read(folder.path()))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn the_fingerprint_follows_names_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    animals(folder.path());
    let before = read(folder.path()).facts;
    assert_eq!(before.sha256, read(folder.path()).facts.sha256);
    assert_eq!(before.sha256.len(), 64);
    let path = folder.path().join("cat/0.png");
    assert!(before.bytes > 10 * fs::metadata(&path).unwrap().len() - 200);
    fs::rename(&path, folder.path().join("cat/00.png")).unwrap();
    let renamed = read(folder.path()).facts.sha256;
    save(folder.path(), "cat/00.png", &grey(4, 3, 99));
    let changed = read(folder.path()).facts.sha256;
    assert!(before.sha256 != renamed && renamed != changed);
}

#[test]
fn what_does_not_fit_into_memory_is_thinned_by_class() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..100_u8 {
        let class = if i < 90 { "many" } else { "few" };
        save(
            folder.path(),
            &format!("{class}/{i:03}.png"),
            &grey(10, 10, i),
        );
    }
    let options = ImageOptions {
        memory_bytes: Some(4 * 50 * 100),
        ..labelled()
    };
    let read = read_with(folder.path(), &options).unwrap();
    let classes = cells(&read, "class");
    assert_eq!(classes.iter().filter(|class| *class == "few").count(), 5);
    assert_eq!(
        (classes.len(), read.images.len(), read.facts.source_rows),
        (50, 50, 100)
    );
    assert!(noted(&read, "50 of 100"), "{:?}", read.facts.notes);
    // Rows and pictures still belong together.
    for (row, name) in names(&read).iter().enumerate() {
        let number: u8 = name[name.len() - 7..name.len() - 4].parse().unwrap();
        assert_eq!(read.images.get(row).unwrap()[0], number);
    }
}

#[test]
fn a_picture_may_take_an_eighth_of_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    animals(folder.path());
    // 9 MB when decoded.
    save(folder.path(), "cat/large.png", &grey(3000, 3000, 7));
    let options = ImageOptions {
        memory_bytes: Some(64 << 20),
        ..labelled()
    };
    let read = read_with(folder.path(), &options).unwrap();
    assert_eq!(read.images.len(), 10);
    let message = &read.findings[0].message;
    assert!(
        message.contains("`cat/large.png` (3000 x 3000 pixels, more than fit"),
        "{message}"
    );
    assert_eq!(
        read_with(folder.path(), &labelled()).unwrap().images.len(),
        11
    );
}

#[test]
fn a_manifest_keeps_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for i in 0..30_u8 {
        save(root, &format!("p/{i}.png"), &grey(4, 4, i));
    }
    let mut text = "weight;file;Label;age\n".to_owned();
    for i in 0..30 {
        text += &format!(
            "{}.5;p/{}.png;{};{}\n",
            i,
            29 - i,
            ["no", "yes"][i % 2],
            20 + i
        );
    }
    text += "1.5;p/missing.png;no;3\n2.5;;no;4\n";
    let manifest = write(root, "labels.csv", text.as_bytes());
    let source = detected(&manifest).unwrap();
    assert_eq!(
        source,
        ImageSource::Manifest {
            path: manifest.clone(),
            column: "file".to_owned()
        }
    );
    let read = read_with(&manifest, &labelled()).unwrap();
    assert_eq!(columns(&read), ["image", "weight", "Label", "age"]);
    // In the order of the rows.
    assert_eq!(names(&read)[..2], ["p/29.png", "p/28.png"]);
    assert_eq!(
        (read.images.get(0).unwrap()[0], read.images.len()),
        (29, 30)
    );
    assert_eq!(cells(&read, "weight")[..2], ["0.5", "1.5"]);
    assert_eq!(read.facts.default_target.as_deref(), Some("Label"));
    assert!(matches!(
        read.table.column("age").unwrap().values,
        Values::Numeric(_)
    ));
    let message = &read.findings[0].message;
    assert!(
        message.contains("`p/missing.png` (does not exist), `row 32` (no path given)"),
        "{message}"
    );
    // The source is what is hashed: the manifest too.
    let before = read.facts.sha256;
    write(root, "labels.csv", text.replace("yes", "nay").as_bytes());
    assert_ne!(
        before,
        read_with(&manifest, &labelled()).unwrap().facts.sha256
    );
}

#[test]
fn a_manifest_may_name_the_test_part() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4_u8 {
        save(folder.path(), &format!("{i}.png"), &grey(4, 4, i));
    }
    let text = "image,class,split\n0.png,a,test\n1.png,a,train\n2.png,b,val\n3.png,b,test\n";
    let manifest = write(folder.path(), "m.csv", text.as_bytes());
    let read = read(&manifest);
    assert_eq!(names(&read), ["1.png", "2.png", "0.png", "3.png"]);
    assert_eq!(cells(&read, "class"), ["a", "b", "a", "b"]);
    assert_eq!(read.test_rows, 2);
    assert_eq!(columns(&read), ["image", "class"]);
}

/// An IDX file of bytes.
fn idx_bytes(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    for length in shape {
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend(values);
    bytes
}

/// Pictures of 2 x 3 with their number in each pixel, labels 0, 1, 0, ...
fn write_idx(folder: &Path, part: &str, count: u8, packed: bool) {
    let pixels: Vec<u8> = (0..count).flat_map(|i| [i; 6]).collect();
    let labels: Vec<u8> = (0..count).map(|i| i % 2).collect();
    for (name, bytes) in [
        (
            "images-idx3-ubyte",
            idx_bytes(&[u32::from(count), 2, 3], &pixels),
        ),
        ("labels-idx1-ubyte", idx_bytes(&[u32::from(count)], &labels)),
    ] {
        if packed {
            write(folder, &format!("{part}-{name}.gz"), &gzip(&bytes));
        } else {
            write(folder, &format!("{part}-{name}"), &bytes);
        }
    }
}

#[test]
fn idx_files_are_read_with_their_test_part() {
    for packed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        write_idx(folder.path(), "t10k", 3, packed);
        write_idx(folder.path(), "train", 5, packed);
        let source = detected(folder.path());
        assert_eq!(source, Some(ImageSource::Idx(folder.path().to_owned())));
        let read = read_with(folder.path(), &labelled()).unwrap();
        assert_eq!((shape(&read), read.test_rows), ((1, 2, 3), 3));
        assert_eq!(names(&read)[4..6], ["train-00004", "t10k-00000"]);
        assert_eq!(
            cells(&read, "class"),
            ["0", "1", "0", "1", "0", "0", "1", "0"]
        );
        assert_eq!(read.images.get(4), Some(&[4; 6][..]));
        assert_eq!(read.facts.default_target.as_deref(), Some("class"));
        assert_eq!(read.facts.format, if packed { "IDX (gzip)" } else { "IDX" });
        // One file alone, and the test part alone, test nothing.
        let end = if packed { ".gz" } else { "" };
        let file = folder.path().join(format!("t10k-images-idx3-ubyte{end}"));
        let alone = read_with(&file, &labelled()).unwrap();
        assert_eq!((alone.images.len(), alone.test_rows), (3, 0));
        let given = ImageOptions {
            size: Some(ImageSize {
                channels: 3,
                height: 2,
                width: 2,
            }),
            ..ImageOptions::default()
        };
        let resized = read_with(&file, &given).unwrap();
        assert_eq!(resized.images.get(2), Some(&[2; 12][..]));
    }
}

#[test]
fn idx_pictures_without_labels_can_be_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "mine.bin", &idx_bytes(&[2, 1, 1], &[8, 9]));
    let read = read(&path);
    assert_eq!(names(&read), ["picture-00000", "picture-00001"]);
    assert_eq!(
        (read.images.pixels(), columns(&read)),
        (&[8, 9][..], vec!["image"])
    );
    assert!(matches!(
        read_with(&path, &labelled()),
        Err(DataError::NoClasses { .. })
    ));
}

#[test]
fn damaged_idx_files_say_what_is_wrong() {
    let cases: [(&str, Vec<u8>, Vec<u8>, &str); 7] = [
        (
            "cut pictures",
            idx_bytes(&[3, 2, 2], &[0; 11]),
            idx_bytes(&[3], &[0, 1, 0]),
            "ends after 2",
        ),
        (
            "cut header",
            vec![0, 0, 8, 3, 0, 0],
            idx_bytes(&[3], &[0; 3]),
            "cut off",
        ),
        (
            "labels of another set",
            idx_bytes(&[3, 2, 2], &[0; 12]),
            idx_bytes(&[2], &[0, 1]),
            "has 2 labels",
        ),
        (
            "cut labels",
            idx_bytes(&[3, 2, 2], &[0; 12]),
            idx_bytes(&[3], &[0, 1]),
            "ends after 2",
        ),
        (
            "wrong labels",
            idx_bytes(&[3, 2, 2], &[0; 12]),
            idx_bytes(&[3, 1, 1], &[0; 3]),
            "begins with 00000803",
        ),
        (
            "absurd count",
            idx_bytes(&[u32::MAX, 28, 28], &[0; 12]),
            idx_bytes(&[u32::MAX], &[0; 3]),
            "promises 4294967295",
        ),
        (
            "absurd side",
            idx_bytes(&[3, u32::MAX, 28], &[0; 12]),
            idx_bytes(&[3], &[0; 3]),
            "promises",
        ),
    ];
    for packed in [false, true] {
        for (name, images, labels, said) in &cases {
            let folder = tempfile::tempdir().unwrap();
            let pack = |bytes: &[u8]| if packed { gzip(bytes) } else { bytes.to_vec() };
            let end = if packed { ".gz" } else { "" };
            write(
                folder.path(),
                &format!("train-images-idx3-ubyte{end}"),
                &pack(images),
            );
            write(
                folder.path(),
                &format!("train-labels-idx1-ubyte{end}"),
                &pack(labels),
            );
            let error = read_with(folder.path(), &labelled()).unwrap_err();
            assert!(matches!(error, DataError::Idx { .. }), "{name}: {error}");
            assert!(error.to_string().contains(said), "{name}: {error}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(&idx_bytes(&[300, 20, 20], &[7; 120_000]));
    write(
        folder.path(),
        "train-images-idx3-ubyte.gz",
        &whole[..whole.len() - 30],
    );
    let error = read_with(folder.path(), &ImageOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::Idx { .. }), "{error}");
}

#[test]
fn a_file_that_unpacks_to_very_much_is_bounded_by_memory() {
    // 200 MB of zeros in 200 kB.
    let folder = tempfile::tempdir().unwrap();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&idx_bytes(&[50_000, 64, 64], &[])).unwrap();
    for _ in 0..50 {
        bomb.write_all(&vec![0; 4096 * 1000]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 400_000);
    let path = write(folder.path(), "train-images-idx3-ubyte.gz", &bomb);
    let options = ImageOptions {
        memory_bytes: Some(4_000_000),
        ..ImageOptions::default()
    };
    let read = read_with(&path, &options).unwrap();
    assert!(read.images.pixels().len() <= 1_000_000);
    assert_eq!(read.images.len(), 244);
    // A stream that goes on after what the header promises is not unpacked.
    let mut endless = idx_bytes(&[1, 1, 1], &[5]);
    endless.extend([0; 1000]);
    let path = write(folder.path(), "b-images-idx3-ubyte.gz", &gzip(&endless));
    let read = read_with(&path, &ImageOptions::default()).unwrap();
    assert_eq!(read.images.pixels(), [5]);
    assert!(noted(&read, "goes on"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn idx_reads_back_what_was_written(
        (count, height, width) in (1_usize..6, 1_usize..5, 1_usize..5),
        seed in any::<u8>(),
        packed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = (0..count * height * width).map(|i| (i as u8).wrapping_mul(seed | 1)).collect();
        let bytes = idx_bytes(&[count as u32, height as u32, width as u32], &pixels);
        let bytes = if packed { gzip(&bytes) } else { bytes };
        let read = read(&write(folder.path(), "train-images-idx3-ubyte", &bytes));
        prop_assert_eq!(read.images.pixels(), &pixels[..]);
        prop_assert_eq!(shape(&read), (1, height, width));
    }

    #[test]
    fn no_bytes_after_the_magic_make_the_idx_reader_panic(
        rest in proptest::collection::vec(any::<u8>(), 0..64),
        packed in any::<bool>(),
        cut in 0_usize..8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [&[0, 0, 8, 3][..], &rest].concat();
        let bytes = if packed { gzip(&bytes) } else { bytes };
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        let path = write(folder.path(), "train-images-idx3-ubyte", bytes);
        let source = ImageSource::Idx(path);
        if let Ok(read) = read_images(&source, &ImageOptions::default()) {
            prop_assert_eq!(read.images.len(), read.table.rows());
        }
    }

    /// A changed byte makes another picture or a fault, never a panic, and never harms the others.
    #[test]
    fn damaged_pictures_never_harm_the_others(
        at in 0.0_f64..1.0,
        value in any::<u8>(),
        keep in 0.0_f64..1.0,
        format in 0_usize..6,
    ) {
        use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
        let format = [Bmp, Gif, Jpeg, Png, Tiff, WebP][format];
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = encoded(&colour(9, 7, [1, 200, 30]), format);
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = value;
        let keep = ((0.5 + keep) * bytes.len() as f64) as usize;
        bytes.truncate(keep);
        for i in 0..5 {
            save(folder.path(), &format!("a/{i}.png"), &colour(9, 7, [10, i, 0]));
        }
        write(folder.path(), "b/damaged.png", &bytes);
        let given = ImageOptions {
            size: Some(ImageSize { channels: 3, height: 7, width: 9 }),
            ..ImageOptions::default()
        };
        let read = read_with(folder.path(), &given).unwrap();
        prop_assert!(read.images.len() >= 5);
        prop_assert_eq!(read.images.len() + read.findings.iter().map(|f| if f.kind == "corrupt-pictures" { 1 } else { 0 }).sum::<usize>(), 6);
        for i in 0..5_u8 {
            prop_assert_eq!(read.images.get(usize::from(i)).unwrap()[63], i);
        }
    }
}

/// A tar archive of grey pictures, plain.
fn tar_of(names: &[(&str, u8)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, value) in names {
        let bytes = encoded(&grey(4, 3, *value), image::ImageFormat::Png);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn archives_are_read_like_the_folders_that_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("set/dog/{}/9.png", "long".repeat(60));
    let bytes = tar_of(&[
        ("set/cat/10.png", 10),
        ("set/cat/2.png", 2),
        (&long, 9),
        ("set/cat/._2.png", 0),
        ("set/README", 0),
    ]);
    for (name, bytes) in [("a.tar", bytes.clone()), ("a.tar.gz", gzip(&bytes))] {
        let path = write(folder.path(), name, &bytes);
        assert_eq!(detected(&path), Some(ImageSource::Archive(path.clone())));
        let read = read_with(&path, &labelled()).unwrap();
        assert_eq!(names(&read)[..2], ["cat/2.png", "cat/10.png"]);
        assert_eq!(cells(&read, "class"), ["cat", "cat", "dog"]);
        let first: Vec<u8> = (0..3).map(|i| read.images.get(i).unwrap()[0]).collect();
        assert_eq!(first, [2, 10, 9]);
        assert_eq!(
            read.facts.sha256,
            crate::read::fingerprint::fingerprint(&path).unwrap().1
        );
        assert!(noted(&read, "1 hidden"));
    }
}

#[test]
fn a_folder_of_archives_has_a_test_part() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        root,
        "test.tar.gz",
        &gzip(&tar_of(&[("dog/1.png", 7), ("cat/1.png", 6)])),
    );
    write(
        root,
        "train.tar.gz",
        &gzip(&tar_of(&[
            ("./cat/1.png", 1),
            ("./cat/2.png", 2),
            ("./dog/1.png", 3),
        ])),
    );
    assert_eq!(detected(root), Some(ImageSource::Archive(root.to_owned())));
    let read = read_with(root, &labelled()).unwrap();
    assert_eq!(
        names(&read),
        [
            "train/cat/1.png",
            "train/cat/2.png",
            "train/dog/1.png",
            "test/cat/1.png",
            "test/dog/1.png"
        ]
    );
    let first: Vec<u8> = (0..5).map(|i| read.images.get(i).unwrap()[0]).collect();
    assert_eq!((first, read.test_rows), (vec![1, 2, 3, 6, 7], 2));
}

#[test]
fn damaged_archives_and_members_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(&tar_of(&[("a/1.png", 1), ("b/1.png", 2)]));
    let cut = write(folder.path(), "cut.tar.gz", &whole[..whole.len() / 2]);
    // Whatever is left, a message and no panic.
    if let Some(source) = detected(&cut) {
        let error = read_images(&source, &labelled()).unwrap_err();
        assert!(matches!(error, DataError::Archive { .. }), "{error}");
    }
    let mut archive = tar::Builder::new(Vec::new());
    for i in 0..10 {
        let bytes = if i == 4 {
            Vec::new()
        } else {
            encoded(&grey(2, 2, i), image::ImageFormat::Png)
        };
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, format!("{}/{i}.png", i % 2), &bytes[..])
            .unwrap();
    }
    let path = write(folder.path(), "b.tar", &archive.into_inner().unwrap());
    let read = read_with(&path, &labelled()).unwrap();
    assert_eq!(read.images.len(), 9);
    assert!(read.findings[0].message.contains("`0/4.png` (empty)"));
}

#[test]
fn a_set_that_is_not_installed_names_its_package() {
    assert_eq!(image_builtin_names(), ["fashion-mnist"]);
    match ImageSource::detect(Path::new("@fashion-mnist")) {
        Ok(found) => assert_eq!(
            found,
            Some(ImageSource::Builtin("fashion-mnist".to_owned()))
        ),
        Err(error) => {
            use candor_core::Hints;
            assert!(
                error.hints()[0].contains("dataset-fashion-mnist"),
                "{error}"
            );
        }
    }
    let error = Source::parse("@fashion-mnist").unwrap_err();
    assert!(
        matches!(error, DataError::BuiltinPictures { .. }),
        "{error}"
    );
    let error = Source::parse("@fashion-mnsit").unwrap_err();
    assert!(error.to_string().contains("fashion-mnist"), "{error}");
}

#[test]
fn sources_and_options_are_stored() {
    let source = ImageSource::Manifest {
        path: "a.csv".into(),
        column: "file".to_owned(),
    };
    let text = serde_json::to_string(&source).unwrap();
    assert_eq!(serde_json::from_str::<ImageSource>(&text).unwrap(), source);
    let options: ImageOptions = serde_json::from_str(r#"{"corrupt": "refuse"}"#).unwrap();
    assert_eq!(options.corrupt, CorruptPolicy::Refuse);
    assert!(serde_json::from_str::<ImageOptions>(r#"{"colour": 1}"#).is_err());
}
