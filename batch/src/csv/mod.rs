//! Delimited text: where records and fields begin, and which field is which column.

pub mod dialect;
pub mod scanner;

pub use data::columns;
