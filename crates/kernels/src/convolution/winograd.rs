//! Convolutions with kernels of 3 x 3 by Winograd's minimal filtering, F(4 x 4, 3 x 3): tiles of 6 x 6 inputs and kernels are
//! transformed, multiplied place by place, and their products transformed to 4 x 4 results, which takes 36 multiplications where the
//! definition takes 144.
//!
//! Pixels stand with their channels side by side while they are transformed, so that images of any size fill the lanes: for each of the
//! 36 places the products are one of matrices, `[tiles, channels] [channels, filters]`. Each number of a result is computed by the same
//! operations in the same order whatever tiles, images and threads are beside it.
//!
//! # Accuracy
//! Computed in 32 bits. Root mean square of the error against 64 bits, as a share of that of the result, on standard normal numbers with 64
//! and 128 channels and filters, 14 x 14: 1.6e-6 and 2.1e-6 forwards, 1.6e-6 and 2.2e-6 for the gradient of `x`, 1.1e-6 for that of the
//! weights (direct sums: 0.4e-6 and 0.6e-6, the same, 0.3e-6). An input that is infinite or no number makes none of every result of the
//! tiles that see it.
//!
//! # Reference
//! Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308, sections 4.1 and 4.3.

mod pixels;
mod transforms;

use std::ops::Range;

use multiversion::multiversion;
use multiversion::target::match_target;

use super::padded::Correlation;
use super::{Moves, Sizes};
use crate::array::{spread, spread_with};
use crate::tiles::tile;
use pixels::{from_planes, to_planes, to_rows};

/// Results of a tile along an axis.
const SIDE: usize = 4;
/// Inputs of a tile along an axis.
const REACH: usize = 6;
/// Inputs of a tile, and products of a channel.
const PLACES: usize = REACH * REACH;
/// Numbers that are transformed at a time.
const LANES: usize = 16;
/// There is room for a multiple of so many tiles.
const ROWS: usize = 16;

/// Whether the forward pass and the gradient of `x` gain from the transforms: decided by what does not change with the batch, so that an
/// image alone gives the bits that it gives among others.
pub(super) fn pays(s: &Sizes) -> bool {
    fits(s) && s.channels_per_group().min(s.filters_per_group()) >= 16
}

/// Whether the gradient of the weights does.
pub(super) fn pays_for_weights(s: &Sizes) -> bool {
    fits(s) && s.channels_per_group().min(s.filters_per_group()) >= 32
}

fn fits(s: &Sizes) -> bool {
    let Moves {
        stride, dilation, ..
    } = s.moves;
    s.kernel == [3, 3] && stride == [1, 1] && dilation == [1, 1] && s.pixels() > 0
}

/// Neighbouring filters of which products are computed at a time: as many as fill the registers, or a vector of them where no more are left.
#[derive(Debug, Clone, Copy)]
struct Panel {
    first: usize,
    width: usize,
}

/// Filters of a full panel.
#[multiversion(targets("x86_64+avx512f+avx512vl"))]
pub(super) fn full_width() -> usize {
    match_target! {
        "x86_64+avx512f+avx512vl" => 2 * LANES,
        _ => LANES,
    }
}

fn panels(filters: usize) -> Vec<Panel> {
    let full = full_width();
    let panel = |first: usize| Panel {
        first,
        width: if filters - first <= LANES {
            LANES
        } else {
            full
        },
    };
    (0..filters).step_by(full).map(panel).collect()
}

/// Lanes of all panels.
fn width_of(panels: &[Panel]) -> usize {
    panels.iter().map(|panel| panel.width).sum()
}

/// One group of a correlation, cut into tiles.
#[derive(Debug)]
pub(super) struct Plan {
    correlation: Correlation,
    filters: usize,
    panels: Vec<Panel>,
    /// Tiles of an image, down and across.
    tiles: [usize; 2],
}

/// Some tiles that are transformed at a time: the same rectangle of neighbouring images.
#[derive(Debug, Clone)]
struct Area {
    images: Range<usize>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Area {
    fn tiles(&self) -> usize {
        self.images.len() * self.rows.len() * self.columns.len()
    }
}

/// The pixels of a plane that the tiles of an area see, or make: those inside the plane.
#[derive(Debug, Clone)]
struct Region {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Of the plane.
    width: usize,
}

impl Region {
    /// Tiles whose first pixels are [`SIDE`] apart and that are `reach` wide, from `start` before the plane on.
    fn new(area: &Area, reach: usize, start: [isize; 2], plane: [usize; 2]) -> Region {
        let inside = |tiles: &Range<usize>, axis: usize| {
            let first = (tiles.start * SIDE) as isize - start[axis];
            let end = ((tiles.end - 1) * SIDE + reach) as isize - start[axis];
            let [first, end] = [first, end].map(|at| at.clamp(0, plane[axis] as isize) as usize);
            first..end
        };
        Region {
            rows: inside(&area.rows, 0),
            columns: inside(&area.columns, 1),
            width: plane[1],
        }
    }

