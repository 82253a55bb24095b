// What the tests share: a server with the real set behind it, a line to it that can be cut, and Chromium.
//
//   CLIENTELE_BIN=DIR     where batch, data, speed and serving are; ../target/release or ../target/debug
//   CLIENTELE_DATA=DIR    where online_retail.csv is, the real set; ../../shared/data
//   CHROMIUM=FILE         /usr/bin/chromium
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttp, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
export const shots = join(here, "shots");
export const docs = join(root, "docs");
mkdirSync(shots, { recursive: true });

const program = (name) =>
  [process.env.CLIENTELE_BIN, join(root, "target/release"), join(root, "target/debug")]
    .filter(Boolean)
    .map((d) => join(d, name))
    .find((p) => existsSync(p));

const programs = (...names) =>
  names.map((name) => {
    const found = program(name);
    assert.ok(found, `there is no ${name}; build first: cargo build --release --workspace`);
    return found;
  });

const sets = {
  /** The real set in five publications, from the lake alone: every number is known. */
  real: { months: ["2011-07", "2011-09", "2011-11", "2011-12"] },
  /** The real set, with the number of segments chosen by what fits best. */
  auto: { months: [], run: ["--k", "auto"] },
  /** The real set in four publications, and its last days as live orders, as they were. */
  replay: { months: ["2011-07", "2011-09", "2011-11", "2011-12"], live: ["replay", "--rate", "4"] },
  /** The real set, which ends in 2011, and live orders of today. */
  apart: { months: [], live: ["produce", "orders", "--rate", "6"] },
  /** Made-up orders up to yesterday, and more of them live, dated now. */
  made: { live: ["produce", "orders", "--rate", "6"], demo: true },
  /** Live orders for those with a key: `read` may look, `write` may order too. */
  keyed: { live: ["produce", "orders", "--rate", "2"], keys: { read: "look-0123456789abcdef", write: "order-0123456789abcdef" } },
  /** The same with a shop, whose clicks and orders go through the shipped rules. */
  rules: {
    live: ["produce", "orders", "--rate", "2"],
    clicks: ["produce", "clicks", "--shoppers", "400", "--days", "40", "--rate", "25"],
  },
};

const made = (kind) => !sets[kind].months;

/** Starts what the tests look at: one of the sets. Ends with `stop`. */
export async function serve(kind) {
  const set = sets[kind];
  const [batch, serving] = programs("batch", "serving");
  const dir = mkdtempSync(join(tmpdir(), "clientele-web-"));
  const lake = join(dir, "lake");
  const children = [];
  const start = (file, args) => {
    const log = openSync(join(dir, `${basename(file)}-${children.length}.log`), "w");
    children.push(
      spawn(file, args, { stdio: ["ignore", log, log], env: { ...process.env, RUST_LOG: "warn" } }),
    );
  };
  const stop = () => {
    for (const c of children.reverse()) c.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const files = input(kind, dir);
    // A few days alone do not tell whether the month or the day stands first.
    const dates = made(kind) ? [] : ["--date-format", "mdy"];
    for (const file of set.live && kind === "replay" ? files.slice(0, -1) : files) {
      execFileSync(batch, ["run", "--input", file, "--lake", lake, "-q", ...dates, ...(set.run ?? [])]);
    }
    const brokers = set.live ? await liveOrders(kind, dir, lake, files.at(-1), start) : [];
    const port = await free();
    start(serving, [
      "run",
      "--lake",
      lake,
      "--listen",
      `127.0.0.1:${port}`,
      "--currency",
      "GBP",
      ...brokers,
      ...(set.demo ? ["--demo"] : []),
      ...(set.keys ? ["--keys", keyFile(dir, set.keys)] : []),
    ]);
    const url = `http://127.0.0.1:${port}`;
    await until(async () => (await fetch(`${url}/readyz`)).ok, 60_000, "serving");
    const compiledIn = (await (await fetch(url)).text()).includes('id="app"');
    const to = compiledIn ? new URL(url) : await front(url);
    return { ...(await line(to, stop)), dir, rules: join(dir, "rules"), keys: set.keys };
  } catch (error) {
    stop();
    throw error;
  }
}

