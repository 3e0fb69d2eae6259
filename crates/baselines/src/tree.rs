use crate::BaselineError;
use crate::bytes::{Reader, Writer};
use crate::encoder::Encoder;

/// Marks a child that is a leaf; the other bits are its number.
const LEAF: u32 = 1 << 31;
const CATEGORICAL: u32 = 1 << 31;
const MISSING_LEFT: u32 = 1 << 30;
const FEATURE: u32 = MISSING_LEFT - 1;

/// A set of bins of a categorical column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CategorySet([u64; 4]);

impl CategorySet {
    pub(crate) fn insert(&mut self, bin: u8) {
        self.0[usize::from(bin >> 6)] |= 1 << (bin & 63);
    }

    pub(crate) fn contains(&self, bin: u8) -> bool {
        self.0[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }
}

/// What sends a row to the left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Test {
    /// A number at most this large; never NaN.
    AtMost(f32),
    /// A category whose bin is in the set.
    OneOf(CategorySet),
}

/// One split, in 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    /// The column, with the flags [`CATEGORICAL`] and [`MISSING_LEFT`].
    feature: u32,
    /// The bits of the threshold, or the number of the category set.
    operand: u32,
    left: u32,
    right: u32,
}

/// A decision tree over encoded rows, in flat arrays in pre-order.
///
/// Thresholds are in the units of the raw data, so prediction needs no bins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    outputs: usize,
    nodes: Vec<Node>,
    sets: Vec<CategorySet>,
    /// `[leaves, outputs]`.
    values: Vec<f32>,
}

impl Tree {
    /// Numbers a leaf holds.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The number of leaves, one more than splits.
    pub(crate) fn leaves(&self) -> usize {
        self.nodes.len() + 1
    }

    /// Thresholds or category sets, and leaf values.
    pub(crate) fn parameters(&self) -> usize {
        self.nodes.len() + self.values.len()
    }

    /// Multiplies all leaf values; what would overflow becomes the largest number.
    pub(crate) fn scale(&mut self, factor: f64) {
        for value in &mut self.values {
            *value = bounded(f64::from(*value) * factor);
        }
    }

    /// The values of the leaf that an encoded row falls into.
    #[inline]
    pub(crate) fn leaf(&self, row: &[f32]) -> &[f32] {
        let mut at = if self.nodes.is_empty() { LEAF } else { 0 };
        while at & LEAF == 0 {
            let node = &self.nodes[at as usize];
            let value = row[(node.feature & FEATURE) as usize];
            let left = if node.feature & CATEGORICAL == 0 {
                (value <= f32::from_bits(node.operand))
                    | (value.is_nan() & (node.feature & MISSING_LEFT != 0))
            } else if value.is_nan() {
                node.feature & MISSING_LEFT != 0
            } else {
                self.sets[node.operand as usize].contains(value as u8)
            };
            at = if left { node.left } else { node.right };
        }
        let start = (at & !LEAF) as usize * self.outputs;
        &self.values[start..start + self.outputs]
    }

    /// Writes the nodes in pre-order. Shape and children follow from the order, so none are stored; zeros
    /// among the values of a leaf with several outputs take one bit.
    pub(crate) fn write(&self, to: &mut Writer) {
        to.count(self.outputs);
        let mut open = vec![if self.nodes.is_empty() { LEAF } else { 0 }];
        while let Some(at) = open.pop() {
            if at & LEAF != 0 {
                to.count(0);
                let start = (at & !LEAF) as usize * self.outputs;
                write_leaf(&self.values[start..start + self.outputs], to);
                continue;
            }
            let node = &self.nodes[at as usize];
            let flags = usize::from(node.feature & MISSING_LEFT != 0) * 2
                + usize::from(node.feature & CATEGORICAL != 0);
            to.count((((node.feature & FEATURE) as usize) << 2 | flags) + 1);
            if node.feature & CATEGORICAL == 0 {
                to.u32(node.operand);
            } else {
                self.sets[node.operand as usize]
                    .0
                    .iter()
                    .for_each(|&word| to.u64(word));
            }
            open.extend([node.right, node.left]);
        }
    }

    /// Reads what [`Tree::write`] wrote, for rows that `encoder` encodes.
    pub(crate) fn read(from: &mut Reader<'_>, encoder: &Encoder) -> Result<Tree, BaselineError> {
        let outputs = from.number()?;
        let mut builder = TreeBuilder::new(outputs);
        let mut open = vec![builder.root()];
        let mut values = Vec::new();
        while let Some(place) = open.pop() {
            let token = from.number()?;
            if token == 0 {
                read_leaf(outputs, &mut values, from)?;
                builder.leaf(place, &values);
                continue;
            }
            let feature = (token - 1) >> 2;
            if feature >= encoder.width() {
                return Err(from.corrupt("a split is on a column that does not exist"));
            }
            let test = read_test((token - 1) & 1 == 1, from)?;
            if matches!(test, Test::OneOf(_)) != encoder.categories(feature).is_some() {
                return Err(from.corrupt("a split does not fit the kind of its column"));
            }
            let (left, right) = builder.split(place, feature, test, (token - 1) & 2 == 2);
            open.extend([right, left]);
        }
        Ok(builder.finish())
    }
}