    fn pixels(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Pixels that stand side by side in the plane, and where the first ones do: all at once, or a row.
    fn segments(&self) -> (usize, impl Iterator<Item = usize>) {
        let whole = self.columns.len() == self.width;
        let length = if whole {
            self.pixels()
        } else {
            self.columns.len()
        };
        let rows = if whole {
            self.rows.start..self.rows.start + 1
        } else {
            self.rows.clone()
        };
        let (width, first) = (self.width, self.columns.start);
        (length, rows.map(move |row| row * width + first))
    }
}

/// What a thread reuses from area to area.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// `[images, pixels of a region, channels]`.
    pixels: Vec<f32>,
    inputs: Transformed,
    /// The same as `[places, channels, tiles]`.
    rows: Vec<f32>,
    /// Products, or transformed gradients, of a panel.
    products: Transformed,
    /// Results of a row of tiles, `[pixels, width of a panel]`.
    results: Vec<f32>,
    /// Sums of a gradient of the weights, `[panels, places, channels, width of the panel]`.
    sums: Vec<f32>,
}

/// `[places, tiles, width]`, with a distance between places that keeps them from the same lines of the cache.
#[derive(Debug, Default)]
struct Transformed {
    values: Vec<f32>,
    distance: usize,
    width: usize,
}

impl Transformed {
    fn shape(&mut self, tiles: usize, width: usize) {
        self.width = width;
        self.distance = tiles.next_multiple_of(ROWS) * width + LANES;
        if self.values.len() < PLACES * self.distance {
            self.values.resize(PLACES * self.distance, 0.0);
        }
    }
}

impl Plan {
    pub fn new(correlation: Correlation, filters: usize) -> Plan {
        Plan {
            correlation,
            filters,
            panels: panels(filters),
            tiles: correlation.output.map(|size| size.div_ceil(SIDE)),
        }
    }

    /// Channels with those that fill the last vector.
    fn channels(&self) -> usize {
        self.correlation.planes.next_multiple_of(LANES)
    }

    /// The tiles of a row that are transformed at a time, and the rows, and the images: about as many tiles as the nearer caches hold.
    fn areas(&self, images: usize, rows: &Range<usize>) -> Vec<Area> {
        let most = (4096 / self.channels()).clamp(32, 64);
        let (columns_at_once, rows_at_once, images_at_once) =
            at_once(most, rows.len(), self.tiles[1]);
        let mut areas = Vec::new();
        for images in cut(0..images, images_at_once) {
            for rows in cut(rows.clone(), rows_at_once) {
                for columns in cut(0..self.tiles[1], columns_at_once) {
                    areas.push(Area {
                        images: images.clone(),
                        rows: rows.clone(),
                        columns,
                    });
                }
            }
        }
        areas
    }

    /// Images of which as many tiles can be made at a time as fill an area.
    pub fn images_at_once(&self) -> usize {
        at_once(32, self.tiles[0], self.tiles[1]).2
    }
}

/// How many tiles across, rows of them, and images make about `most` tiles.
fn at_once(most: usize, rows: usize, across: usize) -> (usize, usize, usize) {
    if across >= 2 * most {
        return (most, 1, 1);
    }
    if rows * across > most + most / 2 {
        return (across, (most / across).max(1), 1);
    }
    (across, rows, (most / (rows * across)).max(1))
}

/// A range in pieces as equal as can be, of `most` at most.
fn cut(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let pieces = range.len().div_ceil(most).max(1);
    let at = move |i: usize| range.start + range.len() * i / pieces;
    (0..pieces).map(move |i| at(i)..at(i + 1))
}

/// The transformed kernels of a correlation: for each group, for each panel, `[places, planes, width of the panel]`, zero beyond the last
/// filter.
pub(super) struct Weights {
    values: Vec<f32>,
    of_group: usize,
}

impl Weights {
    /// `weight` is that of the convolution, `[groups * filters, channels, 3, 3]`; `mirrored` for the correlation backwards, whose filters
    /// are the channels.
    pub fn new(plan: &Plan, weight: &[f32], mirrored: bool) -> Weights {
        let (filters, planes) = (plan.filters, plan.correlation.planes);
        let of_group = PLACES * planes * width_of(&plan.panels);
        let groups = weight.len() / (filters * planes * 9);
        let mut values = vec![0.0; groups * of_group];
        let mut parts = Vec::new();
        let mut rest = values.as_mut_slice();
        for weight in weight.chunks_exact(filters * planes * 9) {
            for panel in &plan.panels {
                let (part, after) = rest.split_at_mut(PLACES * planes * panel.width);
                rest = after;
                parts.push((weight, *panel, part));
            }
        }
        let distances = if mirrored {
            [9, filters * 9]
        } else {
            [planes * 9, 9]
        };
        spread(parts, |(weight, panel, part)| {
            let lanes = panel.width.min(filters - panel.first);
            let from = &weight[panel.first * distances[0]..];
            transform_weights(
                from,
                distances,
                mirrored,
                lanes,
                part,
                [planes, panel.width],
            );
        });
        Weights { values, of_group }
    }

