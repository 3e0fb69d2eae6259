use serde::{Deserialize, Serialize};

/// What if something else went from one series to another: a road that is closed, fewer who travel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EdgeChange {
    /// The series it comes from; any where `None`.
    pub from: Option<u32>,
    /// The series it goes to; any other where `None`.
    pub to: Option<u32>,
    /// What is there is multiplied by this; 0: nothing goes there any more.
    pub factor: f32,
}

impl EdgeChange {
    /// What an edge becomes under all of some changes. What stays where it is changes only where both ends are named.
    pub fn of(changes: &[EdgeChange], (from, to, weight): (u32, u32, f32)) -> f32 {
        let meets = |change: &&EdgeChange| {
            let here = |end: Option<u32>, own: u32| end.is_none_or(|end| end == own);
            let named = change.from.is_some() && change.to.is_some();
            here(change.from, from) && here(change.to, to) && (from != to || named)
        };
        let factors = changes.iter().filter(meets).map(|change| change.factor);
        weight * factors.product::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_meet_the_edges_that_they_name_one_after_another() {
        let change = |from, to, factor| EdgeChange { from, to, factor };
        let both = [change(Some(1), Some(2), 0.5), change(None, Some(2), 0.5)];
        let of = |from, to| EdgeChange::of(&both, (from, to, 8.0));
        assert_eq!((of(1, 2), of(0, 2), of(2, 1)), (2.0, 4.0, 8.0));
        // Those who stay at home are no travellers.
        assert_eq!(of(2, 2), 8.0);
        assert_eq!(
            EdgeChange::of(&[change(Some(2), Some(2), 3.0)], (2, 2, 1.0)),
            3.0
        );
        assert_eq!(EdgeChange::of(&[change(None, None, 0.0)], (3, 3, 1.0)), 1.0);
    }
}
