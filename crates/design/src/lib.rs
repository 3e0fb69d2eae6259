//! Design spaces and the search over them.