    pub fn group(&self, group: usize) -> &[f32] {
        &self.values[group * self.of_group..][..self.of_group]
    }
}

/// Row `i` of what was transformed column by column.
#[inline(always)]
fn row_of<const N: usize, const M: usize>(
    down: &[[[f32; LANES]; N]; M],
    i: usize,
) -> [&[f32; LANES]; M] {
    let mut row = [&down[0][i]; M];
    for (number, column) in row.iter_mut().zip(down) {
        *number = &column[i];
    }
    row
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn transform_weights(
    weight: &[f32],
    distances: [usize; 2],
    mirrored: bool,
    lanes: usize,
    out: &mut [f32],
    sizes: [usize; 2],
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => transform_weights_by::<true>(weight, distances, mirrored, lanes, out, sizes),
        "x86_64+avx2+fma" => transform_weights_by::<true>(weight, distances, mirrored, lanes, out, sizes),
        "aarch64+neon" => transform_weights_by::<true>(weight, distances, mirrored, lanes, out, sizes),
        _ => transform_weights_by::<false>(weight, distances, mirrored, lanes, out, sizes),
    }
}

/// `distances`: those of filters and of planes; `lanes`: filters of this panel.
#[inline(always)]
fn transform_weights_by<const FMA: bool>(
    weight: &[f32],
    distances: [usize; 2],
    mirrored: bool,
    lanes: usize,
    out: &mut [f32],
    [planes, width]: [usize; 2],
) {
    for plane in 0..planes {
        for first in (0..lanes).step_by(LANES) {
            let mut g = [[0f32; LANES]; 9];
            for lane in 0..LANES.min(lanes - first) {
                let at = (first + lane) * distances[0] + plane * distances[1];
                let kernel = &weight[at..at + 9];
                for (k, g) in g.iter_mut().enumerate() {
                    g[lane] = kernel[if mirrored { 8 - k } else { k }];
                }
            }
            let mut down = [[[0f32; LANES]; REACH]; 3];
            for x in 0..3 {
                down[x] = transforms::kernel::<LANES, FMA>([&g[x], &g[3 + x], &g[6 + x]]);
            }
            for i in 0..REACH {
                let u = transforms::kernel::<LANES, FMA>(row_of(&down, i));
                for (j, u) in u.iter().enumerate() {
                    let to = ((i * REACH + j) * planes + plane) * width + first;
                    out[to..to + LANES].copy_from_slice(u);
                }
            }
        }
    }
}

/// What is to be correlated: the planes of some images of one group.
pub(super) struct Part<'a, 'b> {
    pub images: &'a [&'b [f32]],
    /// Rows of tiles.
    pub rows: Range<usize>,
    /// Panels of filters.
    pub panels: Range<usize>,
    /// The results, `[images, filters of these panels]`: of each plane from the first row of tiles on.
    pub strips: &'a mut [&'b mut [f32]],
}

impl Plan {
    /// All of some images: `x`, `[images][planes, pixels]`, to `output`, `[images][filters, outputs]`.
    pub fn correlate_images(
        &self,
        x: &[&[f32]],
        weight: &[f32],
        bias: Option<&[f32]>,
        output: &mut [&mut [f32]],
        scratch: &mut Scratch,
    ) {
        let outputs = self.correlation.outputs();
        let strips = output
            .iter_mut()
            .flat_map(|image| image.chunks_exact_mut(outputs));
        let mut strips: Vec<&mut [f32]> = strips.collect();
        let part = Part {
            images: x,
            rows: 0..self.tiles[0],
            panels: 0..self.panels.len(),
            strips: &mut strips,
        };
        self.correlate(part, weight, bias, scratch);
    }

    /// `weight` is that of the group, see [`Weights`].
    pub fn correlate(
        &self,
        part: Part,
        weight: &[f32],
        bias: Option<&[f32]>,
        scratch: &mut Scratch,
    ) {
        correlate(self, part, weight, bias, scratch);
    }
}