/** Publishes once more, what the lake has. */
export const recompute = (server) =>
  execFileSync(programs("batch")[0], ["run", "--lake", join(server.dir, "lake"), "-q"]);

/** Writes the keys that are good from now on: scope and key. */
export function keyFile(dir, keys) {
  const file = join(dir, "keys");
  const lines = Object.entries(keys).map(([scope, key]) => `${scope}er ${scope} ${key}`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/** The order files of a set: made up, or cut before each of its months. */
function input(kind, dir) {
  const file = join(dir, "orders.csv");
  if (made(kind)) {
    const day = (n) => new Date(Date.now() - n * 86_400_000).toISOString().slice(0, 10);
    execFileSync(programs("data")[0], [
      "generate",
      "orders",
      "--output",
      file,
      "--from",
      day(366),
      "--to",
      day(1),
    ]);
    return [file];
  }
  const data = process.env.CLIENTELE_DATA ?? join(root, "..", "shared/data");
  const source = join(data, "online_retail.csv");
  const { months } = sets[kind];
  const [head, ...lines] = readFileSync(source, "latin1").split("\n");
  const parts = Array.from({ length: months.length + 1 }, () => [head]);
  for (const line of lines) {
    const at = line.match(/,(\d+)\/\d+\/(\d{4}) \d+:\d+,/);
    if (!at) continue;
    const month = `${at[2]}-${at[1].padStart(2, "0")}`;
    parts[months.filter((m) => month >= m).length].push(line);
  }
  return parts.map((part, i) => {
    const file = join(dir, `orders-${i + 1}.csv`);
    writeFileSync(file, part.join("\n"), "latin1");
    return file;
  });
}

async function liveOrders(kind, dir, lake, file, start) {
  const [data, speed] = programs("data", "speed");
  const address = join(dir, "broker");
  start(data, ["broker", "--address-file", address]);
  await until(() => readFileSync(address, "utf8").length > 0, 20_000, "the broker");
  const brokers = ["--brokers", readFileSync(address, "utf8").trim()];
  const { live, clicks } = sets[kind];
  const rules = join(dir, "rules");
  if (clicks) cpSync(join(root, "rules/shipped"), rules, { recursive: true });
  start(speed, [
    "run",
    "--lake",
    lake,
    "--delivery",
    "at-least-once",
    ...brokers,
    ...(clicks ? ["--rules", rules] : []),
  ]);
  await new Promise((r) => setTimeout(r, 3000));
  start(data, [...live, ...brokers, ...(kind === "replay" ? [file, "--date-format", "mdy"] : [])]);
  if (clicks) start(data, [...clicks, ...brokers]);
  return brokers;
}

/** The dashboard as it is built now, before a `serving` that was compiled without it, under the same headers. */
async function front(api) {
  const dist = join(here, "../dist");
  const policy = (await fetch(api)).headers.get("content-security-policy");
  const types = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
  };
  const server = createHttp((req, res) => {
    if (/^\/(api|docs)\b/.test(req.url)) {
      const far = request(api + req.url, { method: req.method, headers: req.headers }, (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.pipe(res);
      });
      far.on("error", () => res.destroy());
      res.on("close", () => far.destroy());
      return req.pipe(far);
    }
    const wanted = join(dist, new URL(req.url, api).pathname);
    const file = existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(dist, "index.html");
    res.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "content-security-policy": policy,
    });
    res.end(readFileSync(file));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  server.unref();
  return new URL(`http://127.0.0.1:${server.address().port}`);
}

/** A line to the server that can be cut and mended. */
async function line(to, stop) {
  const sockets = new Set();
  let whole = true;
  const proxy = createServer((socket) => {
    if (!whole) return socket.destroy();
    const far = connect(Number(to.port), to.hostname);
    for (const s of [socket, far]) {
      sockets.add(s);
      s.on("error", () => {});
      s.on("close", () => sockets.delete(s));
    }
    socket.on("close", () => far.destroy());
    far.on("close", () => socket.destroy());
    socket.pipe(far);
    far.pipe(socket);
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    cut() {
      whole = false;
      for (const s of sockets) s.destroy();
    },
    mend() {
      whole = true;
    },
    stop() {
      this.cut();
      proxy.close();
      stop();
    },
  };
}

async function free() {
  const s = createServer();
  await new Promise((done) => s.listen(0, "127.0.0.1", done));
  const { port } = s.address();
  await new Promise((done) => s.close(done));
  return port;
}

async function attempt(holds) {
  try {
    return await holds();
  } catch {
    return false;
  }
}

export async function until(holds, limit = 30_000, what = "it") {
  const end = Date.now() + limit;
  for (;;) {
    if (await attempt(holds)) return;
    assert.ok(Date.now() < end, `${what} did not come within ${limit} ms`);
    await new Promise((r) => setTimeout(r, 100));
  }
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--force-color-profile=srgb", "--font-render-hinting=none"],
  });
}

