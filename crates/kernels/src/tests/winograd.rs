use super::*;
use crate::convolution::{by_winograd, portable, portable_norm};
use crate::{Normalisation, convolution, direct_convolution, normalised_convolution};

/// A convolution with kernels of 3 x 3.
#[derive(Debug, Clone, Copy)]
struct Shape {
    batch: usize,
    channels: usize,
    image: [usize; 2],
    filters: usize,
    moves: Moves,
}

impl Shape {
    /// Odd sizes, images smaller than a tile, no or much padding, groups; enough channels for the transforms.
    fn random(rng: &mut dyn Rng, number: u64) -> Shape {
        let groups = [1, 1, 1, 2][number as usize % 4];
        // Every third so that the gradient of the weights takes the transforms, too.
        let weights = number.is_multiple_of(3);
        let enough = if weights { 32..36usize } else { 16..21 };
        let padding = [rng.random_range(0..3usize), rng.random_range(0..3usize)];
        let shape = Shape {
            batch: if number.is_multiple_of(5) {
                1
            } else {
                rng.random_range(1..4)
            },
            channels: groups * rng.random_range(enough.clone()),
            image: padding
                .map(|padding| rng.random_range(if padding == 0 { 3..11 } else { 1..11 })),
            filters: groups * rng.random_range(enough),
            moves: Moves {
                padding,
                groups,
                ..Moves::default()
            },
        };
        let found = by_winograd(shape.x(), shape.weight(), shape.moves);
        assert_eq!(found, [true, weights], "{shape:?}");
        shape
    }

    fn x(&self) -> [usize; 4] {
        [self.batch, self.channels, self.image[0], self.image[1]]
    }

    fn weight(&self) -> [usize; 4] {
        [self.filters, self.channels / self.moves.groups, 3, 3]
    }

    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.image[axis] + 2 * self.moves.padding[axis] - 2)
    }

    fn lengths(&self) -> [usize; 2] {
        [self.x(), self.weight()].map(|shape| shape.iter().product())
    }

    /// In 64 bits.
    fn reference(&self, x: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
        let [height, width] = self.output();
        let groups = self.moves.groups;
        let (channels, filters) = (self.channels / groups, self.filters / groups);
        let mut y = Vec::with_capacity(self.batch * self.filters * height * width);
        for (image, f) in (0..self.batch).flat_map(|i| (0..self.filters).map(move |f| (i, f))) {
            let first = y.len();
            y.resize(first + height * width, bias.map_or(0.0, |bias| bias[f]));
            let y = &mut y[first..];
            for c in 0..channels {
                let plane = image * self.channels + f / filters * channels + c;
                let plane = &x[plane * self.image[0] * self.image[1]..];
                for (k, w) in weight[(f * channels + c) * 9..][..9].iter().enumerate() {
                    // The results whose place of the kernel is inside the image.
                    let inside = |axis: usize, k: usize| {
                        let padding = self.moves.padding[axis];
                        padding.saturating_sub(k)
                            ..self.output()[axis]
                                .min((self.image[axis] + padding).saturating_sub(k))
                    };
                    for row in inside(0, k / 3) {
                        for column in inside(1, k % 3) {
                            let [top, left] = self.moves.padding;
                            let from = (row + k / 3 - top) * self.image[1] + column + k % 3 - left;
                            y[row * width + column] += w * plane[from];
                        }
                    }
                }
            }
        }
        y
    }
}

#[test]
fn convolutions_by_transforms_are_right() {
    check("Winograd convolution", |rng, number| {
        let shape = Shape::random(rng, number);
        let with_bias = rng.random::<bool>();
        let [x, weight] = shape.lengths();
        let mut inputs = vec![numbers(rng, x), numbers(rng, weight)];
        if with_bias {
            inputs.push(numbers(rng, shape.filters));
        }
        let call = move |values: Vec<Tensor<1>>, plain: bool| {
            let (x, weight) = (
                shaped(&values[0], shape.x()),
                shaped(&values[1], shape.weight()),
            );
            let bias = values.get(2).cloned();
            flat(if plain {
                portable(x, weight, bias, shape.moves)
            } else {
                convolution(x, weight, bias, shape.moves).unwrap()
            })
        };
        Case {
            inputs,
            reference: Box::new(move |values| {
                shape.reference(&values[0], &values[1], values.get(2).map(Vec::as_slice))
            }),
            kernel: Box::new(move |values| call(values, false)),
            portable: Box::new(move |values| call(values, true)),
        }
    });
}

#[test]
fn normalised_convolutions_by_transforms_are_right() {
    let then = Normalisation {
        epsilon: 0.1,
        relu: false,
    };
    check("normalised Winograd convolution", |rng, number| {
        let shape = Shape::random(rng, number);
        let shape = Shape {
            batch: 2,
            image: shape.image.map(|size| size.min(6)),
            ..shape
        };
        let [x, weight] = shape.lengths();
        let inputs = vec![
            numbers(rng, x),
            numbers(rng, weight),
            numbers(rng, shape.filters),
            numbers(rng, shape.filters),
        ];
        let call = move |values: Vec<Tensor<1>>, plain: bool| {
            let (x, weight) = (
                shaped(&values[0], shape.x()),
                shaped(&values[1], shape.weight()),
            );
            let (scale, shift) = (values[2].clone(), values[3].clone());
            let found = if plain {
                portable_norm(portable(x, weight, None, shape.moves), scale, shift, then)
            } else {
                normalised_convolution(x, weight, scale, shift, shape.moves, then).unwrap()
            };
            flat(found.output)
        };
        let pixels = shape.output()[0] * shape.output()[1];
        Case {
            inputs,
            reference: Box::new(move |values| {
                let y = shape.reference(&values[0], &values[1], None);
                layers::normalise(&y, shape.filters, pixels, &values[2], &values[3], then)
            }),
            kernel: Box::new(move |values| call(values, false)),
            portable: Box::new(move |values| call(values, true)),
        }
    });
}

