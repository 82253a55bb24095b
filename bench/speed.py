"""Measures speed beside Kafka Streams, on one broker on this machine: throughput, latency, and the start with much state.

speed.py [--peer DIR] [--quick]. The peer is a folder with Join.java and pom.xml (Kafka Streams, exactly_once_v2); without it
only ours is measured. Processor seconds are those of the application's process, the broker's are not counted.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CUSTOMERS, INVOICES, LINES = 1_000_000, 4_000_000, 2_034_145
STATE = 900_000
TICKS = os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description="Measure speed beside Kafka Streams.")
    parser.add_argument("--peer", type=Path, help="folder with Join.java and pom.xml")
    parser.add_argument("--data", type=Path, help="online_retail.csv, which the topic is filled with")
    parser.add_argument("--runs", type=int, default=3, help="turns; medians count (3)")
    parser.add_argument("--seconds", type=int, default=40, help="of each latency run (40)")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    parser.add_argument("--binaries", type=Path, default=target)
    parser.add_argument("--only", choices=["throughput", "latency", "restore"], help="measure this alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Bench(options, Path(folder)).run()


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder, self.count = options, folder, 0
        self.results = {}

    def run(self):
        broker = Peer([self.options.binaries / "kafka", "--port", str(free_port())], "kafka")
        try:
            self.brokers = broker.expect(r"listens on (\S+:\d+)")
            say(f"kafka on {self.brokers}")
            self.lake = self.folder / "lake"
            self.tell("base", "make", self.lake, CUSTOMERS, INVOICES)
            if self.options.peer:
                self.compile_peer()
                self.java("gen", self.brokers, self.options.data, 5, CUSTOMERS)
            for part in [self.throughput, self.latency, self.restore]:
                if self.options.only in (None, part.__name__):
                    part()
            print(json.dumps(self.results, indent=1))
        finally:
            broker.send_signal(signal.SIGINT)
            broker.wait(20)

    # What is measured.

    def throughput(self):
        kinds = {"ours": self.ours, "ours with archive": lambda topic, lines: self.ours(topic, lines, archive=True)}
        if self.options.peer:
            kinds["streams, RocksDB"] = lambda topic, lines: self.streams(topic, lines, False)
            kinds["streams, in memory"] = lambda topic, lines: self.streams(topic, lines, True)
            topic = "ks-orders"
        else:
            topic = self.topic("throughput")
            self.tell("latency", self.brokers, topic, "-", 0, 0, LINES)
        taken = {kind: [] for kind in kinds}
        for turn in range(self.options.runs):
            for kind, run in kinds.items():
                taken[kind].append(run(topic, LINES))
                say(f"turn {turn + 1}, {kind}: {taken[kind][-1]}")
        self.results["throughput"] = {
            kind: {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
            for kind, runs in taken.items()
        }

    def latency(self):
        found = self.results["latency"] = {}
        for rate in (10_000, 1_000):
            topic = self.topic(f"lat-{rate}")
            with self.speed(topic) as ours:
                ours.wait_ready()
                time.sleep(3)
                found[f"ours, {rate}/s"] = self.measure_latency(topic, ours.enriched, rate)
            if self.options.peer:
                topic = self.topic(f"ks-lat-{rate}")
                app = self.start_streams(topic, 0, False, stay=True)
                time.sleep(12)
                found[f"streams, {rate}/s"] = self.measure_latency(topic, "ks-enriched", rate)
                stop(app)
            say(str(found))

    def restore(self):
        found = self.results["restore"] = {}
        topic = self.topic("restore")
        self.tell("latency", self.brokers, topic, "-", 0, 0, STATE)
        with self.speed(topic) as ours:
            ours.wait_records(STATE)
            time.sleep(2)
        self.tell("latency", self.brokers, topic, "-", 0, 0, 1000)
        first, all_shards = [], []
        for _ in range(self.options.runs):
            begin = time.monotonic()
            with self.speed(topic, again=ours) as again:
                again.wait_records(1)
                first.append(time.monotonic() - begin)
                again.wait_ready()
                all_shards.append(time.monotonic() - begin)
                time.sleep(1)
                memory = again.peak()
            self.tell("latency", self.brokers, topic, "-", 0, 0, 1000)
        median = lambda took: round(statistics.median(took), 2)
        found["ours"] = {"seconds": median(first), "until all is restored": median(all_shards), "MB": memory}
        if self.options.peer:
            state = self.folder / "ks-restore"
            app = self.start_streams(topic, STATE + 1000, False, state=state)
            app.wait()
            shutil.rmtree(state)
            # It does not leave the group: until its session is over nobody else is given anything.
            time.sleep(50)
            again = self.start_streams(topic, 0, False, stay=True, state=state, app=app.name)
            found["streams"] = {"seconds": float(again.expect(r"RUNNING after ([0-9.]+)s"))}
            stop(again)
        say(str(found))

    # Ours.

    def ours(self, topic, lines, archive=False):
        with self.speed(topic, archive=archive) as ours:
            ours.wait_records(1)
            first, cpu, begun = ours.records(), ours.cpu(), time.monotonic()
            ours.wait_records(lines)
            wall, used, done = time.monotonic() - begun, ours.cpu() - cpu, ours.records() - first
            return {"events/s": done / wall, "us/event": used * 1e6 / done, "MB": ours.peak()}

    def speed(self, topic, archive=False, again=None):
        return Speed(self, topic, archive, again)

    def measure_latency(self, topic, output, rate):
        return json.loads(self.tell("latency", self.brokers, topic, output, rate, self.options.seconds, STATE))

    def topic(self, name):
        self.count += 1
        name = f"{name}-{self.count}"
        self.admin("--create", "--topic", name, "--partitions", "4")
        return name

    # The peer.

    def compile_peer(self):
        self.libs = self.folder / "peer"
        shutil.copytree(self.options.peer, self.libs)
        mvn = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={self.libs}/libs", "-DincludeScope=runtime"]
        subprocess.run(mvn, cwd=self.libs, check=True)
        subprocess.run(["javac", "-cp", f"{self.libs}/libs/*", "-d", self.libs, self.libs / "Join.java"], check=True)

    def java(self, *arguments):
        command = ["java", "-Xmx3g", "-cp", f"{self.libs}:{self.libs}/libs/*", "Join", *map(str, arguments)]
        subprocess.run(command, check=True, stdout=sys.stderr)

    def streams(self, topic, lines, memory):
        app = self.start_streams(topic, lines, memory)
        figures = app.expect(r"KS rfm .*? (\d+)/s cpu=\S+ ([0-9.]+)us/event rss=(\d+)")
        app.wait()
        return {"events/s": float(figures[0]), "us/event": float(figures[1]), "MB": int(figures[2]) / 1024}

    def start_streams(self, topic, lines, memory, stay=False, state=None, app=None):
        self.count += 1
        name = app or f"app-{self.count}"
        state = state or self.folder / f"state-{self.count}"
        command = ["java", "-Xmx3g", f"-Dstate.dir={state}", f"-Dmem={str(memory).lower()}", f"-Dstay={str(stay).lower()}"]
        command += ["-cp", f"{self.libs}:{self.libs}/libs/*", "Join", "run", self.brokers, name, "2", "100", "rfm", str(lines), topic]
        return Peer(command, name)

    def admin(self, *arguments):
        libraries = os.environ["CLIENTELE_KAFKA"]
        command = ["java", "-cp", f"{libraries}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.brokers, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def tell(self, program, *arguments):
        command = [self.options.binaries / program, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Speed:
    """One process of ours, with topics of its own."""

    def __init__(self, bench, topic, archive, again):
        bench.count += 1
        self.name = again.name if again else f"ours-{bench.count}"
        self.enriched = f"{self.name}-enriched"
        self.config = bench.folder / f"{self.name}.toml"
        self.config.write_text(
            f"""[topics]
