// What the tests share: a server with the real set behind it, a line to it that can be cut, and Chromium.
//
//   CLIENTELE_WEB=http://127.0.0.1:8080   test a server that runs already
//   CLIENTELE_BIN=DIR                     where batch (and serving) are; ../target/release or ../target/debug
//   CLIENTELE_DATA=FILE                   the orders; ../../shared/data/online_retail.csv
//   CHROMIUM=FILE                         /usr/bin/chromium
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

/** Starts what the tests look at; `alone` without live orders. Ends with `stop`. */
export async function serve({ alone = false } = {}) {
  if (process.env.CLIENTELE_WEB) return line(new URL(process.env.CLIENTELE_WEB), () => {});
  const batch = program("batch");
  assert.ok(batch, "build first: cargo build --release --package batch");
  const data = process.env.CLIENTELE_DATA ?? join(root, "..", "shared/data/online_retail.csv");
  const dir = mkdtempSync(join(tmpdir(), "clientele-web-"));
  const lake = join(dir, "lake");
  execFileSync(batch, ["run", "--input", data, "--lake", lake, "-q"]);
  execFileSync(batch, ["run", "--lake", lake, "-q", "--seed", "7"]);
  const port = await free();
  const child = spawn(
    process.execPath,
    [
      join(here, "../mock/server.mjs"),
      "--batch",
      batch,
      "--lake",
      lake,
      "--port",
      `${port}`,
      ...(alone ? ["--no-broker"] : []),
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const url = new URL(`http://127.0.0.1:${port}`);
  await until(async () => (await fetch(url)).ok, 60_000, "the server");
  return line(url, () => {
    child.kill();
    rmSync(dir, { recursive: true, force: true });
  });
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

export async function until(holds, limit = 10_000, what = "it") {
  const end = Date.now() + limit;
  for (;;) {
    if (await Promise.resolve(holds()).catch(() => false)) return;
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

export async function noSidewaysScroll(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `${what} scrolls sideways by ${over} px`);
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

export const quiet = (wrong, what) => assert.deepEqual(wrong, [], what);
