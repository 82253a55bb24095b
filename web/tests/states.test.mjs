// What is seen before there is data, when some of it fails, and when a key is asked for.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  accessible,
  launch,
  noSidewaysScroll,
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
  server = await serve("real");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const problem = (status, title, detail, more = {}) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({
    type: "about:blank",
    title,
    status,
    detail,
    instance: "",
    request_id: "r-1",
    ...more,
  }),
});

async function look(path, name, before, check, allow = /Failed to load resource/) {
  for (const size of [
    { width: 1440, theme: "light" },
    { width: 360, theme: "dark" },
  ]) {
    const { page, wrong, close } = await open(browser, server.url, path, {
      ...size,
      height: 900,
      before,
      allow,
    });
    await page.waitForSelector("h1");
    await check(page);
    await page.screenshot({ path: join(shots, `state-${name}-${size.width}.png`), fullPage: true });
    await noSidewaysScroll(page, name);
    await accessible(page, name);
    quiet(wrong, name);
    await close();
  }
}

test("the lake alone, without live orders, says so", async () => {
  await look("/", "alone", undefined, async (page) => {
    await settled(page);
    await page.waitForSelector(".connection.off");
    await page.waitForSelector("text=started from the lake alone");
  });
  await look("/live", "alone-live", undefined, (page) => page.waitForSelector("text=--brokers"));
});

test("while it loads, skeletons have the final size", async () => {
  await look(
    "/",
    "loading",
    (page) => page.route(/api\/v1\/(overview|segments|rfm-grid|revenue)/, () => {}),
    async (page) => {
      await until(async () => (await page.locator(".bone").count()) > 5);
      await page.waitForTimeout(300);
    },
  );
});

test("a part that fails says what, and the rest still works", async () => {
  await look(
    "/",
    "failed",
    (page) =>
      page.route("**/api/v1/rfm-grid*", (r) =>
        r.fulfill(problem(500, "Internal error", "the lake cannot be read")),
      ),
    async (page) => {
      await page.waitForSelector("text=Recency and frequency cannot be shown");
      await page.waitForSelector("a.row >> text=High Value VIP");
    },
  );
});

test("a part that failed can be tried again", async () => {
  let fail = true;
  const { page, close } = await open(browser, server.url, "/", {
    before: (p) =>
      p.route("**/api/v1/rfm-grid*", (r) =>
        fail ? r.fulfill(problem(500, "Internal error", "away")) : r.continue(),
      ),
    allow: /500/,
  });
  await page.waitForSelector("text=Try again");
  fail = false;
  await page.click("text=Try again");
  await page.waitForSelector('a[aria-label^="Recency 5, frequency 5"]');
  await close();
});

test("an empty lake says what to run", async () => {
  await look(
    "/",
    "empty",
    (page) =>
      page.route(/api\/v1\/(?!config)/, (r) =>
        r.fulfill(problem(404, "No publication", "the lake has no publication yet")),
      ),
    (page) => page.waitForSelector("text=batch run --input"),
  );
});

test("a customer nobody knows", async () => {
  await look("/customers/4711x", "unknown", undefined, (page) =>
    page.waitForSelector("text=No order of customer 4711x is known"),
  );
});

test("filters that nobody passes", async () => {
  await look("/customers?min_monetary=99999999", "none", undefined, (page) =>
    page.waitForSelector("text=No customer passes these filters"),
  );
});

test("a key is asked for, refused, and taken", async () => {
  let key = false;
  const keyed = (page) =>
    page.route("**/api/v1/**", async (r) => {
      if (r.request().url().endsWith("/session")) {
        key = r.request().postDataJSON().key === "right";
        return key
          ? r.fulfill({ status: 204 })
          : r.fulfill(problem(401, "Unauthorized", "this key is not known"));
      }
      return key ? r.continue() : r.fulfill(problem(401, "Unauthorized", "an API key is needed"));
    });
  const { page, wrong, close } = await open(browser, server.url, "/", { before: keyed, allow: /401/ });
  await page.waitForSelector("dialog[open]");
  await page.screenshot({ path: join(shots, "state-key.png") });
  await accessible(page, "the key dialog");
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=this key is not known");
  await page.fill("input[type=password]", "right");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".tile .value");
  assert.equal(await page.locator("dialog").count(), 0);
  quiet(wrong, "key");
  await close();
});

test("alerts have a page once there are any", async () => {
  const alert = {
    id: "a1",
    pattern: "big basket",
    alert_type: "order.unusual",
    kind: "threshold",
    severity: "critical",
    customer_id: "17850",
    at: "2011-12-09T12:00:00Z",
    time: "2011-12-09T12:00:00Z",
    summary: "An order ten times the usual",
    events: [],
  };
  const some = (page) =>
    page.route("**/api/v1/alerts*", (r) => r.fulfill({ json: { items: [alert], next_cursor: null } }));
  await look("/alerts", "alerts", some, async (page) => {
    await page.waitForSelector("nav a:has-text('Alerts')");
    await page.waitForSelector("text=An order ten times the usual");
  });
  const { page, close } = await open(browser, server.url, "/");
  await settled(page);
  assert.equal(await page.locator("nav a:has-text('Alerts')").count(), 0);
  await close();
});

test("numbers and money are in the reader's locale", async () => {
  const context = await browser.newContext({ locale: "de-DE", viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${server.url}/segments`);
  await settled(page);
  assert.match((await page.textContent("tbody")).replace(/\s/g, " "), /1\.655\.398,08 £/);
  await context.close();
});
