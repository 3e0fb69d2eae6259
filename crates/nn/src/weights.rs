use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use thiserror::Error;

/// The weights of a network, by name, outside any device.
///
/// This is the form in which weights are averaged, kept as a checkpoint, and saved as safetensors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// Sorted by name, because a file keeps no order of its own.
    tensors: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq)]
struct Named {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Weights that cannot be read or do not fit the network.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The bytes are not a valid safetensors file.
    #[error("not a valid safetensors file: {0}")]
    Malformed(#[from] safetensors::SafeTensorError),
    /// A tensor holds something other than 32-bit floats.
    #[error("tensor `{name}` holds {got}, expected F32")]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        got: String,
    },
    /// The network has a parameter that the weights lack, or that differs in shape.
    #[error("parameter `{name}` of the network has shape {expected:?}, the weights have {got}")]
    Fit {
        /// The parameter.
        name: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The shape in the weights, or `none`.
        got: String,
    },
    /// A weight is not a finite number.
    #[error("tensor `{name}` holds a value that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
    },
}

impl Weights {
    /// The weights of a network.
    pub fn of<M: Module>(module: &M) -> Weights {
        let mut reader = Reader::default();
        module.visit(&mut reader);
        let mut tensors = reader.tensors;
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Weights { tensors }
    }

    /// The network with these weights in place of its own.
    ///
    /// # Errors
    /// When a parameter of the network is not among the weights, or has another shape.
    pub fn load_into<M: Module>(&self, module: M) -> Result<M, WeightsError> {
        let by_name = self.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
        let mut writer = Writer {
            by_name,
            path: Vec::new(),
            error: None,
        };
        let module = module.map(&mut writer);
        writer.error.map_or(Ok(module), Err)
    }

    /// Puts a tensor beside the weights of the network, which [`Weights::load_into`] leaves alone. Its numbers must be finite, and as many as
    /// the shape says.
    pub fn put(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        let place = self.tensors.partition_point(|t| t.name < name);
        let named = Named {
            name,
            shape,
            values,
        };
        self.tensors.insert(place, named);
    }

    /// Puts all these weights beside those of the network, their names behind a prefix.
    pub fn put_under(&mut self, prefix: &str, others: &Weights) {
        for tensor in &others.tensors {
            let name = format!("{prefix}{}", tensor.name);
            self.put(name, tensor.shape.clone(), tensor.values.clone());
        }
    }

    /// The weights whose names have this prefix, without it.
    pub fn under(&self, prefix: &str) -> Weights {
        let of_prefix = self.tensors.iter().filter_map(|tensor| {
            Some(Named {
                name: tensor.name.strip_prefix(prefix)?.to_owned(),
                shape: tensor.shape.clone(),
                values: tensor.values.clone(),
            })
        });
        Weights {
            tensors: of_prefix.collect(),
        }
    }

    /// Shape and values of a tensor, row-major.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        let named = self.tensors.iter().find(|t| t.name == name)?;
        Some((&named.shape, &named.values))
    }

    /// The number of weights.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(|t| t.values.len()).sum()
    }

    /// Whether every weight is finite.
    pub fn is_finite(&self) -> bool {
        self.tensors
            .iter()
            .all(|t| t.values.iter().all(|v| v.is_finite()))
    }

    /// Moves towards `newer` by `share` (0 keeps these weights, 1 takes the newer ones).
    /// Both must come from the same network.
    pub fn move_towards(&mut self, newer: &Weights, share: f32) {
        for (mine, theirs) in self.tensors.iter_mut().zip(&newer.tensors) {
            mine.values
                .iter_mut()
                .zip(&theirs.values)
                .for_each(|(m, t)| *m += share * (t - *m));
        }
    }

    /// As a safetensors file.
    ///
    /// # Errors
    /// When the format cannot hold them.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<Vec<u8>> = self
            .tensors
            .iter()
            .map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let mut views = BTreeMap::new();
        for (tensor, bytes) in self.tensors.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?;
            views.insert(tensor.name.clone(), view);
        }
        Ok(safetensors::serialize(views, None)?)
    }

    /// From a safetensors file.
    ///
    /// # Errors
    /// When the bytes are malformed, or hold other than finite 32-bit floats.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Weights, WeightsError> {
        let mut views = SafeTensors::deserialize(bytes)?.tensors();
        views.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut tensors = Vec::new();
        for (name, view) in views {
            if view.dtype() != Dtype::F32 {
                return Err(WeightsError::Type {
                    name,
                    got: format!("{:?}", view.dtype()),
                });
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            if !values.iter().all(|v| v.is_finite()) {
                return Err(WeightsError::NotFinite { name });
            }
            tensors.push(Named {
                name,
                shape: view.shape().to_vec(),
                values,
            });
        }
        Ok(Weights { tensors })
    }
}

