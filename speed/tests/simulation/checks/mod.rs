//! What must hold. Each check recomputes from what was produced, not from what the program says.

pub mod changes;
pub mod epoch;
pub mod exactly_once;
pub mod lambda;
pub mod sessions;
pub mod shard;

use super::world::World;

/// At any moment.
pub fn at_work(world: &World) {
    lambda::check(world, &shard::Shard::all(world));
}

/// When nothing is left to do for now.
pub fn at_rest(world: &World) {
    let shards = shard::Shard::all(world);
    lambda::check(world, &shards);
    lambda::check_swept(world, &shards);
}

/// When nothing is left to do, and a publication covers everything.
pub fn at_the_end(world: &World) {
    let shards = shard::Shard::all(world);
    lambda::check(world, &shards);
    lambda::check_swept(world, &shards);
    lambda::check_all_covered(world, &shards);
    exactly_once::check_lines(world, &shards);
    exactly_once::check_letters(world);
    exactly_once::check_archive(world);
    changes::check(world, &shards);
    sessions::check(world);
    sessions::check_ended(world);
}
