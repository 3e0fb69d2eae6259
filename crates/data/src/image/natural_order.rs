use std::cmp::Ordering;

/// The order in which people count: `img2` before `img10`, folders before what only begins with their name.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let mut folders = (a.split('/'), b.split('/'));
    loop {
        match (folders.0.next(), folders.1.next()) {
            (Some(a), Some(b)) => match natural_name(a, b) {
                Ordering::Equal => {}
                other => return other,
            },
            (None, None) => return a.cmp(b),
            (a, b) => return a.cmp(&b),
        }
    }
}

fn natural_name(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (digits_a, digits_b) = (digits(a), digits(b));
        if digits_a > 0 && digits_b > 0 {
            let (number_a, number_b) = (&a[..digits_a], &b[..digits_b]);
            let (value_a, value_b) = (
                number_a.trim_start_matches('0'),
                number_b.trim_start_matches('0'),
            );
            let order = (value_a.len(), value_a).cmp(&(value_b.len(), value_b));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[digits_a..], &b[digits_b..]);
            continue;
        }
        let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
        match (rest_a.next(), rest_b.next()) {
            (Some(x), Some(y)) if x == y => (a, b) = (rest_a.as_str(), rest_b.as_str()),
            (x, y) => return x.cmp(&y),
        }
    }
}

/// The number of ASCII digits with which a text begins.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value_and_folders_come_first() {
        let ordered = [
            "a/1.png",
            "a/2.png",
            "a/10.png",
            "a b/1.png",
            "a1/x",
            "a1x2",
            "a01x3",
            "a10",
            "é/1",
            "é/2",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(natural(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(natural(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(natural("x", "x"), Ordering::Equal);
        // Equal by value is still ordered, so that sorting never depends on the folder's order.
        assert_ne!(natural("01", "1"), Ordering::Equal);
    }
}
