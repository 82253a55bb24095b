// A server that asks for keys: the dialog, what each key may, and keys that change meanwhile.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible, keyFile, launch, open, quiet, serve, settled, shots, until } from "./support.mjs";

let server;
let browser;
before(async () => {
  server = await serve("keyed");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const allow = /401|403/;

async function enter(page, key) {
  await page.waitForSelector("dialog[open] input[type=password]");
  await page.fill("input[type=password]", key);
  await page.keyboard.press("Enter");
}

const order = {
  invoice: "K1",
  stock_code: "A",
  quantity: 1,
  unit_price: 2.5,
  customer_id: "12747",
  ordered_at: new Date().toISOString(),
};
const post = (page) =>
  page.evaluate(async (order) => {
    const headers = { "content-type": "application/json" };
    return (await fetch("/api/v1/orders", { method: "POST", headers, body: JSON.stringify(order) })).status;
  }, order);

test("the description of the API says where the key is given, and is there after that", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/docs", { allow });
  await page.click("text=the dashboard");
  await enter(page, server.keys.read);
  await until(async () => (await page.locator("dialog").count()) === 0);
  await page.goto(`${server.url}/docs`);
  await page.waitForSelector("summary:has-text('/api/v1/orders')");
  await accessible(page, "the description of the API");
  quiet(wrong, "docs");
  await close();
});

test("a key is asked for, refused, and taken; one for reading may not order", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/live", { allow });
  await page.waitForSelector("dialog[open]");
  await page.screenshot({ path: join(shots, "state-key.png") });
  await accessible(page, "the key dialog");
  await enter(page, "wrong-0123456789abcdef");
  await page.waitForSelector("dialog .wrong:not(:empty)");
  await enter(page, server.keys.read);
  await until(async () => (await page.locator("dialog").count()) === 0);
  await page.waitForSelector("ol.rows li", { timeout: 30_000 });
  assert.equal(await page.locator("text=Add an order").count(), 0, "this key may only read");
  assert.equal(await post(page), 403);
  await page.reload();
  await settled(page);
  assert.equal(await page.locator("dialog").count(), 0, "the session is kept");
  const [cookie] = await page.context().cookies();
  assert.ok(cookie.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
  await page.click("button[title='Sign out']");
  await page.waitForSelector("dialog[open] input[type=password]");
  assert.deepEqual(await page.context().cookies(), [], "the session is gone");
  assert.equal(await page.locator("ol.rows li").count(), 0, "and what it showed");
  quiet(wrong, "a key for reading");
  await close();
});

test("a key that ends is asked for anew by itself, without a restart; one for writing may order", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/", { allow });
  await enter(page, server.keys.read);
  await page.waitForSelector(".tile .value");
  keyFile(server.dir, { write: server.keys.write });
  await until(async () => (await page.evaluate(async () => (await fetch("/api/v1/overview")).status)) === 401);
  await enter(page, server.keys.write);
  await until(async () => (await page.locator("dialog").count()) === 0);
  await page.click("nav >> text=Live");
  await page.waitForSelector("text=Add an order");
  assert.equal(await post(page), 202);
  quiet(wrong, "a key for writing");
  await close();
});
