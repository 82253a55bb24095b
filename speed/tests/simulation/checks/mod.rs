//! What must hold. Each check recomputes from what was produced, not from what the program says.

pub mod changes;
pub mod epoch;
pub mod exactly_once;
pub mod lambda;
pub mod sessions;
pub mod shard;

use super::world::World;

/// When nothing is left to do.
pub fn at_rest(world: &World) {
    lambda::check(world);
    lambda::check_swept(world);
    exactly_once::check_lines(world);
    exactly_once::check_letters(world);
    exactly_once::check_archive(world);
    changes::check(world);
    sessions::check(world);
}
