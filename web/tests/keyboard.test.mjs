// Everything by keyboard alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, launch, open, quiet, serve, settled, until } from "./support.mjs";

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

const focused = (page) =>
  page.evaluate(
    () => document.activeElement?.textContent?.trim() || document.activeElement?.getAttribute("aria-label"),
  );

test("the slash finds a customer: suggestions by arrows, Enter opens, Escape closes", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/");
  await settled(page);
  await page.keyboard.press("/");
  await page.keyboard.type("1274");
  const box = page.locator("[role=combobox]");
  await until(async () => (await page.locator("[role=option] strong").count()) > 1);
  assert.equal(await box.getAttribute("aria-expanded"), "true");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  assert.equal(await box.getAttribute("aria-activedescendant"), "found-0");
  await accessible(page, "the open search");
  const id = await page.textContent("#found-0 strong");
  await page.keyboard.press("Enter");
  await until(() => page.url().endsWith(`/customers/${id}`));
  assert.equal(await focused(page), `Customer ${id}`);
  await page.keyboard.press("/");
  await page.keyboard.type("9");
  await until(async () => (await page.locator("[role=option]").count()) > 0);
  await page.keyboard.press("Escape");
  assert.equal(await box.getAttribute("aria-expanded"), "false");
  quiet(wrong, "search");
  await close();
});

test("an id typed whole opens without a suggestion", async () => {
  const { page, close } = await open(browser, server.url, "/live");
  await page.waitForSelector("h1");
  await page.keyboard.press("/");
  await page.keyboard.type("17850");
  await page.keyboard.press("Enter");
  await until(() => page.url().endsWith("/customers/17850"));
  await close();
});

test("the grid is one stop: arrows go from cell to cell, Enter opens", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/");
  await settled(page);
  const cells = page.locator("section[aria-labelledby=grid-title] .grid a");
  assert.equal(await cells.count(), 25);
  assert.equal(await cells.and(page.locator("[tabindex='0']")).count(), 1);
  await cells.first().focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"]) await page.keyboard.press(key);
  assert.match(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), /^Recency 5, frequency 2,/);
  await page.keyboard.press("Enter");
  await until(() => page.url().includes("/customers?") && new URL(page.url()).searchParams.get("f") === "2");
  quiet(wrong, "the grid by keyboard");
  await close();
});

test("the first Tab skips to the content, and focus can be seen", async () => {
  const { page, close } = await open(browser, server.url, "/segments");
  await settled(page);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none");
  await close();
});

test("each chart turns into a table and back, in the address", async () => {
  for (const [path, charts] of [
    ["/", 4],
    ["/segments", 3],
    ["/history", 2],
    ["/quality", 1],
    ["/customers/12747", 3],
  ]) {
    const { page, wrong, close } = await open(browser, server.url, path);
    await settled(page);
    const buttons = page.locator("button.as");
    assert.equal(await buttons.count(), charts, path);
    for (let i = 0; i < charts; i++) {
      await buttons.nth(i).focus();
      await page.keyboard.press("Enter");
      assert.equal(await buttons.nth(i).getAttribute("aria-pressed"), "true");
      assert.ok((await page.locator("section:has(button.as[aria-pressed=true]) tbody tr").count()) > 0);
    }
    assert.match(page.url(), /table=/);
    for (let i = 0; i < charts; i++) await buttons.nth(i).click();
    assert.doesNotMatch(page.url(), /table=/);
    quiet(wrong, path);
    await close();
  }
});

test("the dots move and zoom by keys", async () => {
  const { page, close } = await open(browser, server.url, "/customers");
  await settled(page);
  await page.focus(".cloud svg");
  const ticks = () => page.locator(".cloud svg text").allTextContents();
  const all = await ticks();
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowRight");
  await until(async () => `${await ticks()}` !== `${all}`);
  await page.keyboard.press("0");
  await until(async () => `${await ticks()}` === `${all}`);
  await close();
});

test("the dialog takes the focus, says what is wrong by field, and Escape closes it", async () => {
  const { page, wrong, close } = await open(browser, server.url, "/live", { allow: /422/ });
  await page.click("text=Add an order");
  await page.waitForSelector("dialog[open]");
  assert.equal(await page.evaluate(() => document.activeElement.name), "customer_id");
  await page.fill("[name=customer_id]", "");
  await page.fill("[name=quantity]", "-2");
  await page.click("text=Send order");
  await page.waitForSelector("#wrong-quantity");
  assert.ok(await page.locator("#wrong-customer_id").isVisible());
  assert.equal(await page.getAttribute("[name=quantity]", "aria-invalid"), "true");
  await accessible(page, "the dialog");
  // What only the server knows: an invoice that begins with C is a cancellation.
  await page.fill("[name=customer_id]", "12747");
  await page.fill("[name=quantity]", "2");
  await page.fill("[name=invoice]", "C900001");
  await page.click("text=Send order");
  await page.waitForSelector("#wrong-invoice");
  await page.keyboard.press("Escape");
  await until(async () => (await page.locator("dialog").count()) === 0);
  assert.equal(await focused(page), "Add an order");
  quiet(wrong, "dialog");
  await close();
});

test("the theme follows the system until it is chosen, and is remembered", async () => {
  const { page, close } = await open(browser, server.url, "/", { theme: "dark" });
  await settled(page);
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), "dark");
  await page.click("text=Use light colours");
  assert.equal(await theme(), "light");
  await page.reload();
  await until(async () => (await theme()) === "light");
  await close();
});