#[cfg(test)]
impl Weights {
    /// Weights as a test states them: name, shape, values.
    pub(crate) fn stated(tensors: &[(&str, &[usize], &[f32])]) -> Weights {
        let named = |&(name, shape, values): &(&str, &[usize], &[f32])| Named {
            name: name.into(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        Weights {
            tensors: tensors.iter().map(named).collect(),
        }
    }

    /// The values of one tensor, row-major, in 64 bits.
    #[track_caller]
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        let found = self.tensors.iter().find(|t| t.name == name);
        let named = found.unwrap_or_else(|| panic!("no weights named `{name}`"));
        named.values.iter().map(|v| f64::from(*v)).collect()
    }

    /// The same tensors, all zero.
    pub(crate) fn zeroed(mut self) -> Weights {
        self.tensors.iter_mut().for_each(|t| t.values.fill(0.0));
        self
    }
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    tensors: Vec<Named>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.tensors.push(Named {
            name: self.path.join("."),
            shape: value.dims().to_vec(),
            values: value.into_data().iter::<f32>().collect(),
        });
    }
}

struct Writer<'a> {
    by_name: BTreeMap<&'a str, &'a Named>,
    path: Vec<String>,
    error: Option<WeightsError>,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let expected = param.val().dims();
        match self.by_name.get(name.as_str()) {
            Some(named) if named.shape == expected => {
                let values = named.values.clone();
                param.map(|old| {
                    let data = TensorData::new(values, expected);
                    let required = old.is_require_grad();
                    Tensor::from_data(data, &old.device()).set_require_grad(required)
                })
            }
            found => {
                let got = found.map_or("none".into(), |named| format!("{:?}", named.shape));
                let expected = expected.to_vec();
                self.error.get_or_insert(WeightsError::Fit {
                    name,
                    expected,
                    got,
                });
                param
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linear, LinearConfig, PeriodicEmbedding, PeriodicEmbeddingConfig};
    use burn::tensor::Device;
    use candor_core::Seed;

    fn linear(input: usize, output: usize, seed: u64) -> Linear {
        let mut stream = Seed(seed).stream("weights", &[]);
        LinearConfig { input, output }.init(&mut stream, &Device::flex())
    }

    /// A module with a module inside, whose parameters do not stand in the order of their names.
    fn nested(seed: u64) -> PeriodicEmbedding {
        let config = PeriodicEmbeddingConfig {
            columns: 2,
            frequencies: 3,
            sigma: 1.0,
            width: 2,
        };
        config.init(
            &mut Seed(seed).stream("weights", &[]),
            &Device::flex().autodiff(),
        )
    }

    fn bits(weights: &Weights) -> Vec<u32> {
        let values = weights.tensors.iter().flat_map(|t| &t.values);
        values.map(|v| v.to_bits()).collect()
    }

    #[test]
    fn what_is_saved_loads_bit_for_bit() {
        let odd = [-0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, 1.0 / 3.0];
        let stated = Weights::stated(&[("weight", &[2, 1], &odd[..2]), ("bias", &[1], &odd[2..3])]);
        let cases = [
            Weights::of(&nested(1)),
            Weights::of(&stated.load_into(linear(2, 1, 0)).unwrap()),
            Weights::of(&vec![linear(1, 1, 0), linear(2, 3, 1)]),
            Weights::default(),
        ];
        for weights in cases {
            let bytes = weights.to_safetensors().unwrap();
            let read = Weights::from_safetensors(&bytes).unwrap();
            assert_eq!(read, weights);
            assert_eq!(bits(&read), bits(&weights));
            assert_eq!(read.to_safetensors().unwrap(), bytes);
        }
    }

    #[test]
    fn a_tensor_beside_the_weights_is_saved_and_does_not_disturb_the_network() {
        let mut weights = Weights::of(&nested(1));
        weights.put("beside".into(), vec![1, 2], vec![0.5, -1.0]);
        let bytes = weights.to_safetensors().unwrap();
        let read = Weights::from_safetensors(&bytes).unwrap();
        assert_eq!(read, weights);
        assert_eq!(read.get("beside"), Some((&[1, 2][..], &[0.5, -1.0][..])));
        assert_eq!(read.get("nothing"), None);
        let network = read.load_into(nested(2)).unwrap();
        assert_eq!(Weights::of(&network), Weights::of(&nested(1)));
    }

    #[test]
    fn a_network_with_the_weights_of_another_is_the_same_network() {
        let (mine, theirs) = (nested(1), nested(2));
        assert_ne!(Weights::of(&mine), Weights::of(&theirs));
        let bytes = Weights::of(&theirs).to_safetensors().unwrap();
        let loaded = Weights::from_safetensors(&bytes).unwrap();
        let mine = loaded.load_into(mine).unwrap();
        assert_eq!(bits(&Weights::of(&mine)), bits(&Weights::of(&theirs)));
        let x = Tensor::from_data([[0.3f32, -2.0]], &Device::flex().autodiff());
        let outputs = [&mine, &theirs].map(|m| m.forward(x.clone()).into_data());
        assert_eq!(outputs[0], outputs[1]);
        // And it still learns.
        let gradients = mine.forward(x).sum().backward();
        struct Count<'a>(&'a burn::tensor::Gradients, usize);
        impl ModuleVisitor for Count<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.1 += usize::from(param.val().grad(self.0).is_some());
            }
        }
        let mut count = Count(&gradients, 0);
        mine.visit(&mut count);
        assert_eq!(count.1, 3);
    }

    #[test]
    fn the_count_and_the_names_are_those_of_the_network() {
        let weights = Weights::of(&nested(1));
        let names: Vec<&str> = weights.tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["frequency", "linear.bias", "linear.weight"]);
        assert_eq!(weights.count(), 2 * 3 + 2 * 2 + 2 * 6 * 2);
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_by_name() {
        // Weights, what the message must say.
        let cases = [
            (
                Weights::stated(&[("weight", &[2, 1], &[1.0, 2.0])]),
                "`bias` of the network has shape [1], the weights have none",
            ),
            (
                Weights::stated(&[("wait", &[2, 1], &[1.0, 2.0]), ("bias", &[1], &[0.0])]),
                "`weight` of the network has shape [2, 1], the weights have none",
            ),
            // As many values, but in another shape, then in another rank.
            (
                Weights::stated(&[("weight", &[1, 2], &[1.0, 2.0]), ("bias", &[1], &[0.0])]),
                "`weight` of the network has shape [2, 1], the weights have [1, 2]",
            ),
            (
                Weights::stated(&[("weight", &[2], &[1.0, 2.0]), ("bias", &[1], &[0.0])]),
                "`weight` of the network has shape [2, 1], the weights have [2]",
            ),
            (
                Weights::of(&linear(2, 3, 0)),
                "`weight` of the network has shape [2, 1], the weights have [2, 3]",
            ),
            (
                Weights::default(),
                "`weight` of the network has shape [2, 1], the weights have none",
            ),
        ];
        for (weights, said) in cases {
            let error = weights.load_into(linear(2, 1, 0)).unwrap_err();
            assert!(matches!(error, WeightsError::Fit { .. }));
            assert_eq!(error.to_string(), format!("parameter {said}"));
        }
    }

    #[test]
    fn a_file_cut_short_is_malformed_wherever_it_is_cut() {
        let bytes = Weights::of(&linear(2, 1, 0)).to_safetensors().unwrap();
        for length in 0..bytes.len() {
            let error = Weights::from_safetensors(&bytes[..length]).unwrap_err();
            assert!(
                matches!(error, WeightsError::Malformed(_)),
                "{length}: {error}"
            );
        }
        let longer = [&bytes[..], &[0; 4]].concat();
        assert!(Weights::from_safetensors(&longer).is_err());
    }

    #[test]
    fn a_damaged_byte_never_panics() {
        let bytes = Weights::of(&linear(2, 1, 0)).to_safetensors().unwrap();
        for place in 0..bytes.len() {
            for flip in [0x01, 0x10, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                // What still reads must fit or be refused.
                if let Ok(weights) = Weights::from_safetensors(&damaged) {
                    assert!(weights.is_finite());
                    let _ = weights.load_into(linear(2, 1, 0));
                }
            }
        }
    }

    #[test]
    fn values_that_no_network_has_are_refused() {
        let file = |dtype: Dtype, bytes: &[u8]| {
            let view = TensorView::new(dtype, vec![2], bytes).unwrap();
            safetensors::serialize([("bias", view)], None).unwrap()
        };
        let floats = |values: [f32; 2]| values.map(f32::to_le_bytes).concat();
        let good = file(Dtype::F32, &floats([1.0, -2.0]));
        let read = Weights::from_safetensors(&good).unwrap();
        assert_eq!(read.values("bias"), [1.0, -2.0]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = Weights::from_safetensors(&file(Dtype::F32, &floats([0.0, bad])));
            let message = error.unwrap_err().to_string();
            assert_eq!(message, "tensor `bias` holds a value that is not finite");
        }
        for (dtype, bytes) in [(Dtype::F64, 16), (Dtype::F16, 4), (Dtype::I32, 8)] {
            let error = Weights::from_safetensors(&file(dtype, &vec![0; bytes])).unwrap_err();
            let message = format!("tensor `bias` holds {dtype:?}, expected F32");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_share_of_the_way_to_other_weights() {
        let (old, new) = ([1.0f32, -2.0], [3.0, -2.0]);
        for (share, expected) in [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)] {
            let mut weights = Weights::stated(&[("bias", &[2], &old)]);
            weights.move_towards(&Weights::stated(&[("bias", &[2], &new)]), share);
            assert_eq!(weights.values("bias"), [expected, -2.0]);
        }
    }

    #[test]
    fn weights_from_a_file_move_towards_those_of_a_network() {
        // A file has an order of its own; tensors must meet by name.
        let (start, end) = (Weights::of(&nested(1)), Weights::of(&nested(2)));
        let bytes = start.to_safetensors().unwrap();
        let mut moved = Weights::from_safetensors(&bytes).unwrap();
        moved.move_towards(&end, 1.0);
        for name in ["frequency", "linear.weight", "linear.bias"] {
            let pairs = moved.values(name).into_iter().zip(end.values(name));
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn one_value_that_is_not_finite_is_noticed() {
        for (value, finite) in [(1.0, true), (f32::NAN, false), (f32::NEG_INFINITY, false)] {
            let weights = Weights::stated(&[("a", &[1], &[0.0]), ("b", &[2], &[0.0, value])]);
            assert_eq!(weights.is_finite(), finite);
        }
        assert!(Weights::default().is_finite());
    }
}
