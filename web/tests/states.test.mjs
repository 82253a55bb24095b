// What is seen before there is data, when some of it fails, and when a key is asked for.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  accessible,
  launch,
  noStrayScroll,
  open,
  quiet,
  recompute,
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
    await noStrayScroll(page, name);
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
    assert.equal(await page.locator("nav a:has-text('Rules'), nav a:has-text('Alerts')").count(), 0);
  });
  await look("/rules", "alone-rules", undefined, (page) => page.waitForSelector("text=speed run --rules"));
  await look("/alerts", "alone-alerts", undefined, (page) => page.waitForSelector("text=No alert has been raised"));
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
  for (const [path, name] of [
    ["/", "empty"],
    ["/segments", "empty-segments"],
    ["/quality", "empty-quality"],
  ]) {
    await look(
      path,
      name,
      (page) =>
        page.route(/api\/v1\/(?!config)/, (r) =>
          r.fulfill(problem(503, "Service Unavailable", "nothing is published yet; run: batch run --input FILE")),
        ),
      async (page) => {
        await page.waitForSelector("text=batch run --input");
        await until(async () => (await page.locator("main .bone").count()) === 0, 5000, "the end of skeletons");
      },
    );
  }
});

test("without brokers too, a publication shows by itself", async () => {
  const alone = await serve("auto");
  try {
    const { page, wrong, close } = await open(browser, alone.url, "/");
    await page.waitForSelector("a:text-is('publication 1')");
    recompute(alone);
    await page.waitForSelector("a:text-is('publication 2')", { timeout: 20_000 });
    quiet(wrong, "a publication without brokers");
    await close();
  } finally {
    alone.stop();
  }
});

test("a customer nobody knows", async () => {
  await look("/customers/4711x", "unknown", undefined, (page) =>
    page.waitForSelector("text=No order of customer 4711x is known"),
  );
});

test("the numbers of segments that were tried, and the one that was chosen", async () => {
  const elbow = "section[aria-labelledby=elbow-title]";
  const tried = await serve("auto");
  try {
    const { page, wrong, close } = await open(browser, tried.url, "/segments?table=elbow");
    await settled(page);
    const rows = page.locator(`${elbow} tbody tr`);
    assert.equal(await rows.count(), 7);
    assert.match(await rows.first().textContent(), /^\s*2\D/);
    await page.goto(`${tried.url}/segments`);
    await settled(page);
    await page.waitForSelector(`${elbow} canvas`);
    await page.locator(elbow).screenshot({ path: join(shots, "elbow.png") });
    await accessible(page, "the elbow");
    quiet(wrong, "the elbow");
    await close();
  } finally {
    tried.stop();
  }
});

test("filters that nobody passes", async () => {
  await look("/customers?min_monetary=99999999", "none", undefined, (page) =>
    page.waitForSelector("text=No customer passes these filters"),
  );
});

test("numbers and money are in the reader's locale", async () => {
  const context = await browser.newContext({ locale: "de-DE", viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${server.url}/segments`);
  await settled(page);
  assert.match((await page.textContent("tbody")).replace(/\s/g, " "), /1\.655\.398,08 £/);
  await context.close();
});

test("a publication that there never was", () =>
  look("/?as_of=99", "no-past", undefined, async (page) => {
    await page.waitForSelector("text=There was no publication 99");
    await page.waitForSelector("text=the past");
  }));

test("a segment that there is not is named in the list of segments", async () => {
  const { page, close } = await open(browser, server.url, "/customers?segment=77");
  await settled(page);
  assert.match(await page.locator("select >> nth=0 >> option:checked").textContent(), /segment 77/);
  await close();
});

test("an address that is no text still has a page", async () => {
  const { page, close } = await open(browser, server.url, "/customers/%zz", { allow: /Failed to load/ });
  await page.waitForSelector("h1:has-text('%zz')");
  await close();
});