orders = "{topic}"
orders_by_customer = "{self.name}-by-customer"
orders_enriched = "{self.enriched}"
customer_state = "{self.name}-state"
segment_changes = "{self.name}-changes"
"""
        )
        lake = bench.lake
        if archive:
            lake = bench.folder / f"lake-{self.name}"
            shutil.copytree(bench.lake, lake)
        self.port = 9700 + bench.count
        command = [bench.options.binaries / "speed", "run", "--brokers", bench.brokers, "--lake", lake, "--config", self.config]
        command += ["--group", self.name, "--listen", f"127.0.0.1:{self.port}", "--quiet"] + ([] if archive else ["--no-archive"])
        self.process = subprocess.Popen(list(map(str, command)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process)

    def metric(self, name):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=1) as page:
                found = re.search(rf"^clientele_speed_{name} ([0-9.]+)", page.read().decode(), re.M)
                return float(found.group(1)) if found else 0
        except OSError:
            return 0

    def records(self):
        return self.metric("records_total")

    def wait_ready(self):
        while self.metric("shards") < 4:
            time.sleep(0.05)

    def wait_records(self, count):
        while self.records() < count:
            if self.process.poll() is not None:
                sys.exit("bench: speed ended")
            time.sleep(0.02)

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024


class Peer(subprocess.Popen):
    def __init__(self, command, name):
        super().__init__(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.name = name

    def expect(self, pattern):
        for line in self.stdout:
            found = re.search(pattern, line)
            if found:
                return found.groups() if len(found.groups()) > 1 else found.group(1)
        sys.exit(f"bench: the peer never said {pattern}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