fn correlate(plan: &Plan, part: Part, weight: &[f32], bias: Option<&[f32]>, scratch: &mut Scratch) {
    let planes = plan.correlation.planes;
    let panels = &plan.panels[part.panels.clone()];
    let skipped = width_of(&plan.panels[..part.panels.start]);
    let first_filter = panels[0].first;
    let filters = part.strips.len() / part.images.len();
    for area in plan.areas(part.images.len(), &part.rows) {
        let (start, plane) = (plan.correlation.start, plan.correlation.pixels);
        let region = Region::new(&area, REACH, start, plane);
        lay_out(
            &part.images[area.images.clone()],
            &region,
            planes,
            &mut scratch.pixels,
        );
        let inputs = &mut scratch.inputs;
        inputs.shape(area.tiles(), plan.channels());
        let place = Place {
            area: &area,
            region: &region,
            start,
        };
        transform_inputs(&place, &scratch.pixels, inputs);
        let mut weight = &weight[PLACES * planes * skipped..];
        for panel in panels {
            scratch.products.shape(area.tiles(), panel.width);
            multiply(inputs, planes, weight, area.tiles(), &mut scratch.products);
            weight = &weight[PLACES * planes * panel.width..];
            let bias = bias.map(|bias| &bias[panel.first..]);
            let own =
                panel.first - first_filter..filters.min(panel.first - first_filter + panel.width);
            for image in area.images.clone() {
                let strips = &mut part.strips[image * filters..][own.clone()];
                let (products, results) = (&scratch.products, &mut scratch.results);
                let at = Results {
                    plan,
                    area: &area,
                    image,
                    first_row: part.rows.start,
                    bias,
                };
                make_results(&at, products, strips, results);
            }
        }
    }
}

/// The pixels of a region of each image, channels side by side.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn lay_out(images: &[&[f32]], region: &Region, planes: usize, pixels: &mut Vec<f32>) {
    let pitch = planes.next_multiple_of(LANES);
    let of_image = region.pixels() * pitch;
    if pixels.len() < images.len() * of_image {
        pixels.resize(images.len() * of_image, 0.0);
    }
    if of_image == 0 {
        return;
    }
    for (image, pixels) in images.iter().zip(pixels.chunks_exact_mut(of_image)) {
        let (length, segments) = region.segments();
        let distance = image.len() / planes;
        for (first, pixels) in segments.zip(pixels.chunks_exact_mut(length * pitch)) {
            from_planes(image, distance, first, pixels, pitch);
        }
    }
}

/// Where the tiles of an area stand in a region whose pixels are laid out.
struct Place<'a> {
    area: &'a Area,
    region: &'a Region,
    /// How far before the plane the first tile begins.
    start: [isize; 2],
}

impl Place<'_> {
    /// For each tile, in order: its image's number in the area, and where in the region it begins.
    #[inline(always)]
    fn tiles(&self) -> impl Iterator<Item = (usize, [isize; 2])> {
        let (area, region, start) = (self.area.clone(), self.region, self.start);
        let corner = [region.rows.start as isize, region.columns.start as isize];
        let at =
            move |tile: usize, axis: usize| (tile * SIDE) as isize - start[axis] - corner[axis];
        (0..area.images.len()).flat_map(move |image| {
            let columns = area.columns.clone();
            area.rows.clone().flat_map(move |row| {
                columns
                    .clone()
                    .map(move |column| (image, [at(row, 0), at(column, 1)]))
            })
        })
    }
}

/// `B^T d B` of every tile.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn transform_inputs(place: &Place, pixels: &[f32], out: &mut Transformed) {
    match_target! {
        "x86_64+avx512f+avx512vl" => transform_inputs_by::<true>(place, pixels, out),
        "x86_64+avx2+fma" => transform_inputs_by::<true>(place, pixels, out),
        "aarch64+neon" => transform_inputs_by::<true>(place, pixels, out),
        _ => transform_inputs_by::<false>(place, pixels, out),
    }
}

