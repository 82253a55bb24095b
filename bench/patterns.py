"""Measures patterns beside Flink CEP, conditions of rules, and clicks through speed, exactly once, on a broker of this machine.

patterns.py --data clickstream_2019_10_01.csv [--peer DIR] [--quick]. The peer is a folder with Bench.java and pom.xml; without it
only ours is measured. The file is repeated, each copy later and with users and sessions of its own. Processor seconds and
memory are those of the whole process. Alerts are compared line by line, whatever their order.
"""
import argparse
import csv
import hashlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import speed
from speed import Peer, free_port, say

ROOT = Path(__file__).resolve().parent
PATTERNS = ["p1", "p2", "p3", "p4", "p5"]
# How long the file is, rounded up.
SHIFT = timedelta(seconds=10_201)
OPENED = "java.lang java.util java.util.concurrent java.time java.nio sun.nio.ch"


def main():
    parser = argparse.ArgumentParser(description="Measure patterns beside Flink CEP.")
    parser.add_argument("--peer", type=Path, help="folder with Bench.java and pom.xml")
    parser.add_argument("--data", type=Path, required=True, help="clickstream_2019_10_01.csv, which is repeated")
    parser.add_argument("--quick", action="store_true", help="209,208 events instead of 2,004,910, and one turn")
    parser.add_argument("--runs", type=int, default=3, help="turns; medians count (3)")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT.parent / "target")) / "release"
    parser.add_argument("--binaries", type=Path, default=target)
    parser.add_argument("--only", choices=["matching", "conditions", "exactly_once"], help="measure this alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Bench(options, Path(folder)).run()


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.copies = 12 if options.quick else 115
        self.runs = 1 if options.quick else options.runs
        self.results = {}

    def run(self):
        self.events = repeat(self.options.data, self.folder, self.copies)
        say(f"{self.events} clicks")
        for part in [self.matching, self.conditions, self.exactly_once]:
            if self.options.only in (None, part.__name__):
                part()
        print(json.dumps(self.results, indent=1))

    # What is measured.

    def matching(self):
        kinds = {"ours": self.ours}
        if self.options.peer:
            self.compile_peer()
            kinds["flink, 2 threads"] = self.flink
        taken, alerts = {kind: [] for kind in kinds}, {}
        for turn in range(self.runs):
            for kind, run in kinds.items():
                out = self.folder / "alerts"
                shutil.rmtree(out, ignore_errors=True)
                taken[kind].append(run(out))
                alerts[kind] = digests(out)
                say(f"turn {turn + 1}, {kind}: {taken[kind][-1]}")
        found = {kind: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for kind, runs in taken.items()}
        found["alerts"] = {pattern: count for pattern, (count, _) in alerts["ours"].items()}
        if self.options.peer:
            ours, theirs = found["ours"], found["flink, 2 threads"]
            found["peer / ours"] = {key: round(theirs[key] / ours[key], 1) for key in ("us/event", "MB")}
            found["alerts are the same"] = alerts["ours"] == alerts["flink, 2 threads"]
            if not found["alerts are the same"]:
                sys.exit(f"bench: the alerts differ: {alerts}")
        self.results["matching"] = found

    def conditions(self):
        self.results["conditions, M/s on a core"] = float(self.tell("patterns-bench", "conditions"))

    def exactly_once(self):
        broker = Peer([self.options.binaries / "kafka", "--port", str(free_port())], "kafka")
        try:
            self.brokers = broker.expect(r"listens on (\S+:\d+)")
            self.lake = self.folder / "lake"
            self.tell("base", "make", self.lake, 1_000, 4_000)
            self.tell("data", "replay", self.folder / "p1" / "all.csv", "--brokers", self.brokers, "--quiet")
            self.latency()
            kinds = {"shipped patterns": "patterns.toml", "shipped patterns, scores and segments": ""}
            found = self.results["exactly once"] = {}
            for kind, name in kinds.items():
                runs = [self.through_speed(ROOT.parent / "rules" / "shipped" / name) for _ in range(self.runs)]
                found[kind] = {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
                say(f"{kind}: {found[kind]}")
        finally:
            broker.send_signal(signal.SIGINT)
            broker.wait(20)

    def latency(self):
        """From a click to its alert, committed: each view is one, at three rates; at the lowest no other click moves time on."""
        rules = self.folder / "each.toml"
        rules.write_text('[patterns.each]\nkey = "user_id"\non_match = "EACH"\n[[patterns.each.stages]]\nname = "view"\n')
        found = self.results["click to alert, ms"] = {}
        with Speed(self, rules, clicks="live-clicks") as ours:
            ours.wait_ready()
            time.sleep(3)
            for rate in (1, 20, 1_000):
                told = self.tell("latency", self.brokers, "live-clicks", ours.alerts, rate, 15 if self.options.quick else 65, 1_000, "clicks")
                found[f"{rate}/s"] = json.loads(told)
                say(f"latency at {rate}/s: {told.strip()}")
            found["late clicks"] = ours.metric("late_total")

    # Ours.

    def ours(self, out):
        command = [self.options.binaries / "patterns-bench", "match", ROOT / "patterns" / "five.toml", self.folder / "p1" / "all.csv", out]
        return self.usage(command)

    def through_speed(self, rules):
        with Speed(self, rules) as ours:
            ours.wait_records(1)
            first, cpu, begun = ours.records(), ours.cpu(), time.monotonic()
            ours.wait_records(self.events)
            wall, used, done = time.monotonic() - begun, ours.cpu() - cpu, ours.records() - first
            late = ours.metric("late_total")
            if late:
                sys.exit(f"bench: {late} clicks were late")
            return {"events/s": done / wall, "us/event": used * 1e6 / done, "MB": ours.peak()}

    def tell(self, program, *arguments):
        command = [self.options.binaries / program, *map(str, arguments)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    # The peer.

    def compile_peer(self):
        self.classes = self.folder / "peer"
        shutil.copytree(self.options.peer, self.classes)
        mvn = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={self.classes}/libs", "-DincludeScope=runtime"]
        subprocess.run(mvn, cwd=self.classes, check=True)
        sources = sorted(self.classes.glob("*.java"))
        subprocess.run(["javac", "-nowarn", "-cp", f"{self.classes}/libs/*", "-d", self.classes, *sources], check=True)

    def flink(self, out):
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED.split()]
        log = f"-Dlog4j2.configurationFile={self.classes}/log4j2.properties"
        command = ["java", "-Xmx8g", *opened, log, "-cp", f"{self.classes}:{self.classes}/libs/*", "Bench"]
        return self.usage([*command, self.folder / "p2", out, "2", ",".join(PATTERNS), "hashmap", "0"])

    def usage(self, command):
        """Runs it to its end: processor time by event and peak memory, as the kernel counts them."""
        begun = time.monotonic()
        with open(self.folder / "log", "w") as log:
            process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
            _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"bench: {command[0]} failed:\n{(self.folder / 'log').read_text()[-2000:]}")
        wall, cpu = time.monotonic() - begun, used.ru_utime + used.ru_stime
        return {
            "us/event": round(cpu * 1e6 / self.events, 3),
            "MB": used.ru_maxrss // 1024,
            "events/s": round(self.events / wall),
        }


class Speed(speed.Speed):
    """One process of ours with rules, over the clicks of the topic clickstream."""

    def __init__(self, bench, rules, clicks="clickstream"):
        self.port = free_port()
        name = f"ours-{self.port}"
        config = bench.folder / f"{name}.toml"
        topics = ["orders_by_customer", "orders_enriched", "customer_state", "segment_changes", "clickstream_by_user"]
        topics += ["order_events", "order_events_by_user", "rule_state", "rule_segments", "alert_state", "alerts"]
        topics += ["clickstream_by_field", "alert_state_by_field"]
        lines = [f'{topic} = "{name}-{topic}"' for topic in topics]
        config.write_text("\n".join(["[topics]", 'orders = "no-orders"', f'clickstream = "{clicks}"', *lines, ""]))
        self.alerts = f"{name}-alerts"
        command = [bench.options.binaries / "speed", "run", "--brokers", bench.brokers, "--lake", bench.lake, "--config", config]
        command += ["--group", name, "--listen", f"127.0.0.1:{self.port}", "--quiet", "--no-archive", "--rules", rules]
        self.process = subprocess.Popen(list(map(str, command)))


def repeat(source, folder, copies):
    """Writes p1/all.csv and the same split by user into p2; how many clicks there are."""
    with open(source) as file:
        header, *rows = csv.reader(file)
    times = [datetime.strptime(row[0], "%Y-%m-%d %H:%M:%S UTC") for row in rows]
    for name in ("p1", "p2"):
        (folder / name).mkdir()
    one, two = open(folder / "p1" / "all.csv", "w"), [open(folder / "p2" / f"{part}.csv", "w") for part in (0, 1)]
    for file in [one, *two]:
        file.write(",".join(header) + "\n")
    for copy in range(copies):
        for at, row in zip(times, rows):
            user, session = int(row[7]) + copy * 1_000_000_007, row[8]
            session = f"{(int(session[:8], 16) + copy * 0x9E3779B1) & 0xFFFFFFFF:08x}{session[8:]}"
            line = f"{at + SHIFT * copy} UTC,{','.join(row[1:7])},{user},{session}\n"
            one.write(line)
            two[user & 1].write(line)
    for file in [one, *two]:
        file.close()
    return copies * len(rows)


def digests(out):
    """Of each pattern: how many alerts, and a sum over their lines that is the same in any order."""
    found = {}
    for pattern in PATTERNS:
        count, total = 0, 0
        for path in sorted(out.glob(f"{pattern}.*alerts")):
            with open(path, "rb") as lines:
                for line in lines:
                    count += 1
                    total += int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")
        found[pattern] = (count, f"{total % 2**128:032x}")
    return found


if __name__ == "__main__":
    main()
