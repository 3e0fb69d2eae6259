use rand_chacha::ChaCha8Rng;

/// One forward pass: either training, with the stream from which dropout draws, or evaluation.
#[derive(Debug)]
pub struct Pass<'a>(Option<&'a mut ChaCha8Rng>);

impl<'a> Pass<'a> {
    /// A pass of training.
    pub fn training(stream: &'a mut ChaCha8Rng) -> Pass<'a> {
        Pass(Some(stream))
    }

    /// A pass of evaluation: deterministic, nothing is dropped.
    pub fn evaluation() -> Pass<'static> {
        Pass(None)
    }

    /// The stream, in training.
    pub fn stream(&mut self) -> Option<&mut ChaCha8Rng> {
        self.0.as_deref_mut()
    }
}
