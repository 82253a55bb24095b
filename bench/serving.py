"""Measures serving: start and memory with a million customers, lookups on one core, clients of the live feed.

    bench/serving.py [--customers 1000000] [--clients 2000] [--seconds 10]

The feed needs Kafka ($CLIENTELE_KAFKA, as `./just kafka` installs it); it is left out where there is none.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def pinned(core, *command):
    """The command on one core, where there are two."""
    words = [str(word) for word in command]
    return ["taskset", "-c", str(core), *words] if (os.cpu_count() or 1) > 1 else words


def memory(process, name):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) // 1024


class Serving:
    """serving on one core; what it prints last is its address."""

    def __init__(self, lake, *arguments):
        since = time.monotonic()
        command = pinned(0, BIN / "serving", "run", "--quiet", "--lake", lake, "--listen", "127.0.0.1:0", *arguments)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.start = time.monotonic() - since
        self.address = re.search(r"http://([^/]+)/", line)[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def load(*arguments):
    done = subprocess.run(pinned(1, BIN / "load", *arguments), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def lookups(folder, wishes):
    lake = Path(folder) / "many"
    subprocess.run([BIN / "base", "make", lake, str(wishes.customers), str(wishes.customers * 4)], check=True)
    with Serving(lake) as serving:
        print(f"start with {wishes.customers} customers: {serving.start:.2f} s, {memory(serving.process, 'VmRSS')} MiB "
              f"({memory(serving.process, 'VmHWM')} MiB at most)")
        common = ("lookup", serving.address, wishes.customers)
        load(*common, 8, 2)
        print("as fast as they go, 16 connections:", load(*common, 16, wishes.seconds))
        print("at 10,000/s, 32 connections:", load(*common, 32, wishes.seconds, 10_000))
        print(f"afterwards: {memory(serving.process, 'VmRSS')} MiB")


def feed(folder, wishes):
    if "CLIENTELE_KAFKA" not in os.environ:
        print("live feed: left out, there is no Kafka ($CLIENTELE_KAFKA)")
        return
    lake, orders = Path(folder) / "live", Path(folder) / "orders.csv"
    subprocess.run([BIN / "data", "generate", "orders", "--lines", "20000", "--output", orders], check=True, capture_output=True)
    subprocess.run([BIN / "batch", "run", "--quiet", "--input", orders, "--lake", lake], check=True, capture_output=True)
    running = []
    try:
        kafka = subprocess.Popen([BIN / "kafka", "--port", "39192"], stdout=subprocess.PIPE, text=True)
        running.append(kafka)
        brokers = re.search(r"(\d+\.\d+\.\d+\.\d+:\d+)", kafka.stdout.readline())[1]
        speed = [BIN / "speed", "run", "--quiet", "--listen", "off", "--brokers", brokers, "--lake", lake]
        running.append(subprocess.Popen(speed))
        time.sleep(5)
        with Serving(lake, "--brokers", brokers) as serving:
            time.sleep(3)
            produce = [BIN / "data", "produce", "orders", "--quiet", "--brokers", brokers, "--rate", "100"]
            running.append(subprocess.Popen(produce))
            time.sleep(2)
            print("live feed at 100 orders/s:", load("feed", serving.address, wishes.clients, wishes.seconds * 2))
            print(f"with {wishes.clients} clients: {memory(serving.process, 'VmHWM')} MiB at most")
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=10)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lookups(folder, wishes)
        feed(folder, wishes)


if __name__ == "__main__":
    main()
