// A file that ends in 2011 and orders of today: the years between are not worth the room.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, quiet, serve, settled, shots, until } from "./support.mjs";

let server;
let browser;
before(async () => {
  server = await serve("apart");
  browser = await launch();
  const orders = async () => (await (await fetch(`${server.url}/api/v1/overview`)).json()).orders;
  await until(async () => (await orders()) > 18_560, 60_000, "live orders");
});
after(async () => {
  await browser?.close();
  server?.stop();
});

async function seen(path, name, check) {
  for (const size of [
    { width: 1440, theme: "light" },
    { width: 360, height: 800, theme: "dark" },
  ]) {
    const { page, wrong, close } = await open(browser, server.url, path, size);
    await settled(page);
    await check(page);
    await page.screenshot({ path: join(shots, `apart-${name}-${size.width}.png`), fullPage: true });
    quiet(wrong, name);
    await close();
  }
}

test("revenue over time leaves them out, and says so", () =>
  seen("/?table=segments", "overview", async (page) => {
    await page.waitForSelector("text=a year and more without an order is left out");
    const asked = `${server.url}/api/v1/revenue?by=week&most=160&skip_gaps=true`;
    const { by, points } = await (await fetch(asked)).json();
    assert.equal(by, "week");
    assert.ok(points.length < 60, `${points.length}`);
  }));

test("cohorts have a column for each month in which somebody ordered", () =>
  seen("/history", "history", async (page) => {
    const columns = await page.locator("section:has(#cohorts-title) thead th").count();
    assert.ok(columns >= 12 && columns <= 15, `${columns}`);
  }));

test("dots leave a gap on the axis of recency", () =>
  seen("/customers", "customers", async (page) => {
    assert.equal(await page.locator("path.break").count(), 1);
  }));

test("a customer whom only time has moved is told so", () =>
  seen("/customers/12347", "customer", async (page) => {
    await page.waitForSelector("h2:has-text('Time has moved this customer')");
    assert.match(await page.locator(".compare td.new").first().textContent(), /./);
  }));
