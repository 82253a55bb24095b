// Orders as they arrive, and what is seen when they do not.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible, launch, noStrayScroll, open, quiet, serve, settled, shots, until } from "./support.mjs";

let server;
let browser;
before(async () => {
  server = await serve("made");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const rows = (page) => page.locator("ol.rows li");

test("demo orders show at once, and the figures follow", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/live");
  await settled(page);
  const since = () => page.locator(".tile", { hasText: "Since last" }).locator(".value").textContent();
  const before = Number((await since()).replace(/\D/g, ""));
  await page.click("text=Generate demo orders");
  await until(async () => Number((await since()).replace(/\D/g, "")) >= before + 20, 15_000, "the figures");
  await until(async () => (await rows(page).count()) >= 20);
  quiet(wrong, "live");
  await close();
});

test("lists that are full scroll by themselves, not the page", async () => {
  for (const size of [{}, { width: 360, height: 800 }]) {
    const { page, close } = await open(browser, server.url, "/live", size);
    await settled(page);
    for (let i = 0; i < 4; i++) await page.click("text=Generate demo orders");
    await until(async () => (await rows(page).count()) >= 60, 30_000, "a full list");
    await noStrayScroll(page, `live at ${size.width ?? 1440}`);
    await close();
  }
});

test("an order added to a customer is seen on the customer's page", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/customers/12747");
  await settled(page);
  const orders = () => page.locator(".tile", { hasText: "Orders" }).locator(".value").textContent();
  const before = Number(await orders());
  await page.click("text=Add an order");
  await page.fill("[name=quantity]", "7");
  await page.click("text=Send order");
  await page.waitForSelector("text=Sent. It shows live");
  await page.click("text=Done");
  await until(async () => Number(await orders()) > before, 15_000, "the order");
  await page.waitForSelector("text=Live orders changed this customer");
  await page.screenshot({ path: join(shots, "customer-changed.png") });
  await accessible(page, "the changed customer");
  quiet(wrong, "customer");
  await close();
});

test("an order whose answer was lost is sent again under its key, and one that was changed is not", async () => {
  const { page, close } = await open(browser, server.url, "/live", { allow: /ERR_|Failed to load/ });
  await settled(page);
  const sent = [];
  await page.route("**/api/v1/orders", (r) => {
    sent.push({ key: r.request().headers()["idempotency-key"], body: r.request().postData() });
    return sent.length < 3 ? r.abort() : r.continue();
  });
  await page.click("text=Add an order");
  await page.fill("[name=customer_id]", "12747");
  for (const quantity of ["7", "7", "8", "8"]) {
    const before = sent.length;
    await page.fill("[name=quantity]", quantity);
    await page.click("button:text-matches('^Send')");
    await until(() => sent.length > before);
    await page.waitForSelector(sent.length < 3 ? "text=not known whether the order was sent" : "text=Sent. It shows live");
  }
  assert.deepEqual(sent[0], sent[1]);
  assert.equal(new Set(sent.map((s) => s.key)).size, 3, "a key for each content, and a new one behind what was accepted");
  await close();
});

test("a new order of a customer is of the customer's country", async () => {
  const { page, close } = await open(browser, server.url, "/customers/12747", {
    before: (p) =>
      p.route("**/api/v1/customers/12747", async (r) => {
        const real = await (await r.fetch()).json();
        await r.fulfill({ json: { ...real, country: "Iceland" } });
      }),
  });
  await settled(page);
  await page.click("text=Add an order");
  assert.equal(await page.inputValue("[name=country]"), "Iceland");
  await close();
});

test("four windows side by side all follow", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/live");
  const others = [];
  for (const path of ["/live", "/", "/live"]) {
    others.push(await page.context().newPage());
    await others.at(-1).goto(`${server.url}${path}`);
  }
  for (const window of [page, ...others]) {
    await window.waitForSelector(".connection:has-text('live'), header:has-text('live ')", { timeout: 15_000 });
    await window.waitForSelector("ol.rows li", { timeout: 30_000 });
  }
  quiet(wrong, "four windows");
  await close();
});

