"""Measures ten Lloyd iterations, k = 4, on n × 3 points: ours beside scikit-learn's, from the same start.

kmeans.py [--count 10000000] [--runs 5]. Both get the same points and take turns; processor seconds count the
iterations alone, not reading or making the points. Centroids must agree to 1e-9.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
K, ITERATIONS = 4, 10


def main():
    parser = argparse.ArgumentParser(description="Measure Lloyd's iterations beside scikit-learn's.")
    parser.add_argument("--count", type=int, default=10_000_000, help="points (10000000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; the median counts (5)")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--lloyd", type=Path, default=target / "release" / "lloyd")
    options = parser.parse_args()
    if not options.lloyd.exists():
        sys.exit(f"bench: there is no {options.lloyd}; cargo build --release --package lloyd")
    import numpy
    from sklearn.cluster import KMeans

    columns = points(numpy, options.count)
    rows = numpy.ascontiguousarray(columns.T)
    ours, peer = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "points.f64"
        columns.tofile(file)
        for turn in range(1, options.runs + 1):
            print(f"bench: k-means, turn {turn} of {options.runs}", file=sys.stderr, flush=True)
            ours.append(run_ours(options.lloyd, file))
            peer.append(run_peer(KMeans, rows))
    report(numpy, ours, peer, options.count)


def points(numpy, count):
    random = numpy.random.default_rng(7)
    centres = numpy.array([[0.4, 0.5, 0.2], [2.5, 0.2, 0.1], [0.2, 3.0, 1.4], [0.1, 9.0, 9.0]])
    near = centres[numpy.arange(count) % K].T
    # So wide that ten iterations do not come to rest.
    return numpy.ascontiguousarray(near + random.exponential(2.0, (3, count)))


def run_ours(lloyd, file):
    command = [str(lloyd), "--points", str(file), "--threads", "2", "--repeat", "1", "--iterations", str(ITERATIONS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_peer(k_means, rows):
    model = k_means(K, init=rows[:K].copy(), n_init=1, max_iter=ITERATIONS, tol=0, algorithm="lloyd")
    used, started = cpu(), time.perf_counter()
    model.fit(rows)
    wall, used = time.perf_counter() - started, cpu() - used
    return {"wall_s": wall, "cpu_s": used, "iterations": model.n_iter_, "inertia": model.inertia_, "centroids": model.cluster_centers_.tolist()}


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def report(numpy, ours, peer, count):
    median = {
        who: {figure: statistics.median(run[figure] for run in runs) for figure in ("wall_s", "cpu_s")}
        for who, runs in (("clientele", ours), ("scikit-learn", peer))
    }
    apart = numpy.abs(numpy.array(ours[0]["centroids"]) - numpy.array(peer[0]["centroids"])).max()
    print(f"\nK-Means, {count:,} x 3, k = {K}, {ITERATIONS} iterations; median of {len(ours)}")
    for who, figures in median.items():
        print(f"  {who:14}{figures['wall_s']:8.2f} s wall{figures['cpu_s']:8.2f} s CPU")
    ratio = median["clientele"]["cpu_s"] / median["scikit-learn"]["cpu_s"]
    print(f"  CPU ratio {ratio:.3f}; centroids apart by at most {apart:.1e}")
    if {run["iterations"] for run in ours + peer} != {ITERATIONS}:
        sys.exit("bench: some run came to rest before its last iteration")
    if apart > 1e-9:
        sys.exit("bench: the centroids differ")


if __name__ == "__main__":
    main()
