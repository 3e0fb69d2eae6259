//! An allocator that keeps large blocks for the next training step.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The system's allocator, except that large blocks are kept when they are freed, and handed out again.
///
/// A training step allocates the same large arrays as the step before it. The system gives such memory back at once, and then has to
/// find and clear pages anew: a third of the time of a step, more where several threads do it at a time. Kept blocks are at most
/// [`Recycler::LIMIT`] bytes unless [`Recycler::keep_at_most`] says otherwise.
///
/// Use it as the `#[global_allocator]` of a program that trains.
pub struct Recycler {
    kept: Mutex<Kept>,
    limit: AtomicUsize,
}

/// Free blocks; those of one class follow each other through their first bytes.
struct Kept {
    first: [*mut u8; CLASSES],
    bytes: usize,
}

#[expect(
    unsafe_code,
    reason = "the pointers are to free blocks that nothing else refers to, and are used under the lock alone"
)]
unsafe impl Send for Kept {}

/// Blocks of fewer bytes are left to the system, which does not give them back at once.
const SMALLEST: usize = 1 << 16;
/// Sizes between two powers of two; a block is at most an eighth larger than what was asked for.
const STEPS: usize = 8;
/// Up to 64 GiB.
const CLASSES: usize = 20 * STEPS;
/// Vector instructions may ask for it.
const ALIGNMENT: usize = 64;
/// Blocks of so many bytes lie on the pages of 2 MiB that processors know beside those of 4 KiB: a large array then needs few of the places in which a
/// processor keeps where pages are.
const LARGE: usize = 2 * LARGE_PAGE;
const LARGE_PAGE: usize = 1 << 21;

/// The class of a size, and the bytes that its blocks have; none for sizes that are not kept.
fn class_of(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size();
    if size < SMALLEST || layout.align() > ALIGNMENT {
        return None;
    }
    let power = (size - 1).ilog2() as usize;
    let step = (1usize << power) / STEPS;
    let steps = (size - (1 << power)).div_ceil(step);
    let class = (power - (SMALLEST.ilog2() as usize - 1)) * STEPS + steps - 1;
    (class < CLASSES).then_some((class, (1 << power) + steps * step))
}

impl Recycler {
    /// Bytes that are kept at most, unless told otherwise.
    pub const LIMIT: usize = 2 << 30;

    /// Keeps nothing yet.
    #[expect(clippy::new_without_default, reason = "a default is not `const`")]
    pub const fn new() -> Recycler {
        Recycler {
            kept: Mutex::new(Kept {
                first: [std::ptr::null_mut(); CLASSES],
                bytes: 0,
            }),
            limit: AtomicUsize::new(Recycler::LIMIT),
        }
    }

    /// From now on keeps so many bytes at most, 0 for none; what is kept beyond goes back to the system.
    pub fn keep_at_most(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
        let mut kept = self.lock();
        for class in (0..CLASSES).rev() {
            while kept.bytes > bytes && !kept.first[class].is_null() {
                let block = kept.pop(class);
                #[expect(
                    unsafe_code,
                    reason = "a kept block came from `System` with the layout of its class"
                )]
                unsafe {
                    System.dealloc(block, layout_of(class));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, class: usize) -> *mut u8 {
        let mut kept = self.lock();
        if kept.first[class].is_null() {
            return std::ptr::null_mut();
        }
        kept.pop(class)
    }
}

/// Bytes and alignment of the blocks of a class.
fn layout_of(class: usize) -> Layout {
    let power = SMALLEST.ilog2() as usize - 1 + class / STEPS;
    let size = (1usize << power) + (class % STEPS + 1) * ((1 << power) / STEPS);
    let alignment = if size < LARGE { ALIGNMENT } else { LARGE_PAGE };
    Layout::from_size_align(size, alignment).unwrap_or(Layout::new::<u8>())
}

/// A block of a class from the system.
fn fresh(class: usize) -> *mut u8 {
    let layout = layout_of(class);
    #[expect(
        unsafe_code,
        reason = "blocks of all classes have bytes; what is advised of a block changes nothing in it, and a system that cannot follow says so"
    )]
    unsafe {
        let block = System.alloc(layout);
        #[cfg(target_os = "linux")]
        if layout.size() >= LARGE && !block.is_null() {
            libc::madvise(block.cast(), layout.size(), libc::MADV_HUGEPAGE);
        }
        block
    }
}

