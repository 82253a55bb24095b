//! Ten Lloyd iterations on n × 3 points, k = 4, from the first four points: prints one JSON line.
//!
//! `lloyd [--damped] [--points FILE] [--threads T] [--repeat N] [--count n] [--iterations I]`; FILE holds three columns of n
//! little-endian f64 one after the other (what `numpy.ndarray.tofile` writes of a 3 × n array); without it, seeded
//! points are made up.
#![allow(clippy::print_stdout, reason = "its result")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Instant;

use batch::model::{Iterations, Points, Update, lloyd};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() -> Result<(), Box<dyn Error>> {
    let columns = match option("--points") {
        Some(file) => read_columns(&file)?,
        None => made_up(option("--count").map_or(Ok(10_000_000), |n| n.parse())?),
    };
    let threads = option("--threads").map_or(Ok(NonZeroUsize::MIN), |t| t.parse())?;
    let repeat: u32 = option("--repeat").map_or(Ok(3), |n| n.parse())?;
    let most = option("--iterations").map_or(Ok(10), |n| n.parse())?;
    let update = if std::env::args().any(|a| a == "--damped") { Update::Damped } else { Update::Mean };
    let start: Vec<[f64; 3]> =
        (0..4).map(|i| columns.each_ref().map(|c| c.get(i).copied().unwrap_or_default())).collect();
    let points = Points::new(columns);
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    let mut fitted = None;
    for _ in 0..repeat {
        fitted = Some(lloyd(&points, &start, Iterations { most, update, threads }));
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64() / f64::from(repeat), (cpu_seconds()? - cpu) / f64::from(repeat));
    let fitted = fitted.ok_or("--repeat must be at least 1")?;
    println!(
        r#"{{"n": {}, "iterations": {}, "wall_s": {wall:.4}, "cpu_s": {cpu:.4}, "inertia": {:?}, "centroids": {:?}}}"#,
        points.len(),
        fitted.iterations,
        fitted.inertia,
        fitted.centroids
    );
    Ok(())
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|a| a != name).nth(1)
}

fn read_columns(file: &str) -> Result<[Vec<f64>; 3], Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let (values, _) = bytes.as_chunks::<8>();
    let mut columns = values.chunks_exact(values.len() / 3).map(|c| c.iter().map(|b| f64::from_le_bytes(*b)).collect());
    let mut next = || columns.next().ok_or("fewer than three columns");
    Ok([next()?, next()?, next()?])
}

/// Four clouds, one heavy-tailed feature.
fn made_up(count: usize) -> [Vec<f64>; 3] {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut columns = [const { Vec::new() }; 3];
    for i in 0..count {
        let centre = [[0.4, 0.5, 0.2], [2.5, 0.2, 0.1], [0.2, 3.0, 1.4], [0.1, 9.0, 9.0]];
        let near = centre.get(i % 4).copied().unwrap_or_default();
        for (column, x) in columns.iter_mut().zip(near) {
            column.push(x - rng.random::<f64>().ln() * 0.3);
        }
    }
    columns
}

/// User and system time of this process (Linux, clock ticks of 10 ms).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}