/** A page that notes what must not happen: errors on the console, exceptions, requests to elsewhere. */
export async function open(
  browser,
  url,
  path,
  { width = 1440, height = 900, theme = "light", still = false, allow, before } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    locale: "en-GB",
    reducedMotion: still ? "reduce" : "no-preference",
  });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (m) => {
    if (m.type() === "error" && !allow?.test(m.text())) wrong.push(m.text());
  });
  page.on("pageerror", (e) => wrong.push(`exception: ${e.stack ?? e.message}`));
  page.on("request", (r) => {
    const { origin, protocol } = new URL(r.url());
    if (origin !== url && protocol !== "data:") wrong.push(`request to elsewhere: ${r.url()}`);
  });
  await before?.(page);
  await page.goto(url + path);
  return { page, wrong, close: () => context.close() };
}

/** Waits until nothing is loading and charts are drawn. */
export async function settled(page) {
  await page.waitForSelector("main h1");
  await page.waitForFunction(() => !document.querySelector("main .bone, main [aria-busy=true]"), null, {
    timeout: 20_000,
  });
  await page.waitForFunction(
    () => [...document.querySelectorAll(".chart")].every((c) => c.querySelector("canvas")),
    null,
    { timeout: 20_000 },
  );
  await page.waitForTimeout(450);
}

/** A page scrolls as far as its content goes: not sideways, and not into emptiness below. */
export async function noStrayScroll(page, what) {
  const [aside, below] = await page.evaluate(() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    const end = document.querySelector("main").getBoundingClientRect().bottom + window.scrollY;
    return [scrollWidth - window.innerWidth, Math.floor(scrollHeight - Math.max(end, window.innerHeight))];
  });
  assert.ok(aside <= 0, `${what} scrolls sideways by ${aside} px`);
  assert.ok(below <= 0, `${what} scrolls ${below} px into emptiness`);
}

export async function accessible(page, what) {
  // Rows that fade in have no contrast yet.
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.waitForTimeout(100);
  const found = await new AxeBuilder({ page }).analyze();
  const serious = found.violations.filter((v) => ["serious", "critical"].includes(v.impact));
  const text = serious.map(
    (v) =>
      `${v.id} (${v.impact}): ${v.nodes
        .slice(0, 4)
        .map((n) => `${n.target} ${n.failureSummary}`)
        .join("; ")}`,
  );
  assert.deepEqual(text, [], what);
}

/** Tells a figure. It is judged where nothing else runs, by `./just bench web`: other tests share their cores. */
export function figure(text, ...asked) {
  console.log(`# ${text}`);
  if (process.env.MEASURE) assert.ok(asked.every(Boolean), text);
}

export const quiet = (wrong, what) => assert.deepEqual(wrong, [], what);