impl Kept {
    /// The first block of a class that has one.
    fn pop(&mut self, class: usize) -> *mut u8 {
        let block = self.first[class];
        #[expect(
            unsafe_code,
            reason = "a kept block is free, larger and better aligned than a pointer, and holds the pointer that `push` wrote"
        )]
        let next = unsafe { block.cast::<*mut u8>().read() };
        self.first[class] = next;
        self.bytes -= layout_of(class).size();
        block
    }

    /// Keeps a block that nothing refers to any more.
    fn push(&mut self, class: usize, block: *mut u8) {
        #[expect(
            unsafe_code,
            reason = "the block is free, and larger and better aligned than a pointer"
        )]
        unsafe {
            block.cast::<*mut u8>().write(self.first[class]);
        }
        self.first[class] = block;
        self.bytes += layout_of(class).size();
    }
}

#[expect(
    unsafe_code,
    reason = "an allocator; every block of a class comes from `System` with the layout of the class, and returns to it with the \
              same, whichever size of the class was asked for; all others are passed through"
)]
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, _)) = class_of(layout) else {
            return unsafe { System.alloc(layout) };
        };
        let block = self.take(class);
        if block.is_null() {
            return fresh(class);
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((class, _)) = class_of(layout) else {
            return unsafe { System.alloc_zeroed(layout) };
        };
        let mut block = self.take(class);
        if block.is_null() {
            block = fresh(class);
        }
        if !block.is_null() {
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((class, size)) = class_of(layout) else {
            return unsafe { System.dealloc(block, layout) };
        };
        let mut kept = self.lock();
        if kept.bytes + size <= self.limit.load(Ordering::Relaxed) {
            kept.push(class, block);
        } else {
            drop(kept);
            unsafe { System.dealloc(block, layout_of(class)) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return std::ptr::null_mut();
        };
        match (class_of(layout), class_of(new)) {
            (None, None) => unsafe { System.realloc(block, layout, size) },
            (old, new) if old == new => block,
            _ => {
                let moved = unsafe { self.alloc(new) };
                if !moved.is_null() {
                    let length = layout.size().min(size);
                    unsafe {
                        std::ptr::copy_nonoverlapping(block, moved, length);
                        self.dealloc(block, layout);
                    }
                }
                moved
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    #[test]
    fn classes_rise_and_waste_an_eighth_at_most() {
        assert_eq!(class_of(layout(SMALLEST - 1)), None);
        let mut last = 0;
        for size in (SMALLEST..40 * SMALLEST).step_by(97) {
            let (class, bytes) = class_of(layout(size)).unwrap();
            assert!(
                class >= last && bytes >= size && bytes <= size + size / 7,
                "{size}"
            );
            assert_eq!(layout_of(class).size(), bytes);
            assert_eq!(class_of(layout(bytes)), Some((class, bytes)));
            last = class;
        }
        assert_eq!(class_of(layout(1 << 40)), None);
        assert_eq!(
            class_of(Layout::from_size_align(1 << 20, 4096).unwrap()),
            None
        );
    }

    #[test]
    #[expect(
        unsafe_code,
        reason = "an allocator is called with layouts of its own blocks"
    )]
    fn blocks_come_back_cleared_and_within_the_limit() {
        let recycler = Recycler::new();
        let size = 3 * SMALLEST;
        unsafe {
            let a = recycler.alloc(layout(size));
            a.write_bytes(7, size);
            recycler.dealloc(a, layout(size));
            let b = recycler.alloc_zeroed(layout(size - 100));
            assert_eq!(a, b, "the block was kept");
            assert!(
                std::slice::from_raw_parts(b, size - 100)
                    .iter()
                    .all(|&v| v == 0)
            );
            b.write_bytes(9, size - 100);
            let c = recycler.realloc(b, layout(size - 100), 2 * size);
            assert!(
                std::slice::from_raw_parts(c, size - 100)
                    .iter()
                    .all(|&v| v == 9)
            );
            assert_eq!(recycler.lock().bytes, class_of(layout(size)).unwrap().1);
            let small = recycler.realloc(c, layout(2 * size), 10);
            assert_eq!(std::slice::from_raw_parts(small, 10), [9; 10]);
            recycler.dealloc(small, layout(10));
            assert_eq!(recycler.lock().bytes, class_of(layout(size)).unwrap().1 * 3);
            recycler.keep_at_most(size + size / 2);
            assert_eq!(recycler.lock().bytes, class_of(layout(size)).unwrap().1);
            recycler.keep_at_most(0);
            let d = recycler.alloc(layout(size));
            recycler.dealloc(d, layout(size));
            assert_eq!(recycler.lock().bytes, 0);
        }
    }
}