#[inline(always)]
fn transform_inputs_by<const FMA: bool>(place: &Place, pixels: &[f32], out: &mut Transformed) {
    let pitch = out.width;
    let (height, width) = (
        place.region.rows.len() as isize,
        place.region.columns.len() as isize,
    );
    let of_image = place.region.pixels() * pitch;
    let nothing = [0f32; LANES];
    for (tile, (image, [top, left])) in place.tiles().enumerate() {
        let pixels = &pixels[image * of_image..][..of_image];
        for lane in (0..pitch).step_by(LANES) {
            let mut down = [[[0f32; LANES]; REACH]; REACH];
            for (x, down) in down.iter_mut().enumerate() {
                let column = left + x as isize;
                if column < 0 || column >= width {
                    continue;
                }
                let mut d = [&nothing; REACH];
                for (y, d) in d.iter_mut().enumerate() {
                    let row = top + y as isize;
                    if row >= 0 && row < height {
                        let at = (row * width + column) as usize * pitch + lane;
                        if let Some(found) = pixels[at..].first_chunk::<LANES>() {
                            *d = found;
                        }
                    }
                }
                *down = transforms::input::<LANES, FMA>(d);
            }
            for i in 0..REACH {
                let along = transforms::input::<LANES, FMA>(row_of(&down, i));
                for (j, values) in along.iter().enumerate() {
                    let to = (i * REACH + j) * out.distance + tile * pitch + lane;
                    out.values[to..to + LANES].copy_from_slice(values);
                }
            }
        }
    }
}

/// For each place the product of `[tiles, channels]` and a panel of weights.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn multiply(
    inputs: &Transformed,
    planes: usize,
    weight: &[f32],
    tiles: usize,
    out: &mut Transformed,
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => if out.width > LANES {
            multiply_by::<8, 32, true>(inputs, planes, weight, tiles, out)
        } else {
            multiply_by::<8, 16, true>(inputs, planes, weight, tiles, out)
        },
        "x86_64+avx2+fma" => multiply_by::<4, 16, true>(inputs, planes, weight, tiles, out),
        "aarch64+neon" => multiply_by::<4, 16, true>(inputs, planes, weight, tiles, out),
        _ => multiply_by::<2, 16, false>(inputs, planes, weight, tiles, out),
    }
}

#[inline(always)]
fn multiply_by<const R: usize, const W: usize, const FMA: bool>(
    inputs: &Transformed,
    planes: usize,
    weight: &[f32],
    tiles: usize,
    out: &mut Transformed,
) {
    for place in 0..PLACES {
        let weight = &weight[place * planes * W..][..planes * W];
        let inputs_of = &inputs.values[place * inputs.distance..][..inputs.distance];
        let out = &mut out.values[place * out.distance..][..out.distance];
        let mut tile = 0;
        while tile < tiles {
            // What is computed beyond the last tile is not used.
            let left = tiles - tile;
            let (a, out) = (&inputs_of[tile * inputs.width..], &mut out[tile * W..]);
            tile += if left > 4 {
                some_tiles::<R, W, FMA>(a, inputs.width, weight, out)
            } else if left > 2 {
                some_tiles::<4, W, FMA>(a, inputs.width, weight, out)
            } else {
                some_tiles::<2, W, FMA>(a, inputs.width, weight, out)
            };
        }
    }
}

#[inline(always)]
fn some_tiles<const R: usize, const W: usize, const FMA: bool>(
    a: &[f32],
    pitch: usize,
    weight: &[f32],
    out: &mut [f32],
) -> usize {
    let mut sums = [[0f32; W]; R];
    let mut rows: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &a[r * pitch..][..weight.len() / W];
    }
    tile::<R, W, FMA>(&mut sums, rows, 1, weight);
    for r in 0..R {
        out[r * W..][..W].copy_from_slice(&sums[r]);
    }
    R
}

/// Which results are made of products: those of an image's tiles in an area.
struct Results<'a> {
    plan: &'a Plan,
    area: &'a Area,
    image: usize,
    /// The row of tiles at which planes begin.
    first_row: usize,
    bias: Option<&'a [f32]>,
}

/// `A^T m A`, and from there into the planes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn make_results(
    at: &Results,
    products: &Transformed,
    strips: &mut [&mut [f32]],
    results: &mut Vec<f32>,
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => make_results_by::<true>(at, products, strips, results),
        "x86_64+avx2+fma" => make_results_by::<true>(at, products, strips, results),
        "aarch64+neon" => make_results_by::<true>(at, products, strips, results),
        _ => make_results_by::<false>(at, products, strips, results),
    }
}

