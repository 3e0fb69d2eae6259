//! Where kernels meet Burn: the one place that knows its backends and its automatic differentiation.

use std::fmt::Debug;
use std::sync::Arc;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, DispatchTensor, ExtensionType, Flex, TensorData,
    TensorMetadata, backend_extension,
};
use burn::tensor::Device;

use crate::array::{Array, View};

/// One operation on plain numbers, with its derivative.
///
/// A value is made for each call, so that what the forward pass computes may be kept in it for the backward pass.
/// Results must not depend on the number of threads.
pub(crate) trait Kernel: Debug + Send + Sync {
    /// The output. `keep`: the backward pass will follow, and may want what was computed on the way.
    fn forward(&self, inputs: &[View], keep: bool) -> Array;

    /// What the backward pass reads besides shapes; the rest is let go of.
    fn keeps(&self) -> Keeps {
        Keeps::ALL
    }

    /// The gradient for each input, given that for the output; anything, see [`Array::when`], where it is not `wanted`.
    fn backward(
        &self,
        inputs: &[View],
        output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array>;
}

/// An operation that may write over what it is given; most are a plain [`Kernel`].
pub(crate) trait Operation: Debug + Send + Sync {
    /// As [`Kernel::forward`].
    fn forward(&self, inputs: Vec<Held>, keep: bool) -> Array;

    /// As [`Kernel::keeps`].
    fn keeps(&self) -> Keeps;

    /// As [`Kernel::backward`].
    fn backward(
        &self,
        inputs: Vec<Held>,
        output: Held,
        gradient: Held,
        wanted: &[bool],
    ) -> Vec<Array>;
}

impl<K: Kernel> Operation for K {
    fn forward(&self, inputs: Vec<Held>, keep: bool) -> Array {
        let views: Vec<View> = inputs.iter().map(Held::view).collect();
        Kernel::forward(self, &views, keep)
    }

    fn keeps(&self) -> Keeps {
        Kernel::keeps(self)
    }

    fn backward(
        &self,
        inputs: Vec<Held>,
        output: Held,
        gradient: Held,
        wanted: &[bool],
    ) -> Vec<Array> {
        let views: Vec<View> = inputs.iter().map(Held::view).collect();
        Kernel::backward(self, &views, output.view(), gradient.view(), wanted)
    }
}

/// A tensor in row-major order that an operation holds, or, where its values were not kept, its shape alone.
#[derive(Debug)]
pub(crate) struct Held {
    tensor: Option<FlexTensor>,
    shape: Vec<usize>,
}

impl Held {
    fn new(tensor: FlexTensor) -> Held {
        let tensor = if tensor.is_contiguous() {
            tensor
        } else {
            tensor.to_contiguous()
        };
        let shape = tensor.shape().to_vec();
        let tensor = Some(tensor);
        Held { tensor, shape }
    }

    fn shape_alone(shape: Vec<usize>) -> Held {
        let tensor = None;
        Held { tensor, shape }
    }

    /// The numbers; none where they were not kept.
    pub fn view(&self) -> View<'_> {
        let values = self.tensor.as_ref().map(|tensor| {
            tensor.as_slice::<f32>().unwrap_or_else(|| {
                unreachable!("candor computes in 32-bit floats, and the tensor is contiguous")
            })
        });
        View {
            shape: &self.shape,
            values: values.unwrap_or_default(),
        }
    }

    /// The numbers, to be written over, if nothing else holds them; then only the shape is left here.
    pub fn take(&mut self) -> Option<Array> {
        let whole = |tensor: &mut FlexTensor| {
            let length = tensor.as_slice::<f32>().map(<[f32]>::len);
            tensor.is_unique() && length == Some(tensor.storage::<f32>().len())
        };
        let values = self.tensor.take_if(whole)?.into_data().try_into_vec();
        Some(Array {
            shape: self.shape.clone(),
            values: values.unwrap_or_else(|_| unreachable!("candor computes in 32-bit floats")),
        })
    }

    /// The numbers, to be written over: a copy where something else holds them.
    pub fn into_array(mut self) -> Array {
        self.take().unwrap_or_else(|| Array {
            values: self.view().values.to_vec(),
            shape: self.shape,
        })
    }
}