test("the last minute counts by when the server received an order", async () => {
  const order = (ago) => ({
    ...{ amount: 2.5, country: "", customer_id: "12747", description: "A", invoice: "1", known: true, publication: 1 },
    ...{ quantity: 1, segment_id: 0, stock_code: "A", unit_price: 2.5 },
    received_at: new Date(Date.now() - ago).toISOString(),
    ordered_at: new Date().toISOString(),
  });
  const orders = [...Array(40).fill(600_000), 20_000, 10_000].map(order);
  const body = orders.map((o) => `event: order\ndata: ${JSON.stringify(o)}\n\n`).join("");
  let asked = 0;
  const { page, close } = await open(browser, server.url, "/live", {
    width: 360,
    // Once: who is told all again at the next try would count it again.
    before: (p) =>
      p.route("**/api/v1/live/feeds?*", (r) =>
        asked++ ? undefined : r.fulfill({ contentType: "text/event-stream", body }),
      ),
    allow: /ERR_|Failed to load/,
  });
  await until(async () => (await rows(page).count()) >= 40);
  await page.waitForSelector("text=Seen in the last minute: 2");
  await page.waitForTimeout(1500);
  const heights = await page.$$eval(".spark rect", (all) => all.map((r) => r.height.baseVal.value).filter(Boolean));
  assert.deepEqual(heights, [34, 34]);
  await close();
});

test("figures of many digits have room on a telephone", async () => {
  const { page, close } = await open(browser, server.url, "/live", { width: 360 });
  await settled(page);
  const over = await page.$$eval(".tile", (tiles) =>
    tiles.flatMap((t) => {
      const value = t.querySelector(".value");
      value.textContent = "99,999";
      return [t.querySelector("dt"), value].filter((e) => e.scrollWidth > t.clientWidth - 24).map((e) => e.textContent);
    }),
  );
  assert.deepEqual(over, []);
  await close();
});

test("rows come in batches, four times a second at most, and rest under the pointer", async () => {
  const { page, close } = await open(browser, server.url, "/live");
  await settled(page);
  await until(async () => (await rows(page).count()) > 3, 30_000);
  await page.evaluate(() => {
    window.batches = [];
    new MutationObserver(() => window.batches.push(performance.now())).observe(
      document.querySelector("ol.rows"),
      { childList: true },
    );
  });
  await page.click("text=Generate demo orders");
  await page.mouse.move(5, 300);
  await page.waitForTimeout(3000);
  const batches = await page.evaluate(() => window.batches);
  batches.slice(1).forEach((t, i) => {
    assert.ok(t - batches[i] < 5 || t - batches[i] > 200, `batches ${t - batches[i]} ms apart`);
  });
  await rows(page).nth(2).hover();
  await page.waitForTimeout(400);
  const first = await rows(page).first().textContent();
  await page.waitForTimeout(1500);
  assert.equal(await rows(page).first().textContent(), first);
  await page.mouse.move(5, 300);
  await until(async () => (await rows(page).first().textContent()) !== first);
  await page.click("button:has-text('Pause')");
  const held = await rows(page).first().textContent();
  await page.waitForTimeout(1200);
  assert.equal(await rows(page).first().textContent(), held);
  await page.waitForSelector("button:has-text('Go on (')");
  await close();
});

test("filters of the stream are in the address", async () => {
  const { page, close } = await open(browser, server.url, "/live?segment=1");
  await settled(page);
  assert.equal(await page.locator("select").inputValue(), "1");
  await page.click("text=Generate demo orders");
  await until(async () => (await rows(page).count()) > 0, 30_000);
  await page.fill("input[placeholder=any]", "12747");
  await page.keyboard.press("Enter");
  await until(() => page.url().includes("customer=12747"));
  await close();
});

test("with reduced motion nothing slides", async () => {
  const { page, close } = await open(browser, server.url, "/live", { still: true });
  await settled(page);
  await until(async () => (await rows(page).count()) > 0, 30_000);
  const took = await rows(page)
    .first()
    .evaluate((r) => getComputedStyle(r).animationDuration);
  assert.ok(Number.parseFloat(took) < 0.001, took);
  await close();
});

test("a lost connection says since when, keeps what is shown, and catches up", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/", { allow: /ERR_|Failed to load/ });
  await settled(page);
  await page.waitForSelector(".connection.live");
  const customers = await page.locator(".tile .value").first().textContent();
  server.cut();
  await page.waitForSelector("text=/lost since \\d+:\\d+/", { timeout: 15_000 });
  await page.screenshot({ path: join(shots, "lost.png") });
  assert.equal(await page.locator(".tile .value").first().textContent(), customers);
  await accessible(page, "lost");
  await page.waitForTimeout(2500);
  server.mend();
  await page.waitForSelector(".connection.live", { timeout: 20_000 });
  await settled(page);
  quiet(wrong, "lost");
  await close();
});

test("opened while the server is away: says so, and fills itself", async () => {
  const { page, close } = await open(browser, server.url, "/", { allow: /ERR_|Failed to load/ });
  await settled(page);
  await page.route("**/api/**", (r) => r.abort());
  await page.reload();
  await page.waitForSelector("text=The server does not answer");
  await page.screenshot({ path: join(shots, "away.png") });
  await page.unroute("**/api/**");
  await page.waitForSelector(".tile .value", { timeout: 15_000 });
  await close();
});