#[inline(always)]
fn make_results_by<const FMA: bool>(
    at: &Results,
    products: &Transformed,
    strips: &mut [&mut [f32]],
    results: &mut Vec<f32>,
) {
    let Results {
        plan,
        area,
        image,
        first_row,
        bias,
    } = *at;
    let pitch = products.width;
    let output = plan.correlation.output;
    let columns = area.columns.start * SIDE..(area.columns.end * SIDE).min(output[1]);
    let width = columns.len();
    let needed = (SIDE * width + LANES) * pitch + LANES;
    if results.len() < needed {
        results.resize(needed, 0.0);
    }
    let first_tile = (image - area.images.start) * area.rows.len() * area.columns.len();
    for (number, row) in area.rows.clone().enumerate() {
        let lines = SIDE.min(output[0] - row * SIDE);
        for column in 0..area.columns.len() {
            let tile = first_tile + number * area.columns.len() + column;
            let across = SIDE.min(width - column * SIDE);
            for lane in (0..pitch).step_by(LANES) {
                let mut start = [0f32; LANES];
                if let Some(bias) = bias {
                    let own = LANES.min(bias.len().saturating_sub(lane));
                    start[..own].copy_from_slice(&bias[bias.len().min(lane)..][..own]);
                }
                let mut down = [[[0f32; LANES]; SIDE]; REACH];
                for (j, down) in down.iter_mut().enumerate() {
                    let at = |i: usize| (i * REACH + j) * products.distance + tile * pitch + lane;
                    let mut m = [&start; REACH];
                    for (i, m) in m.iter_mut().enumerate() {
                        if let Some(found) = products.values[at(i)..].first_chunk::<LANES>() {
                            *m = found;
                        }
                    }
                    *down = transforms::output::<LANES, FMA>(m);
                }
                for line in 0..lines {
                    let along = transforms::output::<LANES, FMA>(row_of(&down, line));
                    for (x, values) in along.iter().enumerate().take(across) {
                        let to = (line * width + column * SIDE + x) * pitch + lane;
                        let to = &mut results[to..to + LANES];
                        for lane in 0..LANES {
                            to[lane] = values[lane] + start[lane];
                        }
                    }
                }
            }
        }
        let first = (row - first_row) * SIDE * output[1] + columns.start;
        if width == output[1] {
            to_planes(results, pitch, lines * width, strips, first);
        } else {
            for line in 0..lines {
                to_planes(
                    &results[line * width * pitch..],
                    pitch,
                    width,
                    strips,
                    first + line * output[1],
                );
            }
        }
    }
}

/// A batch of fewer images than threads: parts of an image go to different threads.
pub(super) fn correlate_in_parts(
    plan: &Plan,
    weights: &Weights,
    x: Vec<&[f32]>,
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    let outputs = plan.correlation.outputs();
    let groups = weights.values.len() / weights.of_group;
    // Two parts a thread, of at least a few tiles each.
    let wanted = (2 * rayon::current_num_threads()).div_ceil(x.len().max(1));
    let bands = wanted
        .min(plan.tiles[0])
        .min((plan.tiles[0] * plan.tiles[1]).div_ceil(ROWS));
    let rows_at_once = plan.tiles[0].div_ceil(bands.max(1));
    let panels_at_once = (plan.panels.len() * bands).div_ceil(wanted).max(1);
    let mut parts = Vec::new();
    let planes_of = output.chunks_exact_mut(plan.filters * outputs);
    for (number, (images, mut planes)) in x.iter().zip(planes_of).enumerate() {
        for panels in cut(0..plan.panels.len(), panels_at_once) {
            let end = plan
                .panels
                .get(panels.end)
                .map_or(plan.filters, |panel| panel.first);
            let filters = end - plan.panels[panels.start].first;
            let (own, rest) = planes.split_at_mut(filters * outputs);
            planes = rest;
            let bands: Vec<_> = cut(0..plan.tiles[0], rows_at_once).collect();
            let mut strips: Vec<Vec<&mut [f32]>> = bands.iter().map(|_| Vec::new()).collect();
            for mut plane in own.chunks_exact_mut(outputs) {
                for (band, strips) in bands.iter().zip(&mut strips) {
                    let length = band.len() * SIDE * plan.correlation.output[1];
                    let (strip, rest) = plane.split_at_mut(length.min(plane.len()));
                    plane = rest;
                    strips.push(strip);
                }
            }
            for (rows, strips) in bands.into_iter().zip(strips) {
                parts.push((number % groups, *images, rows, panels.clone(), strips));
            }
        }
    }
    spread_with(
        parts,
        Scratch::default,
        |scratch, (group, image, rows, panels, mut strips)| {
            let bias = bias.map(|bias| &bias[group * plan.filters..][..plan.filters]);
            let part = Part {
                images: &[image],
                rows,
                panels,
                strips: &mut strips,
            };
            plan.correlate(part, weights.group(group), bias, scratch);
        },
    );
}

/// The gradients of the weights.
impl Plan {
    /// Numbers of a sum of them: `[panels of filters, planes * 9, width of a full panel]`.
    pub fn sum_length(&self) -> usize {
        self.filters.next_multiple_of(full_width()) * self.correlation.planes * 9
    }

    /// Numbers of the transformed sum of a group.
    fn transformed_length(&self) -> usize {
        PLACES * self.channels() * width_of(&self.panels)
    }

