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
    /// The weights of a network, in the order of its parameters.
    pub fn of<M: Module>(module: &M) -> Weights {
        let mut reader = Reader::default();
        module.visit(&mut reader);
        Weights {
            tensors: reader.tensors,
        }
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
        let file = SafeTensors::deserialize(bytes)?;
        let mut tensors = Vec::new();
        for (name, view) in file.tensors() {
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
