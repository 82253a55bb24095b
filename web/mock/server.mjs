// A stand-in for `serving` while one works on the dashboard: the same answers, from a real lake, with made-up
// live orders. Usage: node mock/server.mjs --batch PROGRAM --lake DIR [--port 8090] [--no-broker] [--key KEY]
// [--rate ORDERS_PER_SECOND] [--slow MILLISECONDS]. Tests switch faults by POST /mock {…}.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as data from "./data.mjs";
import { Live } from "./live.mjs";

const { values: args } = parseArgs({
  options: {
    batch: { type: "string", default: "batch" },
    lake: { type: "string", default: "lake" },
    port: { type: "string", default: "8090" },
    "no-broker": { type: "boolean" },
    key: { type: "string" },
    rate: { type: "string", default: "3" },
    slow: { type: "string", default: "0" },
  },
});
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const lake = data.readLake(args.batch, args.lake);
const newest = lake.ids.at(-1);
const live = args["no-broker"] ? null : new Live(lake.views.get(newest), newest, Number(args.rate));
const faults = { key: args.key ?? null, slow: Number(args.slow), fail: "", empty: false, alerts: false };
const cache = new Map();
const cached = (key, make) => {
  if (!cache.has(key)) cache.set(key, make());
  return cache.get(key);
};

async function text(req) {
  let all = "";
  for await (const piece of req) all += piece;
  return all;
}

class Problem extends Error {
  constructor(status, title, detail, errors) {
    super(detail);
    this.body = { type: "about:blank", title, status, detail, instance: "", request_id: "mock", ...(errors && { errors }) };
  }
}

const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

function at(q) {
  const asOf = q.get("as_of");
  if (!asOf) return { id: newest, v: lake.views.get(newest), asOf: null };
  const ids = lake.ids.filter((i) =>
    /^\d{1,6}$/.test(asOf) ? i <= Number(asOf) : Date.parse(lake.views.get(i).shown.published_at) <= Date.parse(asOf),
  );
  if (!ids.length) throw new Problem(404, "Not found", `no publication is as old as ${asOf}`);
  return { id: ids.at(-1), v: lake.views.get(ids.at(-1)), asOf };
}

const view = ({ id, v, asOf }) => ({
  publication: id, published_at: v.shown.published_at, reference_time: v.shown.reference_time,
  orders: v.shown.lake.accepted, live: !!live && !asOf, as_of: asOf,
});
const before = (id) => {
  const i = lake.ids.indexOf(id);
  return i > 0 ? lake.views.get(lake.ids[i - 1]) : null;
};
const linesOf = (v) => lake.lines.filter((l) => l.at < Date.parse(v.shown.reference_time));
const number = (q, name) => (q.has(name) ? Number(q.get(name)) : null);

function filter(v, q) {
  const eq = (name, of) => (q.has(name) ? (c) => `${of(c)}` === q.get(name) : null);
  const tests = [
    q.has("prefix") ? (c) => c.customer_id.startsWith(q.get("prefix")) : null,
    eq("segment", (c) => c.segment_id), eq("rfm_segment", (c) => c.rfm_segment),
    eq("r", (c) => c.r_score), eq("f", (c) => c.f_score), eq("m", (c) => c.m_score), eq("country", (c) => c.country),
    q.has("cohort") ? (c) => c.first_order_at.startsWith(q.get("cohort")) : null,
  ];
  for (const f of ["recency_days", "frequency", "monetary"]) {
    const lo = number(q, `min_${f}`), hi = number(q, `max_${f}`);
    if (lo !== null) tests.push((c) => c[f] >= lo);
    if (hi !== null) tests.push((c) => c[f] <= hi);
  }
  if (q.has("since")) {
    const then = lake.views.get(Number(q.get("since")));
    const from = q.get("moved_from");
    if (then && from) tests.push((c) => `${then.byId.get(c.customer_id)?.segment_id ?? "new"}` === from);
  }
  if (q.has("ordered_from")) {
    const a = Date.parse(q.get("ordered_from")), b = Date.parse(q.get("ordered_to"));
    const who = new Set(lake.lines.filter((l) => l.at >= a && l.at < b).map((l) => l.customer_id));
    tests.push((c) => who.has(c.customer_id));
  }
  const on = tests.filter(Boolean);
  return v.customers.filter((c) => on.every((t) => t(c)));
}

