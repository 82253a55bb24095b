// The tables of a lake, read by the program `batch`, as the objects that the API answers with.
import { execFileSync } from "node:child_process";

const DAY = 86_400_000;

export function readLake(batch, lake) {
  const run = (...args) =>
    JSON.parse(execFileSync(batch, [...args, "--lake", lake, "-q"], { maxBuffer: 1 << 30 }).toString());
  const table = (name, publication) => run("export", name, "--format", "json", "--publication", `${publication}`);
  const history = run("history", "--json").publications;
  const ids = history.map((p) => p.publication);
  const last = ids.at(-1);
  const lines = table("orders", last).map((o) => ({ ...o, at: Date.parse(o.ordered_at) }));
  const rejected = table("rejected_orders", last);
  const sources = table("sources", last);
  const views = new Map();
  for (const id of ids) {
    const shown = run("show", "--json", "--publication", `${id}`);
    views.set(id, readView(shown, table("customer_rfm", id), table("customer_segments", id)));
  }
  return { ids, views, lines, rejected, sources };
}

function readView(shown, rfm, segments) {
  const of = new Map(segments.map((s) => [s.customer_id, s]));
  const customers = rfm.map((c) => ({
    customer_id: c.customer_id,
    country: c.country,
    segment_id: of.get(c.customer_id).segment_id,
    segment_name: of.get(c.customer_id).segment_name,
    rfm_segment: c.rfm_segment,
    r_score: c.r_score,
    f_score: c.f_score,
    m_score: c.m_score,
    recency_days: c.recency_days,
    frequency: c.frequency,
    monetary: c.monetary,
    first_order_at: c.first_order_at,
    last_order_at: c.last_order_at,
    live: false,
  }));
  const scale = shown.model.scale;
  const centroids = shown.model.centroids.map((c, i) => ({
    segment_id: shown.segments[i].segment_id,
    segment_name: shown.segments[i].segment_name,
    scaled: c,
    centroid: { recency_days: c[0] * scale[0], frequency: c[1] * scale[1], monetary: c[2] * scale[2] },
  }));
  return { shown, customers, byId: new Map(customers.map((c) => [c.customer_id, c])), centroids, scale };
}

export const median = (xs) => {
  if (!xs.length) return 0;
  const s = Float64Array.from(xs).sort();
  const h = s.length >> 1;
  return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2;
};
export const sum = (xs) => xs.reduce((a, b) => a + b, 0);
const mean = (xs) => (xs.length ? sum(xs) / xs.length : 0);
const stats = (f, cs) => ({
  recency_days: f(cs.map((c) => c.recency_days)),
  frequency: f(cs.map((c) => c.frequency)),
  monetary: f(cs.map((c) => c.monetary)),
});

export function figures(v) {
  const churn = v.customers.filter((c) => c.segment_name === "Churn Risk").length;
  return {
    customers: v.customers.length,
    revenue: sum(v.customers.map((c) => c.monetary)),
    orders: sum(v.customers.map((c) => c.frequency)),
    median_recency_days: median(v.customers.map((c) => c.recency_days)),
    churn_risk_share: v.centroids.some((c) => c.segment_name === "Churn Risk") ? churn / v.customers.length : null,
  };
}

export function segments(v, before) {
  const revenue = sum(v.customers.map((c) => c.monetary));
  return v.centroids.map((k) => {
    const own = v.customers.filter((c) => c.segment_id === k.segment_id);
    const prev = before?.customers.filter((c) => c.segment_name === k.segment_name);
    return {
      segment_id: k.segment_id,
      segment_name: k.segment_name,
      customers: own.length,
      revenue: sum(own.map((c) => c.monetary)),
      orders: sum(own.map((c) => c.frequency)),
      share_customers: own.length / v.customers.length,
      share_revenue: sum(own.map((c) => c.monetary)) / revenue,
      mean: stats(mean, own),
      median: stats(median, own),
      centroid: k.centroid,
      previous: prev ? { customers: prev.length, revenue: sum(prev.map((c) => c.monetary)) } : null,
    };
  });
}

export const all = (v) => ({
  customers: v.customers.length,
  revenue: sum(v.customers.map((c) => c.monetary)),
  mean: stats(mean, v.customers),
  median: stats(median, v.customers),
});

export function grid(v) {
  const cells = [];
  for (let r = 1; r <= 5; r++)
    for (let f = 1; f <= 5; f++) {
      const own = v.customers.filter((c) => c.r_score === r && c.f_score === f);
      const revenue = sum(own.map((c) => c.monetary));
      cells.push({
        r, f, customers: own.length, revenue, mean_monetary: own.length ? revenue / own.length : 0,
        rfm_segment: v.shown.rfm_names[r - 1][f - 1],
      });
    }
  return { cells, names: v.shown.rfm_segments };
}

