//! JSON read where it lies: no tree, no copy. `cursor` walks a whole text, `picker` takes one in pieces.

mod cursor;
mod picker;
mod plain;

pub(crate) use cursor::{Cursor, Fault, Text};
pub(crate) use picker::{Picker, Want, Wanted};
pub(crate) use plain::plain_length;
