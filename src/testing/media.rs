//! Media over the epochs of a simulated group: who can open what, and who must not.
//!
//! No object is really sealed: it carries the secret it would be sealed with, and opens for who holds the
//! same. A [`MediaEndpoint`] is one participant's media, wired as a driver would; a [`MediaPlane`] carries
//! objects between all of them.

mod endpoint;
mod objects;
mod plane;

pub use self::endpoint::{MediaEndpoint, Stored};
pub use self::objects::{MediaConfig, MediaObject, MediaStats, Places, Received};
pub use self::plane::{Links, MediaPlane};
