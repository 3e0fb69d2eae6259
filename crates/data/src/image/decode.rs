use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::fault::Fault;

/// The longest side of a picture that is decoded, in pixels.
pub(super) const MAX_SIDE: u32 = 16_384;
/// The largest file that is taken for a picture.
pub(super) const MAX_FILE_BYTES: u64 = 256_000_000;

/// What a file says of its picture before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Columns of pixels, as seen upright.
    pub width: usize,
    /// Rows of pixels, as seen upright.
    pub height: usize,
    /// Channels of the file, alpha included: 1 to 4.
    pub channels: usize,
    /// Whether a channel has more than 8 bits.
    pub deep: bool,
    /// Whether the file has an alpha channel.
    pub alpha: bool,
    /// Whether the file's EXIF data ask for another orientation.
    pub turned: bool,
    /// `png`, `jpeg`, ...
    pub format: &'static str,
}

impl Header {
    /// Whether the file has no colours.
    pub(super) fn is_grey(&self) -> bool {
        self.channels <= 2
    }
}

/// One decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub width: usize,
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `[height, width, channels]`.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Whether some pixel is not grey.
    pub(super) fn is_coloured(&self) -> bool {
        self.channels == 3
            && self
                .pixels
                .chunks_exact(3)
                .any(|p| p[0] != p[1] || p[1] != p[2])
    }

    /// The same picture in grey: the luma of ITU-R BT.601, as most tools compute it.
    pub(super) fn into_grey(self) -> Picture {
        if self.channels == 1 {
            return self;
        }
        let luma = |p: &[u8]| {
            let sum = 299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]);
            ((sum + 500) / 1000) as u8
        };
        Picture {
            channels: 1,
            pixels: self.pixels.chunks_exact(3).map(luma).collect(),
            ..self
        }
    }
}

/// Reads what the file says of its picture, which must not take more than `most` bytes to decode.
pub(super) fn header(bytes: &[u8], most: u64) -> Result<Header, Fault> {
    guarded(|| {
        let (format, mut decoder) = decoder(bytes, most)?;
        // Without a readable orientation a picture is shown as it is stored.
        let turned = decoder
            .orientation()
            .is_ok_and(|o| o != Orientation::NoTransforms);
        let lying = decoder.orientation().is_ok_and(lies_on_its_side);
        let (width, height) = decoder.dimensions();
        let (width, height) = if lying {
            (height, width)
        } else {
            (width, height)
        };
        let colour = decoder.color_type();
        Ok(Header {
            width: width as usize,
            height: height as usize,
            channels: usize::from(colour.channel_count()),
            deep: colour.bytes_per_pixel() > colour.channel_count(),
            alpha: colour.has_alpha(),
            turned,
            format: name_of(format),
        })
    })
}

/// Decodes a picture and turns it upright. Channels of more than 8 bits are scaled to 8; what is transparent is laid
/// over white; of several frames or pages the first counts. Pictures that take more than `most` bytes are refused.
pub(super) fn picture(bytes: &[u8], most: u64) -> Result<Picture, Fault> {
    guarded(|| {
        let (_, mut decoder) = decoder(bytes, most)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut decoded =
            DynamicImage::from_decoder(decoder).map_err(|error| Fault::from_image(&error))?;
        decoded.apply_orientation(orientation);
        Ok(eight_bits(decoded))
    })
}

/// A decoder with limits, by the first bytes and never by the file's name.
fn decoder(bytes: &[u8], most: u64) -> Result<(ImageFormat, impl ImageDecoder), Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| Fault::from_io(&error))?;
    let format = reader.format().ok_or(Fault::Unknown)?;
    // Sides are checked below, with a message that names them.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most);
    reader.limits(limits);
    let decoder = reader
        .into_decoder()
        .map_err(|error| Fault::from_image(&error))?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(Fault::TooLarge(width, height));
    }
    if decoder.total_bytes() > most {
        return Err(Fault::NeedsMemory(width, height));
    }
    if width == 0 || height == 0 {
        return Err(Fault::Undecodable("it has no pixels".to_owned()));
    }
    Ok((format, decoder))
}

/// Decoders do not panic on purpose; damaged files are where they do.
fn guarded<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Fault::Undecodable("its decoder gave up".to_owned())))
}

fn lies_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "png",
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::Tiff => "tiff",
        ImageFormat::Bmp => "bmp",
        ImageFormat::Gif => "gif",
        ImageFormat::WebP => "webp",
        _ => "other",
    }
}

fn eight_bits(decoded: DynamicImage) -> Picture {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let (channels, pixels) = match decoded.color() {
        ColorType::L8 | ColorType::L16 => (1, decoded.into_luma8().into_raw()),
        ColorType::La8 | ColorType::La16 => {
            (1, over_white(&decoded.into_luma_alpha8().into_raw(), 1))
        }
        colour if colour.has_alpha() => (3, over_white(&decoded.into_rgba8().into_raw(), 3)),
        _ => (3, decoded.into_rgb8().into_raw()),
    };
    Picture {
        width,
        height,
        channels,
        pixels,
    }
}

/// `colours` channels and alpha, laid over white.
fn over_white(pixels: &[u8], colours: usize) -> Vec<u8> {
    let mut flat = Vec::with_capacity(pixels.len() / (colours + 1) * colours);
    for pixel in pixels.chunks_exact(colours + 1) {
        let alpha = u32::from(pixel[colours]);
        flat.extend(pixel[..colours].iter().map(|&value| {
            let sum = u32::from(value) * alpha + 255 * (255 - alpha);
            ((sum + 127) / 255) as u8
        }));
    }
    flat
}

/// Whether the first bytes of a file are those of a format that is decoded here.
pub(super) fn begins_as_picture(path: &Path) -> bool {
    let mut first = Vec::with_capacity(16);
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut first));
    read.is_ok() && image::guess_format(&first).is_ok_and(|format| format.reading_enabled())
}