    /// Adds to the sum in the scratch, or begins it with, what some images contribute: each `[planes, pixels]`, and the gradients of their
    /// results, `[filters, outputs]`.
    pub fn weight_gradient(
        &self,
        images: &[&[f32]],
        gradients: &[&[f32]],
        [group, groups]: [usize; 2],
        first: bool,
        scratch: &mut Scratch,
    ) {
        let length = self.transformed_length();
        if scratch.sums.len() < groups * length {
            scratch.sums.resize(groups * length, 0.0);
        }
        let Correlation {
            planes,
            pixels,
            output,
            start,
            ..
        } = self.correlation;
        let pitch = self.filters.next_multiple_of(LANES);
        let areas = self.areas(images.len(), &(0..self.tiles[0]));
        for (number, area) in areas.into_iter().enumerate() {
            let tiles = area.tiles();
            let region = Region::new(&area, REACH, start, pixels);
            lay_out(
                &images[area.images.clone()],
                &region,
                planes,
                &mut scratch.pixels,
            );
            scratch.inputs.shape(tiles, self.channels());
            let place = Place {
                area: &area,
                region: &region,
                start,
            };
            transform_inputs(&place, &scratch.pixels, &mut scratch.inputs);
            let region = Region::new(&area, SIDE, [0, 0], output);
            lay_out(
                &gradients[area.images.clone()],
                &region,
                self.filters,
                &mut scratch.pixels,
            );
            let place = Place {
                area: &area,
                region: &region,
                start: [0, 0],
            };
            turn_inputs(&scratch.inputs, tiles, &mut scratch.rows);
            let mut sums = &mut scratch.sums[group * length..][..length];
            for panel in &self.panels {
                scratch.products.shape(tiles, panel.width);
                let at = [panel.first, pitch];
                transform_gradients(&place, &scratch.pixels, at, &mut scratch.products);
                let (own, rest) = sums.split_at_mut(PLACES * self.channels() * panel.width);
                sums = rest;
                add_products(
                    &scratch.rows,
                    &scratch.products,
                    tiles,
                    first && number == 0,
                    own,
                );
            }
        }
    }

    /// Adds `G^T m G` of the sum in the scratch to a sum of gradients.
    pub fn finish_weight_gradient(&self, group: usize, sum: &mut [f32], scratch: &Scratch) {
        let length = self.transformed_length();
        let (planes, distance) = (self.correlation.planes, full_width());
        let mut sums = &scratch.sums[group * length..][..length];
        let panels = self
            .panels
            .iter()
            .zip(sum.chunks_mut(planes * 9 * distance));
        for (panel, sum) in panels {
            let (own, rest) = sums.split_at(PLACES * self.channels() * panel.width);
            sums = rest;
            add_kernels(own, [planes, self.channels(), panel.width], sum, distance);
        }
    }
}

/// `A y A^T` of the gradients of every tile, for the filters of a panel: `at` is the first one, and the distance of pixels.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn transform_gradients(place: &Place, pixels: &[f32], at: [usize; 2], out: &mut Transformed) {
    match_target! {
        "x86_64+avx512f+avx512vl" => transform_gradients_by::<true>(place, pixels, at, out),
        "x86_64+avx2+fma" => transform_gradients_by::<true>(place, pixels, at, out),
        "aarch64+neon" => transform_gradients_by::<true>(place, pixels, at, out),
        _ => transform_gradients_by::<false>(place, pixels, at, out),
    }
}

#[inline(always)]
fn transform_gradients_by<const FMA: bool>(
    place: &Place,
    pixels: &[f32],
    [first, pitch]: [usize; 2],
    out: &mut Transformed,
) {
    let (height, width) = (
        place.region.rows.len() as isize,
        place.region.columns.len() as isize,
    );
    let of_image = place.region.pixels() * pitch;
    let nothing = [0f32; LANES];
    let lanes = out.width.min(pitch - first);
    for (tile, (image, [top, left])) in place.tiles().enumerate() {
        let pixels = &pixels[image * of_image..][..of_image];
        for lane in (0..lanes).step_by(LANES) {
            let mut down = [[[0f32; LANES]; REACH]; SIDE];
            for (x, down) in down.iter_mut().enumerate() {
                let column = left + x as isize;
                if column >= width {
                    continue;
                }
                let mut y = [&nothing; SIDE];
                for (i, y) in y.iter_mut().enumerate() {
                    let row = top + i as isize;
                    if row < height {
                        let at = (row * width + column) as usize * pitch + first + lane;
                        if let Some(found) = pixels[at..].first_chunk::<LANES>() {
                            *y = found;
                        }
                    }
                }
                *down = transforms::gradient::<LANES, FMA>(y);
            }
            for i in 0..REACH {
                let along = transforms::gradient::<LANES, FMA>(row_of(&down, i));
                for (j, values) in along.iter().enumerate() {
                    let to = (i * REACH + j) * out.distance + tile * out.width + lane;
                    out.values[to..to + LANES].copy_from_slice(values);
                }
            }
        }
    }
}

