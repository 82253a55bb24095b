//! What lies around the routes: connections, who may ask, headers, compression, pages.

mod access;
mod assets;
mod compress;
mod docs;
mod frame;
mod hosts;
mod limits;
mod server;
mod site;

pub use access::{Access, Caller, KeySource, Keys, keep_rotating};
pub use frame::RequestIds;
pub use hosts::Hosts;
pub use limits::Limits;
pub(crate) use server::closed;
pub use server::{Peer, serve};
pub use site::site;