function customers(a, q) {
  const sort = q.get("sort") ?? "-monetary";
  const key = sort.replace(/^-/, ""), sign = sort.startsWith("-") ? -1 : 1;
  const found = filter(a.v, q).sort((x, y) => sign * (x[key] < y[key] ? -1 : x[key] > y[key] ? 1 : 0) || (x.customer_id < y.customer_id ? -1 : 1));
  const start = Number(q.get("cursor") ?? 0), limit = Number(q.get("limit") ?? 50);
  if (q.get("format") === "csv") return { csv: ["customer_id,segment_name,recency_days,frequency,monetary", ...found.map((c) => `${c.customer_id},${c.segment_name},${c.recency_days},${c.frequency},${c.monetary}`)].join("\r\n") };
  return { view: view(a), total: found.length, items: found.slice(start, start + limit), next_cursor: start + limit < found.length ? `${start + limit}` : null };
}

const publication = (id) => {
  const v = lake.views.get(id), s = v.shown;
  return {
    publication: id, published_at: s.published_at, reference_time: s.reference_time, orders: s.lake.accepted, customers: s.customers,
    invoices: s.invoices, revenue: s.revenue, model: s.model,
    segments: s.segments.map(({ segment_id, segment_name, customers, revenue }) => ({ segment_id, segment_name, customers, revenue })),
  };
};

const why = {
  missing_customer: "the line names no customer, so it can belong to no segment",
  cancellation: "the invoice number begins with C: a cancelled order",
  adjustment: "an accounting entry, not a product",
  non_positive_price: "the unit price is zero or less",
};
function quality(a) {
  const s = a.v.shown.lake;
  return {
    view: view(a), read: s.read, accepted: s.accepted, rejected: s.read - s.accepted,
    by_reason: Object.entries(s.rejected).map(([reason, lines]) => ({ reason, lines, explanation: why[reason] ?? "" })),
    sources: lake.sources.slice(0, lake.ids.indexOf(a.id) + 1).map((x) => ({
      source: x.source, ingested_at: x.ingested_at, read: x.read, accepted: x.accepted, rejected: x.read - x.accepted,
      evidence: typeof x.evidence === "string" ? JSON.parse(x.evidence) : x.evidence,
    })),
    dead_letters: live ? 0 : null,
  };
}

function ordersOf(id) {
  const by = new Map();
  for (const l of [...(live?.of(id) ?? []), ...lake.lines.filter((l) => l.customer_id === id)]) {
    const o = by.get(l.invoice) ?? { invoice: l.invoice, ordered_at: l.ordered_at, lines: 0, quantity: 0, amount: 0, live: !!l.received_at, products: [] };
    o.lines++;
    o.quantity += l.quantity;
    o.amount += l.amount;
    o.products.push({ stock_code: l.stock_code, description: l.description, quantity: l.quantity, unit_price: l.unit_price, amount: l.amount });
    by.set(l.invoice, o);
  }
  const items = [...by.values()].sort((a, b) => (a.ordered_at < b.ordered_at ? 1 : -1));
  return { items, next_cursor: null, total: items.length };
}

function page(items, q, limit = 50) {
  const start = Number(q.get("cursor") ?? 0), n = Number(q.get("limit") ?? limit);
  return { items: items.slice(start, start + n), total: items.length, next_cursor: start + n < items.length ? `${start + n}` : null };
}

const alerts = () =>
  faults.alerts
    ? [1, 2, 3].map((n) => ({ id: `a${n}`, pattern: "big-basket", alert_type: "order.unusual", kind: "threshold", severity: ["info", "warning", "critical"][n - 1], customer_id: "17850", at: "2011-12-09T12:00:00Z", time: "2011-12-09T12:00:00Z", summary: `Order ${n} is 10 times this customer's usual`, events: [] }))
    : [];

