// Segments, scores and alerts by rules, as clicks and orders of a shop come in.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  accessible,
  figure,
  launch,
  noStrayScroll,
  open,
  quiet,
  serve,
  settled,
  shots,
  until,
} from "./support.mjs";

let server;
let browser;
before(async () => {
  server = await serve("rules");
  browser = await launch();
  await until(async () => (await api("/rule-segments")).customers > 300, 90_000, "the shop");
  await until(async () => (await api("/alerts?limit=1")).items.length > 0, 90_000, "an alert");
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const api = async (path) => (await fetch(`${server.url}/api/v1${path}`)).json();
/** Who has clicked may not have ordered yet: then the API has no such customer, and Chromium speaks of it. */
const allow = /status of 404/;
const looks = [
  { width: 1440, height: 900, theme: "light" },
  { width: 1440, height: 900, theme: "dark" },
  { width: 768, height: 1024, theme: "light" },
  { width: 360, height: 800, theme: "dark" },
];

async function pages() {
  const { segments } = await api("/rule-segments");
  const largest = segments.reduce((a, b) => (b.customers > a.customers ? b : a)).name;
  const [alert] = (await api("/alerts?limit=1")).items;
  return {
    rules: "/rules",
    "rules-tables": "/rules?table=rule-segments,moves",
    "rule-segment": `/rules/${largest}`,
    alerts: "/alerts",
    "alerts-none": "/alerts?severity=critical&customer=nobody",
    "rules-customer": `/customers/${alert.customer_id}`,
  };
}

test("every page, light and dark, wide and narrow", async () => {
  for (const [name, path] of Object.entries(await pages())) {
    for (const look of looks) {
      const what = `${name}-${look.width}-${look.theme}`;
      const { page, wrong, close } = await open(browser, server.url, path, { ...look, allow });
      await settled(page);
      await noStrayScroll(page, what);
      await page.screenshot({ path: join(shots, `${what}.png`), fullPage: true });
      await accessible(page, what);
      quiet(wrong, what);
      await close();
    }
  }
});

test("counts follow the stream, and a segment leads to its customers", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/rules", { allow });
  await settled(page);
  const counts = () => page.locator("section:has(#rule-segments-title) .value b").allTextContents();
  const before = await counts();
  assert.ok(before.length >= 5, `${before}`);
  await until(async () => `${await counts()}` !== `${before}`, 60_000, "another count");
  await page.waitForSelector("ol.changes li");
  const bar = page.locator("section:has(#rule-segments-title) a.row").last();
  const [name, count] = [await bar.locator(".name").textContent(), await bar.locator("b").textContent()];
  await bar.click();
  await page.waitForSelector(`h1:has-text("${name}")`);
  await settled(page);
  const told = Number((await page.textContent("#members-title")).replace(/\D/g, ""));
  assert.ok(Math.abs(told - Number(count.replace(/\D/g, ""))) < 20, `${told} against ${count}`);
  await page.locator("tbody a").first().click();
  await page.waitForSelector("#rules-title");
  assert.match(await page.textContent("#rules-title"), new RegExp(name));
  quiet(wrong, "rules");
  await close();
});

test("customers of a segment are sorted by what the rules measure", async () => {
  const [largest] = (await api("/rule-segments")).segments.sort((a, b) => b.customers - a.customers);
  const { page, close } = await open(browser, server.url, `/rules/${largest.name}?sort=-views`);
  await settled(page);
  const heads = await page.locator("thead th").allTextContents();
  const at = heads.findIndex((h) => h.startsWith("Views"));
  const views = (await page.locator(`tbody tr td:nth-child(${at + 1})`).allTextContents())
    .slice(0, 20)
    .map((text) => Number(text.replace(/\D/g, "") || -1));
  assert.deepEqual(
    views,
    [...views].sort((a, b) => b - a),
  );
  await close();
});

test("measured: an alert is seen within a second of the event that caused it", async () => {
  const { page, close } = await open(browser, server.url, "/alerts?severity=info");
  await settled(page);
  await page.mouse.move(5, 300);
  const delays = await page.evaluate(
    () =>
      new Promise((done) => {
        const known = new Set();
        const rows = () => [...document.querySelectorAll("ol.alerts > li > details > summary > time")];
        for (const row of rows()) known.add(row);
        const found = [];
        const timer = setTimeout(() => done(found), 60_000);
        new MutationObserver(() => {
          for (const row of rows()) {
            if (known.has(row)) continue;
            known.add(row);
            found.push(Date.now() - Date.parse(row.dateTime));
          }
          if (found.length >= 12) {
            clearTimeout(timer);
            done(found);
          }
        }).observe(document.querySelector("main"), { childList: true, subtree: true });
      }),
  );
  delays.sort((a, b) => a - b);
  assert.ok(delays.length >= 5, `only ${delays.length} alerts came`);
  figure(`from event to screen, in ms: ${delays}`, delays[Math.floor(delays.length / 2)] < 1000);
  await close();
});

test("alerts are filtered by the address, opened by a key, and wait while paused", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/alerts", { allow });
  await settled(page);
  await page.selectOption("select >> nth=0", "info");
  await until(() => page.url().includes("severity=info"));
  await settled(page);
  const summary = page.locator("ol.alerts summary").first();
  await summary.focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("ol.alerts details[open] ol.stages b");
  await page.click("button:has-text('Pause')");
  const first = await page.locator("ol.alerts > li").first().textContent();
  await page.waitForSelector("button:has-text('Go on (')", { timeout: 60_000 });
  assert.equal(await page.locator("ol.alerts > li").first().textContent(), first);
  await page.click("button:has-text('Go on')");
  await until(async () => (await page.locator("ol.alerts > li").first().textContent()) !== first, 10_000);
  await page.locator("ol.alerts .who a").first().click();
  await page.waitForSelector("h1:has-text('Customer')");
  await page.waitForSelector("#alerts-title");
  quiet(wrong, "alerts");
  await close();
});