fn random(rng: &mut dyn Rng, shape: [usize; 4], device: &Device) -> Tensor<4> {
    let values: Vec<f32> = numbers(rng, shape.iter().product())
        .iter()
        .map(|&v| v as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn an_image_alone_gives_the_bits_that_it_gives_among_others() {
    let device = Device::flex().autodiff();
    for (number, image) in [[1, 1], [4, 4], [7, 7], [8, 8], [9, 33], [28, 28], [5, 300]]
        .into_iter()
        .enumerate()
    {
        let mut rng = Seed(number as u64).stream("images", &[]);
        let moves = Moves::same([3, 3]);
        let x = random(&mut rng, [9, 40, image[0], image[1]], &device).require_grad();
        let weight = random(&mut rng, [50, 40, 3, 3], &device);
        assert!(by_winograd(x.dims(), weight.dims(), moves)[0]);
        let both = |x: Tensor<4>| {
            let y = convolution(x.clone(), weight.clone(), None, moves).unwrap();
            let gradients = y.clone().powi_scalar(2).sum().backward();
            (values(y), values(x.grad(&gradients).unwrap()))
        };
        let (y, of_x) = both(x.clone());
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                for i in [0, 4, 8] {
                    let alone = x.clone().narrow(0, i, 1).detach().require_grad();
                    let (y_alone, of_alone) = both(alone);
                    assert_eq!(
                        y_alone,
                        y[i * y.len() / 9..(i + 1) * y.len() / 9],
                        "{image:?}"
                    );
                    assert_eq!(
                        of_alone,
                        of_x[i * of_x.len() / 9..(i + 1) * of_x.len() / 9],
                        "{image:?}"
                    );
                }
            });
        }
    }
}

/// Root mean square of the error, as a share of that of the truth.
fn error(got: &[f32], truth: &[f64]) -> f64 {
    norm(got.iter().zip(truth).map(|(g, t)| f64::from(*g) - t)) / norm(truth.iter().copied())
}

#[test]
fn errors_are_as_small_as_documented() {
    use burn::tensor::Distribution;
    let device = Device::flex().autodiff();
    for channels in [64, 128] {
        let shape = Shape {
            batch: 2,
            channels,
            image: [14, 14],
            filters: channels,
            moves: Moves::same([3, 3]),
        };
        let normal = Distribution::Normal(0.0, 1.0);
        device.seed(channels as u64);
        let x = Tensor::<4>::random(shape.x(), normal, &device).require_grad();
        let weight = Tensor::<4>::random(shape.weight(), normal, &device).require_grad();
        let g = Tensor::<4>::random(shape.x(), normal, &device);
        let wide = |t: &Tensor<4>| -> Vec<f64> { t.clone().into_data().iter::<f64>().collect() };
        let (wide_x, wide_weight, wide_g) = (wide(&x), wide(&weight), wide(&g));
        let truth = shape.reference(&wide_x, &wide_weight, None);
        // The gradient of the images is the correlation of that of the result with the kernels turned round.
        let turned: Vec<f64> = (0..channels * channels * 9)
            .map(|i| {
                let (c, f, k) = (i / 9 / channels, i / 9 % channels, i % 9);
                wide_weight[(f * channels + c) * 9 + 8 - k]
            })
            .collect();
        let of_x = shape.reference(&wide_g, &turned, None);
        // That of the weights is the correlation of the images with it, summed over the batch.
        let mut of_weight = vec![0.0; wide_weight.len()];
        let pixel =
            |values: &[f64], plane: usize, y: usize, x: usize| values[(plane * 14 + y) * 14 + x];
        for (place, sum) in of_weight.iter_mut().enumerate() {
            let (f, c, k) = (place / 9 / channels, place / 9 % channels, place % 9);
            for image in 0..2 {
                for y in (k / 3).max(1)..(k / 3 + 14).min(15) {
                    for x in (k % 3).max(1)..(k % 3 + 14).min(15) {
                        let g = pixel(&wide_g, image * channels + f, y - k / 3, x - k % 3);
                        *sum += g * pixel(&wide_x, image * channels + c, y - 1, x - 1);
                    }
                }
            }
        }
        let found = |direct: bool| {
            let (x, weight) = (x.clone(), weight.clone());
            let y = if direct {
                direct_convolution(x.clone(), weight.clone(), None, shape.moves).unwrap()
            } else {
                convolution(x.clone(), weight.clone(), None, shape.moves).unwrap()
            };
            let gradients = (y.clone() * g.clone()).sum().backward();
            let [a, b] = [x, weight].map(|leaf| values(leaf.grad(&gradients).unwrap()));
            [
                error(&values(y), &truth),
                error(&a, &of_x),
                error(&b, &of_weight),
            ]
        };
        let (transformed, direct) = (found(false), found(true));
        let shown = [transformed, direct].map(|e| e.map(|e| format!("{e:.1e}")));
        println!("{channels} channels, by transforms and directly: {shown:?}");
        // What the documentation of the module says, with a little room for other processors.
        assert!(
            transformed[0] < 5e-6 && transformed[1] < 5e-6,
            "{transformed:?}"
        );
        assert!(transformed[2] < 1e-5, "{transformed:?}");
        assert!(direct.iter().all(|&e| e < 1e-6), "{direct:?}");
    }
}