const gets = {
  "/config": () => ({ name: "Clientele", currency: "GBP", live: !!live, write: !!live, auth: faults.key ? "key" : "none", version: "0.1.0", demo: true }),
  "/overview": (a) => ({
    view: view(a), ...cached(`o${a.id}`, () => data.figures(a.v)),
    previous: before(a.id) && { publication: lake.ids[lake.ids.indexOf(a.id) - 1], published_at: before(a.id).shown.published_at, ...cached(`p${a.id}`, () => data.figures(before(a.id))) },
    live: live && !a.asOf ? live.state() : null,
  }),
  "/segments": (a) => ({ view: view(a), segments: cached(`s${a.id}`, () => data.segments(a.v, before(a.id))), all: cached(`all${a.id}`, () => data.all(a.v)) }),
  "/customers": customers,
  "/rfm-grid": (a) => ({ view: view(a), ...cached(`g${a.id}`, () => data.grid(a.v)) }),
  "/revenue": (a, q) => {
    const by = q.get("by") ?? "week";
    return { view: view(a), by, points: cached(`r${a.id}${by}`, () => data.revenue(a.v, linesOf(a.v), by)) };
  },
  "/scatter": (a, q) => {
    const n = Number(q.get("limit") ?? 100000);
    const cs = filter(a.v, q).slice(0, n);
    return { view: view(a), total: cs.length, sampled: false, ...Object.fromEntries(["customer_id", "recency_days", "frequency", "monetary", "segment_id"].map((f) => [f, cs.map((c) => c[f])])) };
  },
  "/distribution": (a) => ({ view: view(a), ...cached(`d${a.id}`, () => data.distribution(a.v)) }),
  "/cohorts": (a) => ({ view: view(a), ...cached(`c${a.id}`, () => data.cohorts(a.v, linesOf(a.v))) }),
  "/publications": (_, q) => page(lake.ids.map(publication).reverse(), q),
  "/migration": (_, q) => {
    const ids = lake.ids;
    const from = Number(q.get("from") ?? ids.at(-2)), to = q.get("to") ?? "live";
    const v = lake.views.get(to === "live" ? newest : Number(to)), w = lake.views.get(from);
    if (!v || !w) throw new Problem(404, "Not found", "no such publication");
    const side = (id, v, live) => ({ publication: id, published_at: v.shown.published_at, live, customers: v.customers.length });
    return { from: side(from, w, false), to: side(to === "live" ? newest : Number(to), v, to === "live"), flows: data.migration(w, v), segments_from: publication(from).segments, segments_to: data.segments(v, null).map(({ segment_id, segment_name, customers, revenue }) => ({ segment_id, segment_name, customers, revenue })) };
  },
  "/quality": quality,
  "/rejections": (a, q) => {
    const until = lake.sources.slice(0, lake.ids.indexOf(a.id) + 1).map((s) => s.source);
    return page(lake.rejected.filter((r) => until.includes(r.source) && (!q.get("reason") || r.reason === q.get("reason")) && (!q.get("source") || r.source === q.get("source"))), q);
  },
  "/rule-segments": () => ({ segments: [], changes: [] }),
  "/alerts": (_, q) => page(alerts(), q),
};

function get(path, q) {
  const a = at(q);
  if (gets[path]) return gets[path](a, q);
  const [, first, id, third] = path.split("/").map(decodeURIComponent);
  if (first === "segments") {
    const s = gets["/segments"](a).segments.find((s) => `${s.segment_id}` === id);
    if (!s) throw new Problem(404, "Not found", `no segment ${id}`);
    if (third) return q.set("segment", id), customers(a, q);
    return { view: view(a), ...s };
  }
  if (first === "publications" && lake.views.has(Number(id))) {
    const s = lake.views.get(Number(id)).shown;
    return { ...publication(Number(id)), report: { input: s.input, timings_ms: s.timings_ms } };
  }
  if (first === "customers") {
    if (third === "orders") return page(ordersOf(id).items, q, 20);
    if (third === "history")
      return {
        items: lake.ids.filter((i) => lake.views.get(i).byId.has(id)).map((i) => {
          const { segment_id, segment_name, rfm_segment, recency_days, frequency, monetary } = lake.views.get(i).byId.get(id);
          return { publication: i, published_at: lake.views.get(i).shown.published_at, segment_id, segment_name, rfm_segment, recency_days, frequency, monetary };
        }),
        changes: live?.changesOf(id) ?? [],
      };
    if (third === "alerts") return { items: alerts().filter((x) => x.customer_id === id), next_cursor: null };
    const c = live ? live.customer(a.v, id) : { ...data.customer(a.v, id), batch: data.customer(a.v, id)?.merged ?? null };
    if (!c?.merged) throw new Problem(404, "Not found", `no orders of customer ${id} are known`);
    return { view: view(a), ...c, recent_orders: live?.of(id).slice(0, 20) ?? [] };
  }
  throw new Problem(404, "Not found", `there is no ${path}`);
}

