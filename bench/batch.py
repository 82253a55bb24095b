"""Measures `batch` beside what a user would pick instead: batch.py [--quick] [--sizes 1,10,40]

Two jobs, at each size of the Online Retail file:
  from CSV    `batch run --input FILE --lake EMPTY`, and pandas, polars and DuckDB with scikit-learn
  recompute   `batch run --lake L`, and polars over the Parquet files of that lake's `orders`
All take turns, A B C D E F A B C D E F, so that a slow minute of the machine slows all of them. Of each
run: wall time, CPU time of the process and its children, and peak resident memory, as the kernel counted
them. The table goes to stdout, every figure to OUT/batch.json, progress to stderr.

The order file and the peers' scripts are not in this repository: see --data and --peers.
"""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = "clientele"
FROM_CSV, RECOMPUTE = "from CSV", "recompute"
FIGURES = ("wall_s", "cpu_s", "peak_mb")


def main():
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(options), "runs": options.runs, "sizes": []}
    for factor in options.sizes:
        size = measure_size(factor, options)
        report["sizes"].append(size)
        print(table(size, options.runs), flush=True)
        (options.out / "batch.json").write_text(json.dumps(report, indent=2) + "\n")
    say(f"every figure is in {options.out / 'batch.json'}")
    failed = [c for s in report["sizes"] for c in s["contenders"] if "error" in c]
    return 1 if failed else 0


def parse_options():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    data = Path(os.environ.get("CLIENTELE_DATA", ROOT.parent / "shared" / "data"))
    peers = Path(os.environ.get("CLIENTELE_PEERS", ROOT.parent / "shared" / "peers" / "batch"))
    parser = argparse.ArgumentParser(description="Measure `batch` beside pandas, polars and DuckDB.")
    parser.add_argument("--quick", action="store_true", help="one run of the file as it is")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender; the median counts (5)")
    parser.add_argument("--sizes", default="1,10,40", help="times the file is repeated (1,10,40)")
    parser.add_argument("--data", type=Path, default=data / "online_retail.csv", help="the order file")
    parser.add_argument("--peers", type=Path, default=peers, help="folder of pandas_rfm.py and the others")
    parser.add_argument("--python", default=sys.executable, help="Python that has the peers' packages")
    parser.add_argument("--batch", type=Path, default=target / "release" / "batch", help="our binary")
    parser.add_argument("--out", type=Path, default=target / "bench", help="folder for files and figures")
    options = parser.parse_args()
    options.sizes = [1] if options.quick else [int(n) for n in options.sizes.split(",")]
    options.runs = 1 if options.quick else options.runs
    for name, variable in (("data", "CLIENTELE_DATA"), ("peers", "CLIENTELE_PEERS"), ("batch", None)):
        path = getattr(options, name).absolute()
        if not path.exists():
            hint = f"; --{name} or ${variable} says where it is" if variable else "; cargo build --release"
            sys.exit(f"bench: there is no {path}{hint}")
        setattr(options, name, path)
    options.out = options.out.absolute()
    return options


