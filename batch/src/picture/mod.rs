//! `segments.html`: one publication as one page that needs nothing but a browser.
//!
//! The page asks the network for nothing and runs no script; its own content security policy says
//! so, and holds even if a name from the data were not escaped. Charts are inline SVG whose
//! horizontal lengths are percentages, so they follow the width of the screen while their text keeps
//! its size.

mod card;
mod document;
mod grid;
mod lines;
mod model;
mod numbers;
mod page;
mod palette;
mod profiles;
mod rfm;
mod scale;
mod segments;
#[cfg(test)]
mod tests;

pub use page::{Input, Median, Model, Page, PictureError, RfmSegment, Segment, rfm_names};

/// The whole HTML file of a publication.
///
/// # Errors
/// [`PictureError::NotFinite`] when a figure that is always defined is NaN or infinite. Quality
/// figures may be: they are shown as not defined.
pub fn render(page: &Page) -> Result<String, PictureError> {
    page.check()?;
    Ok(document::document(page).into_string())
}