const rules = [
  [(o) => /^\w{6,7}$/.test(o.invoice ?? "") && !/^C/.test(o.invoice), "invoice", "must be six digits; an invoice that begins with C is a cancellation"],
  [(o) => !!o.stock_code, "stock_code", "must not be empty"],
  [(o) => Number.isInteger(o.quantity) && o.quantity > 0, "quantity", "must be a whole number above zero"],
  [(o) => o.unit_price > 0, "unit_price", "must be above zero"],
  [(o) => /^\d{1,12}$/.test(o.customer_id ?? ""), "customer_id", "must be digits"],
  [(o) => !Number.isNaN(Date.parse(o.ordered_at)), "ordered_at", "must be a time"],
];
function post(path, body, res) {
  if (path === "/session") {
    if (body?.key !== faults.key) throw new Problem(401, "Unauthorized", "this key is not known");
    res.setHeader("set-cookie", `session=${body.key}; HttpOnly; SameSite=Strict; Path=/`);
    return {};
  }
  if (!live) throw new Problem(503, "No broker", "serving was started without --brokers");
  if (path === "/demo/orders") return { accepted: live.demo(body.count ?? 10, body.customer_id) };
  if (path === "/orders") {
    const lines = Array.isArray(body) ? body : [body];
    const errors = lines.flatMap((o, i) => rules.filter(([ok]) => !ok(o)).map(([, f, d]) => ({ field: Array.isArray(body) ? `${i}.${f}` : f, detail: d })));
    if (errors.length) throw new Problem(422, "Not accepted", `${errors.length} fields are wrong`, errors);
    for (const o of lines) live.add(o);
    return { accepted: lines.length, orders: lines.map((_, i) => ({ topic: "orders", partition: 0, offset: i })) };
  }
  throw new Problem(404, "Not found", path);
}

async function api(req, res, url) {
  const path = url.pathname.slice(7), q = url.searchParams;
  const body = req.method === "POST" ? JSON.parse((await text(req)) || "null") : null;
  if (faults.key && path !== "/session" && !(req.headers.cookie ?? "").includes(`session=${faults.key}`)) throw new Problem(401, "Unauthorized", "an API key is needed");
  if (faults.fail && path.startsWith(faults.fail) && path !== "/config") throw new Problem(500, "Internal error", "the lake cannot be read: disk is away");
  if (faults.empty && path !== "/config" && req.method === "GET") throw new Problem(404, "No publication", "the lake has no publication yet");
  if (path.startsWith("/live/")) {
    if (!live) throw new Problem(503, "No broker", "serving was started without --brokers");
    return live.stream(path.slice(6), q, req, res);
  }
  if (faults.slow) await new Promise((r) => setTimeout(r, faults.slow));
  const answer = req.method === "POST" ? post(path, body, res) : get(path, q);
  if (answer.csv) return res.writeHead(200, { "content-type": "text/csv", "content-disposition": "attachment; filename=customers.csv" }).end(answer.csv);
  res.writeHead(req.method === "POST" ? 202 : 200, { "content-type": "application/json", "cache-control": "no-cache" }).end(JSON.stringify(answer));
}

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };
function file(res, path) {
  let name = join(dist, normalize(path));
  if (!name.startsWith(dist) || !existsSync(name) || statSync(name).isDirectory()) name = join(dist, "index.html");
  res.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream", "content-security-policy": csp, "x-content-type-options": "nosniff" });
  createReadStream(name).pipe(res);
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, "http://localhost");
  try {
    if (url.pathname === "/mock") {
      const change = JSON.parse((await text(req)));
      Object.assign(faults, change);
      if ("drop" in change) live?.drop(change.drop);
      return res.end("{}");
    }
    if (url.pathname.startsWith("/api/v1/")) return await api(req, res, url);
    file(res, url.pathname);
  } catch (e) {
    const problem = e instanceof Problem ? e.body : { type: "about:blank", title: "Internal error", status: 500, detail: `${e.stack}`, instance: url.pathname, request_id: "mock" };
    if (!res.headersSent) res.writeHead(problem.status, { "content-type": "application/problem+json" });
    res.end(JSON.stringify(problem));
  }
});
server.listen(Number(args.port), "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${args.port}/`));
