use std::sync::Mutex;
use std::time::Duration;

use candor::challenge::ShiftWatch;

/// What the service counted since it began.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Counts>);

#[derive(Default, Clone, Copy)]
struct Counts {
    answered: u64,
    refused: u64,
    turned_away: u64,
    rows: u64,
    abstained: u64,
    strange: u64,
    seconds: f64,
    batches: u64,
    shifted: u64,
    watch: ShiftWatch,
}

impl Metrics {
    fn with(&self, change: impl FnOnce(&mut Counts)) {
        // A panic elsewhere leaves the counts as they are.
        change(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()));
    }

    pub fn answered(&self, rows: usize, abstained: usize, strange: usize, took: Duration) {
        self.with(|c| {
            c.answered += 1;
            c.rows += rows as u64;
            c.abstained += abstained as u64;
            c.strange += strange as u64;
            c.seconds += took.as_secs_f64();
        });
    }

    /// The level at which the next batch is tested.
    pub fn next_level(&self, level: f64) -> f64 {
        let mut next = level;
        self.with(|c| next = c.watch.next_level(level));
        next
    }

    pub fn compared(&self, shifted: bool) {
        self.with(|c| {
            c.batches += 1;
            c.shifted += u64::from(shifted);
        });
    }

    pub fn refused(&self) {
        self.with(|c| c.refused += 1);
    }

    pub fn turned_away(&self) {
        self.with(|c| c.turned_away += 1);
    }

    /// The text format of Prometheus.
    pub fn text(&self) -> String {
        let mut counts = Counts::default();
        self.with(|c| counts = *c);
        let Counts {
            answered,
            refused,
            turned_away,
            rows,
            abstained,
            strange,
            seconds,
            batches,
            shifted,
            watch: _,
        } = counts;
        format!(
            "# HELP candor_requests_total Requests for predictions, by how they ended.\n\
             # TYPE candor_requests_total counter\n\
             candor_requests_total{{outcome=\"answered\"}} {answered}\n\
             candor_requests_total{{outcome=\"refused\"}} {refused}\n\
             candor_requests_total{{outcome=\"busy\"}} {turned_away}\n\
             # HELP candor_rows_total Rows that were predicted.\n\
             # TYPE candor_rows_total counter\n\
             candor_rows_total {rows}\n\
             # HELP candor_abstentions_total Rows that got no answer, by reason.\n\
             # TYPE candor_abstentions_total counter\n\
             candor_abstentions_total{{reason=\"unlike_training_data\"}} {strange}\n\
             candor_abstentions_total{{reason=\"unsure\"}} {}\n\
             # HELP candor_batches_total Requests of 20 rows and more, compared with the rows that the model was tested on.\n\
             # TYPE candor_batches_total counter\n\
             candor_batches_total{{shifted=\"no\"}} {}\n\
             candor_batches_total{{shifted=\"yes\"}} {shifted}\n\
             # HELP candor_predict_seconds Time spent on answered requests.\n\
             # TYPE candor_predict_seconds summary\n\
             candor_predict_seconds_sum {seconds}\n\
             candor_predict_seconds_count {answered}\n",
            abstained - strange,
            batches - shifted
        )
    }
}
