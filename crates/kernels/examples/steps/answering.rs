//! How a program that times training steps is asked: `NAME COUNT` a line, answered with the seconds of one step.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use candor_kernels::{AdamW, AdamWConfig};

/// Does one training step.
pub type Step = Box<dyn FnMut()>;
/// A name, and what makes its step.
pub type Maker = (&'static str, fn() -> Step);

/// One step of Adam after another on `loss`.
pub fn training<M: Module + 'static>(module: M, loss: impl Fn(&M) -> Tensor<1> + 'static) -> Step {
    let mut module = Some(module);
    let mut adam = AdamW::new(AdamWConfig::default());
    Box::new(move || {
        let current = module.take().unwrap();
        let gradients = GradientsParams::from_grads(loss(&current).backward(), &current);
        module = Some(adam.step(1e-3, current, gradients));
    })
}

/// Answers until there are no more lines.
pub fn answer(makers: &[Maker]) {
    // On a thread of the pool, as in a search: a step does not have to be handed over to it.
    rayon::scope(|_| answer_lines(makers));
}

fn answer_lines(makers: &[Maker]) {
    let mut steps: BTreeMap<String, Step> = BTreeMap::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Some((name, count)) = line.split_once(' ') else {
            break;
        };
        let Some((_, make)) = makers.iter().find(|(known, _)| *known == name) else {
            println!("no step `{name}`");
            continue;
        };
        let count: u32 = count.trim().parse().unwrap();
        let step = steps.entry(name.to_owned()).or_insert_with(make);
        let started = Instant::now();
        (0..count).for_each(|_| step());
        println!(
            "{}",
            started.elapsed().as_secs_f64() / f64::from(count.max(1))
        );
        std::io::stdout().flush().unwrap();
    }
}