test("the live page has alerts too, newest first, of one customer where one is asked for", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/live");
  await settled(page);
  const card = page.locator("section:has(#alerts-title)");
  await card.locator("ol.alerts > li").nth(3).waitFor();
  const times = await card.locator("summary > time").evaluateAll((all) => all.map((t) => Date.parse(t.dateTime)));
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a),
  );
  const before = await card.locator("ol.alerts > li").first().textContent();
  await until(async () => (await card.locator("ol.alerts > li").first().textContent()) !== before, 30_000, "an alert");
  await card.locator("ol.alerts").hover();
  await page.waitForSelector("text=Paused while you point at it");
  const id = await card.locator(".who a").first().textContent();
  await page.fill("input[placeholder=any]", id);
  await page.keyboard.press("Enter");
  await until(async () => {
    const ids = await card.locator(".who a").allTextContents();
    return ids.length > 0 && ids.every((i) => i === id);
  });
  await card.locator("text=All alerts").click();
  await until(() => page.url().endsWith(`/alerts?customer=${id}`));
  quiet(wrong, "live alerts");
  await close();
});

test("the tab of the page is in view where there is no room for all", async () => {
  for (const path of ["/alerts", "/rules", "/history", "/quality"]) {
    const { page, close } = await open(browser, server.url, path, { width: 360, height: 800 });
    await settled(page);
    await page.waitForSelector("nav [aria-current]");
    const room = await page.evaluate(() => {
      const [all, one] = ["nav", "nav [aria-current]"].map((s) => document.querySelector(s).getBoundingClientRect());
      return Math.min(one.left - all.left, all.right - one.right);
    });
    assert.ok(room >= 0, `${path}: ${room} px out of view`);
    assert.equal(await page.evaluate(() => window.scrollY), 0);
    await close();
  }
});

test("refused rules are told on every page, with file and line, until they are mended", async () => {
  const file = join(server.rules, "scores.toml");
  const good = readFileSync(file, "utf8");
  const { page, wrong, close } = await open(browser, server.url, "/");
  await settled(page);
  writeFileSync(file, good.replace('from = "clickstream"', 'from = "clicks"'));
  await page.waitForSelector(".notice:has-text('refused')", { timeout: 15_000 });
  await page.click(".notice >> text=What to mend");
  await page.waitForSelector("#refused");
  assert.match(await page.textContent("section:has(#refused)"), /scores\.toml:\d+/);
  await page.screenshot({ path: join(shots, "rules-refused.png"), fullPage: true });
  await accessible(page, "refused rules");
  writeFileSync(file, good);
  await until(async () => (await page.locator("#refused").count()) === 0, 15_000, "the mended rules");
  quiet(wrong, "refused");
  await close();
});
