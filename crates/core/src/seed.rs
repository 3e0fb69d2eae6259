use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Where all randomness comes from: a number that the person gives.
///
/// Every user of randomness asks for its own stream by name, so that adding one does not shift the
/// others, and so that two trials that run side by side cannot disturb each other.
///
/// ```
/// use candor_core::Seed;
/// use rand::Rng;
/// let draw = |seed: u64, purpose: &str| Seed(seed).stream(purpose, &[3]).next_u64();
/// assert_eq!(draw(1, "init"), draw(1, "init"));
/// assert_ne!(draw(1, "init"), draw(1, "dropout"));
/// assert_ne!(draw(1, "init"), draw(2, "init"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream for one purpose, distinguished further by numbers such as trial and fold.
    pub fn stream(self, purpose: &str, numbers: &[u64]) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.derive(purpose, numbers).0)
    }

    /// A seed for a part that hands out streams of its own.
    pub fn derive(self, purpose: &str, numbers: &[u64]) -> Seed {
        // FNV-1a over the purpose and the numbers, then the finaliser of SplitMix64 to spread it.
        let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ self.0.rotate_left(17);
        let bytes = purpose
            .bytes()
            .chain(numbers.iter().flat_map(|n| n.to_le_bytes()));
        for byte in bytes.chain(self.0.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Seed(hash ^ (hash >> 31))
    }
}