export function revenue(v, lines, by, from, to) {
  const start = (t) => {
    const d = new Date(t);
    d.setUTCHours(0, 0, 0, 0);
    if (by === "month") d.setUTCDate(1);
    if (by === "week") d.setUTCDate(d.getUTCDate() - ((d.getUTCDay() + 6) % 7));
    return d.toISOString().slice(0, 10);
  };
  const points = new Map();
  for (const l of lines) {
    if ((from && l.at < from) || (to && l.at >= to)) continue;
    const c = v.byId.get(l.customer_id);
    if (!c) continue;
    const key = start(l.at);
    let p = points.get(key);
    if (!p) points.set(key, (p = { start: key, revenue: 0, invoices: new Set(), segments: new Map() }));
    let s = p.segments.get(c.segment_id);
    if (!s) p.segments.set(c.segment_id, (s = { revenue: 0, invoices: new Set() }));
    p.revenue += l.amount;
    s.revenue += l.amount;
    p.invoices.add(l.invoice);
    s.invoices.add(l.invoice);
  }
  return [...points.values()]
    .sort((a, b) => (a.start < b.start ? -1 : 1))
    .map((p) => ({
      start: p.start, revenue: p.revenue, orders: p.invoices.size,
      segments: [...p.segments].sort((a, b) => a[0] - b[0]).map(([segment_id, s]) => ({ segment_id, revenue: s.revenue, orders: s.invoices.size })),
    }));
}

export function cohorts(v, lines) {
  const month = (t) => new Date(t).toISOString().slice(0, 7);
  const last = month(Math.max(...v.customers.map((c) => Date.parse(c.last_order_at))));
  const months = [];
  for (const d = new Date(`${month(lines[0].at)}-01T00:00:00Z`); month(d) <= last; d.setUTCMonth(d.getUTCMonth() + 1)) months.push(month(d));
  const active = new Map();
  for (const l of lines) {
    if (!v.byId.has(l.customer_id)) continue;
    let s = active.get(l.customer_id);
    if (!s) active.set(l.customer_id, (s = new Set()));
    s.add(months.indexOf(month(l.at)));
  }
  return {
    months,
    cohorts: months.map((m, i) => {
      const own = v.customers.filter((c) => c.first_order_at.startsWith(m));
      return { month: m, customers: own.length, active: months.slice(i).map((_, n) => own.filter((c) => active.get(c.customer_id)?.has(i + n)).length) };
    }),
  };
}

export function distribution(v) {
  const bins = (scale, edges, of) => {
    const at = (x) => {
      let i = edges.findIndex((e) => x < e) - 1;
      if (i < -1) i = edges.length - 2;
      return Math.max(0, i);
    };
    const counts = Array(edges.length - 1).fill(0);
    const by = new Map(v.centroids.map((c) => [c.segment_id, Array(edges.length - 1).fill(0)]));
    for (const c of v.customers) {
      counts[at(of(c))]++;
      by.get(c.segment_id)[at(of(c))]++;
    }
    return { scale, edges, counts, by_segment: [...by].map(([segment_id, c]) => ({ segment_id, counts: c })) };
  };
  const top = Math.max(...v.customers.map((c) => c.recency_days)) + 1;
  const step = Math.ceil(top / 24);
  const linear = Array.from({ length: 25 }, (_, i) => i * step);
  const log = (from, to, n) => Array.from({ length: n + 1 }, (_, i) => from * (to / from) ** (i / n));
  return {
    recency_days: bins("linear", linear, (c) => c.recency_days),
    frequency: bins("log", log(1, 256, 16), (c) => c.frequency),
    monetary: bins("log", log(1, 1_000_000, 24), (c) => c.monetary),
  };
}

export function migration(from, to) {
  const key = (a, b) => `${a ?? "new"}|${b ?? "gone"}`;
  const flows = new Map();
  for (const c of to.customers) {
    const was = from.byId.get(c.customer_id)?.segment_id ?? null;
    const k = key(was, c.segment_id);
    const f = flows.get(k) ?? { from: was, to: c.segment_id, customers: 0, revenue: 0 };
    f.customers++;
    f.revenue += c.monetary;
    flows.set(k, f);
  }
  return [...flows.values()];
}

export function customer(v, id, lastReference = v.shown.reference_time) {
  const c = v.byId.get(id);
  if (!c) return null;
  const scaled = [c.recency_days / v.scale[0], c.frequency / v.scale[1], c.monetary / v.scale[2]];
  const distances = v.centroids
    .map((k) => ({ segment_id: k.segment_id, segment_name: k.segment_name, centroid: k.centroid, distance: Math.hypot(...k.scaled.map((x, i) => x - scaled[i])) }));
  const below = (f) => v.customers.filter((o) => o[f] < c[f]).length / v.customers.length;
  const merged = { ...c };
  const next = [];
  for (const k of v.centroids.filter((k) => k.segment_id < c.segment_id)) {
    for (let n = 1; n <= 40; n++) {
      const each = c.monetary / c.frequency;
      const p = [0, (c.frequency + n) / v.scale[1], (c.monetary + n * each) / v.scale[2]];
      const d = v.centroids.map((q) => Math.hypot(...q.scaled.map((x, i) => x - p[i])));
      if (v.centroids[d.indexOf(Math.min(...d))].segment_id === k.segment_id) {
        next.push({ segment_id: k.segment_id, segment_name: k.segment_name, orders: n, monetary: n * each, text: `${n} order${n > 1 ? "s" : ""} in 30 days would make this customer ${k.segment_name}` });
        break;
      }
    }
  }
  return {
    customer_id: id, country: c.country, known: true, live: c.live, merged, distances,
    percentiles: { recency_days: below("recency_days"), frequency: below("frequency"), monetary: below("monetary") }, next,
  };
}

export { DAY };
