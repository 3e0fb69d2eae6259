use std::fmt::Write;

/// A small picture under its name.
pub(super) struct Raster {
    pub label: String,
    /// Pixels along a side.
    pub side: usize,
    /// Row by row, 0 (white) to 1 (black); what lies outside is cut.
    pub values: Vec<f64>,
    /// Red, green and blue of each pixel, 0 to 1, instead of `values`; what lies outside is cut.
    pub colours: Vec<[f64; 3]>,
    /// Pixels from each edge to a frame that is drawn inside; 0 for none.
    pub frame: usize,
}

impl Raster {
    /// A picture in colour.
    pub fn in_colour(label: &str, side: usize, colours: Vec<[f64; 3]>) -> Raster {
        Raster {
            label: label.into(),
            side,
            values: Vec::new(),
            colours,
            frame: 0,
        }
    }

    /// Red, green and blue of each pixel, from 0 to 255.
    fn pixels(&self) -> Vec<[f64; 3]> {
        let bytes = |part: f64| (255.0 * part.clamp(0.0, 1.0)).round();
        let grey = self.values.iter().map(|value| [bytes(1.0 - value); 3]);
        let coloured = self.colours.iter().map(|colour| colour.map(bytes));
        grey.chain(coloured).collect()
    }
}

const WIDTH: f64 = 360.0;
const GAP: f64 = 6.0;
const NAME: f64 = 16.0;

/// Pictures side by side, so many in a line.
pub(super) fn rasters(title: &str, pictures: &[Raster], in_line: usize) -> String {
    let in_line = in_line.max(1);
    let size = (WIDTH - GAP * (in_line - 1) as f64) / in_line as f64;
    let lines = pictures.len().div_ceil(in_line);
    let height = lines as f64 * (size + NAME + GAP);
    let mut svg = format!(
        r#"<svg viewBox="0 0 {WIDTH} {height:.1}" role="img" aria-label="{title}"><title>{title}</title>"#
    );
    for (i, picture) in pictures.iter().enumerate() {
        let left = (i % in_line) as f64 * (size + GAP);
        let top = (i / in_line) as f64 * (size + NAME + GAP);
        let _ = write!(
            svg,
            r#"<text class="tick" x="{left:.1}" y="{:.1}">{}</text>"#,
            top + NAME - 5.0,
            picture.label
        );
        let (top, pixel) = (top + NAME, size / picture.side.max(1) as f64);
        for (place, [red, green, blue]) in picture.pixels().into_iter().enumerate() {
            let (x, y) = (place % picture.side, place / picture.side);
            // A hair wider, so that no light shines between pixels.
            let _ = write!(
                svg,
                r#"<rect x="{:.2}" y="{:.2}" width="{2:.2}" height="{2:.2}" fill="rgb({red},{green},{blue})"/>"#,
                left + x as f64 * pixel,
                top + y as f64 * pixel,
                pixel + 0.3
            );
        }
        if picture.frame > 0 {
            let inset = picture.frame as f64 * pixel;
            let _ = write!(
                svg,
                r##"<rect x="{:.2}" y="{:.2}" width="{2:.2}" height="{2:.2}" fill="none" stroke="#c25a00" stroke-width="1.5"/>"##,
                left + inset,
                top + inset,
                size - 2.0 * inset
            );
        }
    }
    svg + "</svg>"
}