/// The values that a backward pass reads. Of others the views are empty, though their shapes are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeps {
    pub inputs: bool,
    pub output: bool,
}

impl Keeps {
    pub const ALL: Keeps = Keeps::new(true, true);
    pub const INPUTS: Keeps = Keeps::new(true, false);
    pub const OUTPUT: Keeps = Keeps::new(false, true);
    pub const NOTHING: Keeps = Keeps::new(false, false);

    const fn new(inputs: bool, output: bool) -> Keeps {
        Keeps { inputs, output }
    }
}

/// The tensors that a kernel is given. An enumeration, because a list of tensors cannot be passed to an extension.
#[derive(ExtensionType)]
pub(crate) enum Operands<B: Backend> {
    One(FloatTensor<B>),
    Two(FloatTensor<B>, FloatTensor<B>),
    Three(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    Four(
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
    ),
    Five(
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
    ),
    Six(
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
    ),
}

impl<B: Backend> Operands<B> {
    /// Kernels have at most four inputs; the backward pass adds the output and its gradient.
    fn new(tensors: Vec<FloatTensor<B>>) -> Operands<B> {
        let mut tensors = tensors.into_iter();
        let count = tensors.len();
        let mut next = || {
            tensors
                .next()
                .unwrap_or_else(|| unreachable!("they were counted"))
        };
        match count {
            1 => Operands::One(next()),
            2 => Operands::Two(next(), next()),
            3 => Operands::Three(next(), next(), next()),
            4 => Operands::Four(next(), next(), next(), next()),
            5 => Operands::Five(next(), next(), next(), next(), next()),
            6 => Operands::Six(next(), next(), next(), next(), next(), next()),
            n => unreachable!("{n} tensors"),
        }
    }

    fn into_vec(self) -> Vec<FloatTensor<B>> {
        match self {
            Operands::One(a) => vec![a],
            Operands::Two(a, b) => vec![a, b],
            Operands::Three(a, b, c) => vec![a, b, c],
            Operands::Four(a, b, c, d) => vec![a, b, c, d],
            Operands::Five(a, b, c, d, e) => vec![a, b, c, d, e],
            Operands::Six(a, b, c, d, e, f) => vec![a, b, c, d, e, f],
        }
    }
}

/// Kernels as an extension of Burn's backends.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait KernelBackend: Backend {
    /// Runs a kernel forwards.
    fn kernel_forward(
        #[extension_type] inputs: Operands<Self>,
        kernel: Arc<dyn Operation>,
        keep: bool,
    ) -> FloatTensor<Self>;

    /// Runs a kernel backwards. `kept` are the inputs and the output, as far as the kernel keeps them, and the gradient; `shapes` are
    /// those of all inputs and the output.
    fn kernel_backward(
        #[extension_type] kept: Operands<Self>,
        kernel: Arc<dyn Operation>,
        shapes: Vec<Vec<usize>>,
        wanted: Vec<bool>,
    ) -> Vec<FloatTensor<Self>>;
}

impl KernelBackend for Flex {
    fn kernel_forward(
        inputs: Operands<Self>,
        kernel: Arc<dyn Operation>,
        keep: bool,
    ) -> FlexTensor {
        let inputs = inputs.into_vec().into_iter().map(Held::new).collect();
        from_array(kernel.forward(inputs, keep))
    }

    fn kernel_backward(
        kept: Operands<Self>,
        kernel: Arc<dyn Operation>,
        mut shapes: Vec<Vec<usize>>,
        wanted: Vec<bool>,
    ) -> Vec<FlexTensor> {
        let mut kept = kept.into_vec().into_iter().map(Held::new);
        let Keeps { inputs, output } = kernel.keeps();
        let mut held = |shape, kept_too: bool| match kept_too.then(|| kept.next()) {
            Some(Some(held)) => held,
            _ => Held::shape_alone(shape),
        };
        let output_shape = shapes.pop().unwrap_or_default();
        let inputs: Vec<Held> = shapes.into_iter().map(|s| held(s, inputs)).collect();
        let output = held(output_shape.clone(), output);
        let gradient = held(output_shape, true);
        let gradients = kernel.backward(inputs, output, gradient, &wanted);
        gradients.into_iter().map(from_array).collect()
    }
}