fn write_leaf(values: &[f32], to: &mut Writer) {
    if let [value] = values {
        return to.f32(*value);
    }
    for eight in values.chunks(8) {
        let present = eight
            .iter()
            .enumerate()
            .map(|(i, v)| u8::from(v.to_bits() != 0) << i);
        to.u8(present.sum());
        eight
            .iter()
            .filter(|v| v.to_bits() != 0)
            .for_each(|&v| to.f32(v));
    }
}

fn read_leaf(
    outputs: usize,
    values: &mut Vec<f32>,
    from: &mut Reader<'_>,
) -> Result<(), BaselineError> {
    values.clear();
    if outputs == 1 {
        values.push(from.f32()?);
        return Ok(());
    }
    while values.len() < outputs {
        let present = from.u8()?;
        for i in 0..(outputs - values.len()).min(8) {
            values.push(if present >> i & 1 == 1 {
                from.f32()?
            } else {
                0.0
            });
        }
    }
    Ok(())
}

fn read_test(categorical: bool, from: &mut Reader<'_>) -> Result<Test, BaselineError> {
    if categorical {
        let mut set = CategorySet::default();
        for word in &mut set.0 {
            *word = from.u64()?;
        }
        return Ok(Test::OneOf(set));
    }
    // Infinite is allowed: it separates missing values from all others.
    let threshold = f32::from_bits(from.u32()?);
    if threshold.is_nan() {
        return Err(from.corrupt("a threshold is not a number"));
    }
    Ok(Test::AtMost(threshold))
}