/// Transformed inputs of each place as `[channels, tiles]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn turn_inputs(inputs: &Transformed, tiles: usize, rows: &mut Vec<f32>) {
    let distance = tiles.next_multiple_of(ROWS);
    let of_place = inputs.width * distance;
    if rows.len() < PLACES * of_place {
        rows.resize(PLACES * of_place, 0.0);
    }
    for (place, rows) in rows.chunks_exact_mut(of_place).take(PLACES).enumerate() {
        let inputs_of = &inputs.values[place * inputs.distance..];
        to_rows(inputs_of, inputs.width, rows, distance);
    }
}

/// For each place the product of `[channels, tiles]` and `[tiles, filters of a panel]`, written or added to `[places, channels, W]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn add_products(
    rows: &[f32],
    gradients: &Transformed,
    tiles: usize,
    first: bool,
    sums: &mut [f32],
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => if gradients.width > LANES {
            add_products_by::<8, 32, true>(rows, gradients, tiles, first, sums)
        } else {
            add_products_by::<8, 16, true>(rows, gradients, tiles, first, sums)
        },
        "x86_64+avx2+fma" => add_products_by::<4, 16, true>(rows, gradients, tiles, first, sums),
        "aarch64+neon" => add_products_by::<4, 16, true>(rows, gradients, tiles, first, sums),
        _ => add_products_by::<2, 16, false>(rows, gradients, tiles, first, sums),
    }
}

#[inline(always)]
fn add_products_by<const R: usize, const W: usize, const FMA: bool>(
    rows: &[f32],
    gradients: &Transformed,
    tiles: usize,
    first: bool,
    sums: &mut [f32],
) {
    let distance = tiles.next_multiple_of(ROWS);
    let places = sums.chunks_exact_mut(sums.len() / PLACES);
    for (place, sums) in places.enumerate() {
        let rows = &rows[place * sums.len() / W * distance..];
        let gradients = &gradients.values[place * gradients.distance..][..tiles * W];
        for (block, sums) in sums.chunks_exact_mut(R * W).enumerate() {
            let mut own = [[0f32; W]; R];
            let mut of_channels: [&[f32]; R] = [&[]; R];
            for r in 0..R {
                if !first {
                    own[r].copy_from_slice(&sums[r * W..][..W]);
                }
                of_channels[r] = &rows[(block * R + r) * distance..][..tiles];
            }
            tile::<R, W, FMA>(&mut own, of_channels, 1, gradients);
            for r in 0..R {
                sums[r * W..][..W].copy_from_slice(&own[r]);
            }
        }
    }
}

/// Adds `G^T m G` of every channel and filter of a panel to a sum whose rows are `distance` apart.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn add_kernels(m: &[f32], sizes: [usize; 3], sum: &mut [f32], distance: usize) {
    match_target! {
        "x86_64+avx512f+avx512vl" => add_kernels_by::<true>(m, sizes, sum, distance),
        "x86_64+avx2+fma" => add_kernels_by::<true>(m, sizes, sum, distance),
        "aarch64+neon" => add_kernels_by::<true>(m, sizes, sum, distance),
        _ => add_kernels_by::<false>(m, sizes, sum, distance),
    }
}

#[inline(always)]
fn add_kernels_by<const FMA: bool>(
    m: &[f32],
    [planes, channels, width]: [usize; 3],
    sum: &mut [f32],
    distance: usize,
) {
    for plane in 0..planes {
        for lane in (0..width).step_by(LANES) {
            let nothing = [0f32; LANES];
            let mut down = [[[0f32; LANES]; 3]; REACH];
            for (j, down) in down.iter_mut().enumerate() {
                let mut column = [&nothing; REACH];
                for (i, value) in column.iter_mut().enumerate() {
                    let at = ((i * REACH + j) * channels + plane) * width + lane;
                    if let Some(found) = m[at..].first_chunk::<LANES>() {
                        *value = found;
                    }
                }
                *down = transforms::kernel_gradient::<LANES, FMA>(column);
            }
            for i in 0..3 {
                let along = transforms::kernel_gradient::<LANES, FMA>(row_of(&down, i));
                for (j, values) in along.iter().enumerate() {
                    let to = &mut sum[(plane * 9 + i * 3 + j) * distance + lane..][..LANES];
                    for lane in 0..LANES {
                        to[lane] += values[lane];
                    }
                }
            }
        }
    }
}