/// As many operands as an operation has.
pub(crate) fn only<T, const N: usize>(operands: Vec<T>) -> [T; N] {
    operands
        .try_into()
        .unwrap_or_else(|_| unreachable!("an operation is recorded with all its inputs"))
}

fn from_array(array: Array) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(array.values, array.shape))
}

impl<B: Backend + KernelBackend, C: CheckpointStrategy> KernelBackend for Autodiff<B, C> {
    fn kernel_forward(
        inputs: Operands<Self>,
        kernel: Arc<dyn Operation>,
        _keep: bool,
    ) -> FloatTensor<Self> {
        let inputs = inputs.into_vec();
        match inputs.len() {
            1 => record::<B, C, 1>(inputs, kernel),
            2 => record::<B, C, 2>(inputs, kernel),
            3 => record::<B, C, 3>(inputs, kernel),
            4 => record::<B, C, 4>(inputs, kernel),
            n => unreachable!("{n} inputs"),
        }
    }

    fn kernel_backward(
        kept: Operands<Self>,
        kernel: Arc<dyn Operation>,
        shapes: Vec<Vec<usize>>,
        wanted: Vec<bool>,
    ) -> Vec<FloatTensor<Self>> {
        // Second derivatives are not tracked.
        let kept = kept.into_vec().into_iter().map(Self::inner).collect();
        let gradients = B::kernel_backward(Operands::new(kept), kernel, shapes, wanted);
        gradients.into_iter().map(Self::from_inner).collect()
    }
}

/// Runs the kernel and records it for the backward pass where an input needs a gradient.
fn record<B: KernelBackend, C: CheckpointStrategy, const N: usize>(
    inputs: Vec<FloatTensor<Autodiff<B, C>>>,
    kernel: Arc<dyn Operation>,
) -> FloatTensor<Autodiff<B, C>> {
    let (inputs, guards): (Vec<_>, Vec<NodeGuard>) =
        inputs.into_iter().map(|input| input.into_parts()).unzip();
    let guards: [NodeGuard; N] = guards
        .try_into()
        .unwrap_or_else(|_| unreachable!("the caller counted the inputs"));
    match Recorded.prepare::<C>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let mut shapes: Vec<Vec<usize>> = inputs.iter().map(shape_of).collect();
            let keeps = kernel.keeps();
            let mut kept = if keeps.inputs {
                inputs.clone()
            } else {
                Vec::new()
            };
            let output = B::kernel_forward(Operands::new(inputs), kernel.clone(), true);
            shapes.push(shape_of(&output));
            kept.extend(keeps.output.then(|| output.clone()));
            let state = State {
                kept,
                shapes,
                kernel,
            };
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(B::kernel_forward(Operands::new(inputs), kernel, false))
        }
    }
}

#[derive(Debug)]
struct Recorded;

#[derive(Debug, Clone)]
struct State<B: Backend> {
    kept: Vec<FloatTensor<B>>,
    shapes: Vec<Vec<usize>>,
    kernel: Arc<dyn Operation>,
}

fn shape_of<T: TensorMetadata>(tensor: &T) -> Vec<usize> {
    tensor.shape().to_vec()
}

impl<B: KernelBackend, const N: usize> Backward<B, N> for Recorded {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<State<B>, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let wanted: Vec<bool> = ops.parents.iter().map(Option::is_some).collect();
        let State {
            mut kept,
            shapes,
            kernel,
        } = ops.state;
        kept.push(gradient);
        let found = B::kernel_backward(Operands::new(kept), kernel, shapes, wanted);
        for (parent, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, found);
            }
        }
    }
}

/// Runs a kernel on tensors of the CPU.
pub(crate) fn run<const D: usize>(
    inputs: Vec<DispatchTensor>,
    kernel: impl Operation + 'static,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as KernelBackend>::kernel_forward(
        Operands::new(inputs),
        Arc::new(kernel),
        false,
    ))
}

/// Whether tensors of this device are the CPU's, for which the kernels are written.
pub(crate) fn is_cpu(device: &Device) -> bool {
    let cpu = Device::flex();
    *device == cpu || *device == cpu.autodiff()
}