/// The nearest finite `f32`.
pub(crate) fn bounded(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// A place in a tree under construction that becomes a split or a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

#[derive(Debug, Clone, Copy)]
enum Draft {
    Leaf {
        first_value: usize,
    },
    Split {
        feature: usize,
        test: Test,
        missing_left: bool,
        left: Place,
        right: Place,
    },
}

/// Builds a tree in any order.
#[derive(Debug)]
pub(crate) struct TreeBuilder {
    outputs: usize,
    drafts: Vec<Draft>,
    values: Vec<f32>,
}

impl TreeBuilder {
    pub(crate) fn new(outputs: usize) -> TreeBuilder {
        TreeBuilder {
            outputs,
            drafts: vec![Draft::Leaf { first_value: 0 }],
            values: Vec::new(),
        }
    }

    pub(crate) fn root(&self) -> Place {
        Place(0)
    }

    /// Makes a place a split; returns the places of its children.
    pub(crate) fn split(
        &mut self,
        place: Place,
        feature: usize,
        test: Test,
        missing_left: bool,
    ) -> (Place, Place) {
        let (left, right) = (Place(self.drafts.len()), Place(self.drafts.len() + 1));
        self.drafts.extend([Draft::Leaf { first_value: 0 }; 2]);
        self.drafts[place.0] = Draft::Split {
            feature,
            test,
            missing_left,
            left,
            right,
        };
        (left, right)
    }

    /// Makes a place a leaf.
    pub(crate) fn leaf(&mut self, place: Place, values: &[f32]) {
        self.drafts[place.0] = Draft::Leaf {
            first_value: self.values.len(),
        };
        self.values.extend_from_slice(values);
    }

    /// Lays the tree out in pre-order, so that equal trees are equal bytes and left children are near.
    pub(crate) fn finish(self) -> Tree {
        let splits = self.drafts.len() / 2;
        let mut tree = Tree {
            outputs: self.outputs,
            nodes: Vec::with_capacity(splits),
            sets: Vec::new(),
            values: Vec::with_capacity(self.values.len()),
        };
        let mut leaves = 0;
        let mut open: Vec<(Place, Option<(usize, bool)>)> = vec![(self.root(), None)];
        while let Some((place, parent)) = open.pop() {
            let link = match self.drafts[place.0] {
                Draft::Leaf { first_value } => {
                    tree.values
                        .extend_from_slice(&self.values[first_value..first_value + self.outputs]);
                    leaves += 1;
                    LEAF | (leaves - 1)
                }
                Draft::Split {
                    feature,
                    test,
                    missing_left,
                    left,
                    right,
                } => {
                    let at = tree.nodes.len();
                    tree.push(feature, test, missing_left);
                    open.extend([(right, Some((at, false))), (left, Some((at, true)))]);
                    at as u32
                }
            };
            match parent {
                Some((parent, true)) => tree.nodes[parent].left = link,
                Some((parent, false)) => tree.nodes[parent].right = link,
                None => {}
            }
        }
        tree
    }
}

impl Tree {
    fn push(&mut self, feature: usize, test: Test, missing_left: bool) {
        let mut packed = feature as u32 & FEATURE;
        if missing_left {
            packed |= MISSING_LEFT;
        }
        let operand = match test {
            Test::AtMost(threshold) => threshold.to_bits(),
            Test::OneOf(set) => {
                packed |= CATEGORICAL;
                self.sets.push(set);
                self.sets.len() as u32 - 1
            }
        };
        self.nodes.push(Node {
            feature: packed,
            operand,
            left: LEAF,
            right: LEAF,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Bins, FeatureKind, Matrix};

    fn encoder() -> Encoder {
        let columns = vec![
            FeatureKind::Numeric,
            FeatureKind::Categorical { cardinality: 4 },
        ];
        let matrix = Matrix::new(0, columns, vec![]).unwrap();
        Encoder::new(&Arc::new(Bins::fit(&matrix, &[], 255).unwrap()))
    }

    /// `x0 <= 1.5` (missing left) to leaf [1, 0]; else category 0 or 3 to [0, 2], others to [3, 4].
    fn tree() -> Tree {
        let mut builder = TreeBuilder::new(2);
        let (left, right) = builder.split(builder.root(), 0, Test::AtMost(1.5), true);
        let mut set = CategorySet::default();
        set.insert(0);
        set.insert(3);
        let (inside, outside) = builder.split(right, 1, Test::OneOf(set), false);
        builder.leaf(outside, &[3.0, 4.0]);
        builder.leaf(inside, &[0.0, 2.0]);
        builder.leaf(left, &[1.0, 0.0]);
        builder.finish()
    }

    #[test]
    fn rows_fall_where_the_tests_send_them() {
        let cases = [
            ([1.5, 0.0], [1.0, 0.0]),
            ([f32::NAN, 1.0], [1.0, 0.0]),
            ([f32::NEG_INFINITY, 1.0], [1.0, 0.0]),
            ([2.0, 3.0], [0.0, 2.0]),
            ([2.0, 1.0], [3.0, 4.0]),
            ([f32::INFINITY, f32::NAN], [3.0, 4.0]),
        ];
        for (row, values) in cases {
            assert_eq!(tree().leaf(&row), values, "{row:?}");
        }
    }

    #[test]
    fn a_tree_survives_its_bytes_and_is_small() {
        let mut writer = Writer::default();
        tree().write(&mut writer);
        let bytes = writer.finish();
        // outputs 1, splits 1+4 and 1+32, leaves 1+1+4, 1+1+4 and 1+1+8.
        assert_eq!(bytes.len(), 1 + 5 + 33 + 6 + 6 + 10);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Tree::read(&mut reader, &encoder()).unwrap(), tree());
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_tree_without_splits_is_one_leaf() {
        let mut builder = TreeBuilder::new(1);
        builder.leaf(builder.root(), &[7.0]);
        let tree = builder.finish();
        assert_eq!(
            (tree.leaf(&[]), tree.leaves(), tree.parameters()),
            (&[7.0][..], 1, 1)
        );
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_splits_needs_no_stack() {
        let mut builder = TreeBuilder::new(1);
        let mut place = builder.root();
        for i in 0..100_000 {
            let (left, right) = builder.split(place, 0, Test::AtMost(i as f32), false);
            builder.leaf(left, &[i as f32]);
            place = right;
        }
        builder.leaf(place, &[-1.0]);
        let tree = builder.finish();
        assert_eq!(tree.leaf(&[99_998.5, 0.0]), &[99_999.0]);
        let mut writer = Writer::default();
        tree.write(&mut writer);
        let bytes = writer.finish();
        assert_eq!(
            Tree::read(&mut Reader::new(&bytes), &encoder()).unwrap(),
            tree
        );
    }

    #[test]
    fn splits_that_do_not_fit_the_columns_are_refused() {
        let cases: [&[u8]; 4] = [
            &[1, 1 + (2 << 2), 0, 0, 0, 0, 0, 0, 0],  // column 2 of 2
            &[1, 1 + (1 << 2), 0, 0, 0, 0, 0, 0, 0],  // a threshold on categories
            &[1, 1, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0, 0], // threshold NaN
            &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],       // the right child is absent
        ];
        for bytes in cases {
            let read = Tree::read(&mut Reader::new(bytes), &encoder());
            assert!(
                matches!(read, Err(BaselineError::Corrupt { .. })),
                "{bytes:?}"
            );
        }
    }
}