def machine(options):
    # Importing them also brings their files into memory, so that the first turn is not slower than the others.
    packages = """
import importlib.metadata as m, json
import duckdb, pandas, polars, pyarrow.parquet, sklearn.cluster
print(json.dumps({p: m.version(p) for p in %r}))"""
    names = ["pandas", "polars", "duckdb", "scikit-learn", "numpy", "pyarrow"]
    answer = subprocess.run([options.python, "-c", packages % names], stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        sys.exit(f"bench: {options.python} lacks the peers' packages (bench/requirements.txt)")
    model = re.search(r"model name\s*:\s*(.*)", read_text("/proc/cpuinfo"))
    return {
        "cores": os.cpu_count(),
        "cpu": model.group(1) if model else platform.machine(),
        "system": platform.platform(),
        "python": subprocess.check_output([options.python, "--version"], text=True).split()[-1],
        "packages": json.loads(answer.stdout),
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def measure_size(factor, options):
    """Let all contenders take turns on the file repeated `factor` times."""
    source = order_file(factor, options)
    lines = warm(source)
    work = options.out / f"x{factor}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    contenders = contenders_for(source, work, options)
    say(f"x{factor}: making the lake that recomputing starts from")
    prepared = run([str(options.batch), "run", "--input", str(source), "--lake", str(work / "lake"), "--json"],
                   work / "lake.log", options)
    for contender in contenders:
        if contender["job"] == RECOMPUTE and "error" in prepared:
            contender["error"] = "no lake: " + prepared["error"]

    for turn in range(1, options.runs + 1):
        for contender in contenders:
            if "error" not in contender:
                take_turn(contender, turn, factor, options)
    for contender in contenders:
        finish(contender)
    compare(contenders)
    shutil.rmtree(work)
    return {"factor": factor, "lines": lines, "bytes": source.stat().st_size, "contenders": contenders}


def contenders_for(source, work, options):
    def peer(job, name, script, given):
        out = work / f"{name}-out"
        return contender(job, name, [options.python, str(script), str(given), str(out)], out)

    def contender(job, name, command, out):
        return {"job": job, "name": name, "command": command, "out": str(out), "runs": []}

    batch, lake, empty = str(options.batch), work / "lake", work / "empty"
    return [
        contender(FROM_CSV, OURS, [batch, "run", "--input", str(source), "--lake", str(empty), "--json"], empty),
        peer(FROM_CSV, "pandas", options.peers / "pandas_rfm.py", source),
        peer(FROM_CSV, "polars", options.peers / "polars_rfm.py", source),
        peer(FROM_CSV, "duckdb", options.peers / "duckdb_rfm.py", source),
        contender(RECOMPUTE, OURS, [batch, "run", "--lake", str(lake), "--json"], work / "none"),
        peer(RECOMPUTE, "polars-lake", ROOT / "bench" / "polars_lake.py", lake),
    ]


def take_turn(contender, turn, factor, options):
    shutil.rmtree(contender["out"], ignore_errors=True)
    os.sync()  # nobody pays for writing back what the one before wrote
    log = Path(contender["out"]).parent / f"{contender['name']}.log"
    figures = run(contender["command"], log, options)
    shutil.rmtree(contender["out"], ignore_errors=True)
    what = f"x{factor}, turn {turn} of {options.runs}: {contender['job']}, {contender['name']}"
    if "error" in figures:
        contender["error"] = figures["error"]
        say(f"{what}: FAILED: {figures['error']}")
        return
    contender["answer"] = figures.pop("answer")
    contender["runs"].append(figures)
    say(f"{what}: {figures['wall_s']:.2f} s, CPU {figures['cpu_s']:.2f} s, {figures['peak_mb']:.0f} MB")


def run(command, log, options):
    """Run to the end: its figures and answer, or the error with the last words of its log."""
    environment = dict(os.environ, PYTHONPATH=str(options.peers), PYTHONDONTWRITEBYTECODE="1")
    with open(log, "wb") as output, open(f"{log}.err", "wb") as errors:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)  # already waited for
    if child.returncode:
        said = read_text(f"{log}.err").strip() or read_text(log).strip()
        return {"error": f"exit code {child.returncode}: {said[-500:]}"}
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    answer = answer_in(read_text(log))
    if answer is None:
        return {"error": f"its output was not understood: {read_text(log)[:200]}"}
    return {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * unit / 1e6,
        "answer": answer,
    }


def answer_in(text):
    """What our JSON or a peer's lines say was computed: the same question is due the same answer. None if unclear."""
    try:
        if text.lstrip().startswith("{"):
            said = json.loads(text)
        else:
            labels = {"customers": "customers", "invoices": "invoices", "revenue": "total monetary"}
            said = {key: re.search(rf"{label}\s+(\S+)", text).group(1) for key, label in labels.items()}
        # Peers add floats: their last decimals depend on the order of the rows.
        return {key: round(float(said[key])) for key in ("customers", "invoices", "revenue")}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def finish(contender):
    if contender["runs"]:
        contender["median"] = {f: statistics.median(r[f] for r in contender["runs"]) for f in FIGURES}


def compare(contenders):
    """Add each one's ratios to the fastest peer of its job, and say who computed something else."""
    for job in (FROM_CSV, RECOMPUTE):
        peers = [c for c in contenders if c["job"] == job and c["name"] != OURS and "median" in c]
        if not peers:
            continue
        best = min(peers, key=lambda c: c["median"]["wall_s"])
        for c in contenders:
            if c["job"] == job and "median" in c:
                c["to_fastest_peer"] = {f: c["median"][f] / best["median"][f] for f in FIGURES}
    answers = [json.dumps(c["answer"]) for c in contenders if "answer" in c]
    usual = statistics.mode(answers) if answers else None
    for c in contenders:
        c["agrees"] = json.dumps(c.get("answer")) == usual


def table(size, runs):
    lines = [
        "",
        f"Online Retail x{size['factor']}: {size['lines']:,} lines, {size['bytes'] / 1e6:,.0f} MB;"
        f" median of {runs} run{'s' if runs > 1 else ''}",
        f"{'':24}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}   {'wall':>6}{'CPU':>7}{'memory':>8}   to the fastest peer",
    ]
    for job in (FROM_CSV, RECOMPUTE):
        lines.append(job)
        for c in (c for c in size["contenders"] if c["job"] == job):
            lines.append(row(c))
    ours = {c["job"]: c["median"]["wall_s"] for c in size["contenders"] if c["name"] == OURS and "median" in c}
    if len(ours) == 2:
        lines.append(f"{OURS}: recomputing is {ours[FROM_CSV] / ours[RECOMPUTE]:.1f} times as fast as from CSV")
    return "\n".join(lines)


def row(c):
    if "median" not in c:
        return f"  {c['name']:22}FAILED: {c.get('error', 'did not run')}"
    figures, ratios = c["median"], c.get("to_fastest_peer")
    text = f"  {c['name']:22}{figures['wall_s']:9.2f}{figures['cpu_s']:9.2f}{figures['peak_mb']:9.0f}"
    if ratios:
        text += f"   {ratios['wall_s']:6.2f}{ratios['cpu_s']:7.2f}{ratios['peak_mb']:8.2f}"
    return text if c["agrees"] else text + f"   OTHER ANSWER: {c['answer']}"


def order_file(factor, options):
    """The order file, or a copy repeated `factor` times by the peers' own script, made once."""
    if factor == 1:
        return options.data
    made = options.out / f"{options.data.stem}_x{factor}.csv"
    if made.exists():
        return made
    needed = options.data.stat().st_size * factor * 2  # the file, and room for the lakes made from it
    free = shutil.disk_usage(options.out).free
    if free < needed:
        sys.exit(f"bench: x{factor} needs {needed / 1e9:.1f} GB in {options.out}, where {free / 1e9:.1f} GB are free")
    say(f"writing {made} (about {max(1, factor // 5)} s)")
    part = made.with_suffix(".part")
    script = options.peers / "replicate.py"
    subprocess.run([options.python, str(script), str(factor), str(options.data), str(part)], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    part.rename(made)
    return made


def warm(path):
    """Read the file once, so that the first contender finds it in memory as the others do; count its lines."""
    lines = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 22):
            lines += block.count(b"\n")
    return lines - 1  # the header


def read_text(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
