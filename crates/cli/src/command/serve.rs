use candor::Model;
use candor_serve::ServeSettings;

use crate::Ending;
use crate::args::ServeArgs;
use crate::command::fit;
use crate::failure::Failure;
use crate::output::note;

/// Serves a bundle over HTTP until Ctrl-C.
pub(crate) fn run(args: &ServeArgs) -> Result<Ending, Failure> {
    let model = Model::load(&args.bundle)?;
    let name = model.parts().name.clone();
    let settings = ServeSettings {
        address: args.address,
        working: std::thread::available_parallelism().map_or(1, Into::into),
        waiting: args.waiting,
        body: args.body << 20,
    };
    let interrupt = fit::on_ctrl_c()?;
    let ready = |address| {
        note(&format!(
            "`{name}` answers on http://{address}; Ctrl-C ends it"
        ))
    };
    candor_serve::serve(model, &settings, &interrupt, ready)
        .map_err(|e| Failure::new(e.to_string(), "name another address with `--address`"))?;
    Ok(Ending::Done)
}
