"""Measures serving: start and memory with a million customers, lookups on one core, judging everybody again, clients of the
live feed.

    bench/serving.py [--customers 1000000] [--clients 2000] [--seconds 10] [--turns 3]

What is live needs Kafka ($CLIENTELE_KAFKA, as `./just kafka` installs it); it is left out where there is none.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
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


def seconds_of_cpu(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Serving:
    """serving on one core; what it prints last is its address. What it logs goes into a file, if one is given."""

    def __init__(self, lake, *arguments, log=None):
        since = time.monotonic()
        quiet = [] if log else ["--quiet"]
        command = pinned(0, BIN / "serving", "run", *quiet, "--lake", lake, "--listen", "127.0.0.1:0", *arguments)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
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


@contextmanager
def answering():
    """A server that only answers, on the core of the measured one: how long this machine takes for that."""
    with running(*pinned(0, BIN / "load", "answer"), stdout=subprocess.PIPE, text=True) as process:
        yield re.search(r"on (\S+)", process.stdout.readline())[1]


def lookups(lake, wishes):
    with Serving(lake) as serving:
        print(f"start with {wishes.customers} customers: {serving.start:.2f} s, {memory(serving.process, 'VmRSS')} MiB "
              f"({memory(serving.process, 'VmHWM')} MiB at most)")
        common = ("lookup", serving.address, wishes.customers)
        load(*common, 8, 2)
        for _ in range(wishes.turns):
            before = seconds_of_cpu(serving.process)
            told = load(*common, 16, wishes.seconds)
            # What one costs holds on a busy machine too.
            cost = (seconds_of_cpu(serving.process) - before) / (int(told.split()[0]) * wishes.seconds)
            print(f"as fast as they go, 16 connections: {told}; {cost * 1e6:.1f} µs of CPU each", flush=True)
        with answering() as floor:
            for name, address in [("at 10,000/s, 32 connections", serving.address), ("a server that only answers", floor)] * wishes.turns:
                print(f"{name}:", load("lookup", address, wishes.customers, 32, wishes.seconds, 10_000), flush=True)
        print(f"afterwards: {memory(serving.process, 'VmRSS')} MiB")


def reference_time(lake, folder, brokers, wishes):
    """An order of today in a lake whose orders ended long ago: everybody is judged again."""
    log = Path(folder) / "serving.log"
    with log.open("w") as file, Serving(lake, "--brokers", brokers, log=file) as serving:
        time.sleep(3)
        order = {"invoice": "1", "stock_code": "A", "quantity": 1, "unit_price": 1, "customer_id": "10000",
                 "ordered_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        headers = {"content-type": "application/json"}
        address = f"http://{serving.address}/api/v1/orders"
        urllib.request.urlopen(urllib.request.Request(address, json.dumps(order).encode(), headers)).close()
        for _ in range(300):
            found = re.search(r"judged at a new reference time.*?ms=(\d+)", log.read_text())
            if found:
                print(f"{wishes.customers} customers judged at a new reference time: {found[1]} ms")
                return
            time.sleep(0.1)
    raise SystemExit("nobody was judged again: " + log.read_text())


def feed(folder, brokers, wishes):
    lake, orders = Path(folder) / "live", Path(folder) / "orders.csv"
    subprocess.run([BIN / "data", "generate", "orders", "--lines", "20000", "--output", orders], check=True, capture_output=True)
    subprocess.run([BIN / "batch", "run", "--quiet", "--input", orders, "--lake", lake], check=True, capture_output=True)
    with speed(lake, brokers), Serving(lake, "--brokers", brokers) as serving:
        time.sleep(3)
        produce = subprocess.Popen([BIN / "data", "produce", "orders", "--quiet", "--brokers", brokers, "--rate", "100"])
        try:
            time.sleep(2)
            print("live feed at 100 orders/s:", load("feed", serving.address, wishes.clients, wishes.seconds * 2))
            print(f"with {wishes.clients} clients: {memory(serving.process, 'VmHWM')} MiB at most")
        finally:
            produce.terminate()
            produce.wait()


@contextmanager
def running(*command, **options):
    process = subprocess.Popen([str(word) for word in command], **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def speed(lake, brokers):
    with running(BIN / "speed", "run", "--quiet", "--listen", "off", "--brokers", brokers, "--lake", lake):
        time.sleep(5)
        yield


@contextmanager
def kafka(port):
    with running(BIN / "kafka", "--port", port, stdout=subprocess.PIPE, text=True) as process:
        told = (re.search(r"(\d+\.\d+\.\d+\.\d+:\d+)", line) for line in process.stdout)
        yield next(found[1] for found in told if found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "many"
        subprocess.run([BIN / "base", "make", lake, str(wishes.customers), str(wishes.customers * 4)], check=True)
        lookups(lake, wishes)
        if "CLIENTELE_KAFKA" not in os.environ:
            print("what is live: left out, there is no Kafka ($CLIENTELE_KAFKA)")
            return
        with kafka(39192) as brokers, speed(lake, brokers):
            reference_time(lake, folder, brokers, wishes)
        with kafka(39193) as brokers:
            feed(folder, brokers, wishes)


if __name__ == "__main__":
    main()
