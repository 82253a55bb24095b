// Made-up live orders of a real publication, as server-sent events with positions.
import { customer as batchCustomer, figures } from "./data.mjs";

const goods = [
  ["85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 2.55], ["22423", "REGENCY CAKESTAND 3 TIER", 12.75],
  ["47566", "PARTY BUNTING", 4.95], ["84879", "ASSORTED COLOUR BIRD ORNAMENT", 1.69],
  ["23084", "RABBIT NIGHT LIGHT", 2.08], ["22720", "SET OF 3 CAKE TINS PANTRY DESIGN", 4.95],
  ["21034", "REX CASH+CARRY JUMBO SHOPPER", 0.95], ["22197", "POPCORN HOLDER", 0.85],
];

export class Live {
  constructor(view, publication, rate) {
    Object.assign(this, { view, publication, clients: new Set(), orders: [], changes: [], invoice: 990000, seed: 42, since: new Date().toISOString(), lines: 0, down: false });
    this.figures = figures(view);
    this.order = [...view.customers].sort((a, b) => b.frequency - a.frequency).slice(0, 900);
    if (rate > 0) setInterval(() => this.down || this.demo(1), 1000 / rate).unref();
    setInterval(() => this.send("view", "view", this.viewEvent()), 1000).unref();
    setInterval(() => { for (const c of this.clients) c.res.write(": beat\n\n"); }, 10_000).unref();
  }
  random() {
    this.seed = (this.seed * 1103515245 + 12345) % 2147483648;
    return this.seed / 2147483648;
  }
  state() {
    return { connected: !this.down, since: this.since, lines_since_publication: this.lines, newest_order_at: this.orders.at(-1)?.ordered_at ?? null, lag: 0, error: null };
  }
  viewEvent() {
    return { publication: this.publication, version: this.lines, ...this.figures, lines_since_publication: this.lines, lag: 0, rates: { orders_per_second: 3 }, connected: !this.down, since: this.since };
  }
  of(id) {
    return this.orders.filter((o) => o.customer_id === id).reverse();
  }
  changesOf(id) {
    return this.changes.filter((c) => c.customer_id === id).map((c) => ({ ...c }));
  }
  demo(count, customer_id) {
    for (let i = 0; i < count; i++) {
      const c = customer_id ?? (this.random() < 0.05 ? `${20000 + Math.floor(this.random() * 900)}` : this.order[Math.floor(this.random() ** 2 * this.order.length)].customer_id);
      const [stock_code, description, unit_price] = goods[Math.floor(this.random() * goods.length)];
      this.add({ invoice: `${this.invoice++}`, stock_code, description, quantity: 1 + Math.floor(this.random() ** 3 * 48), unit_price, customer_id: c, country: "United Kingdom", ordered_at: new Date().toISOString() });
    }
    return count;
  }
  add(o) {
    const c = this.view.byId.get(o.customer_id);
    const amount = Math.round(o.quantity * o.unit_price * 100) / 100;
    const seg = c ?? { segment_id: 2, segment_name: "New / Promising" };
    const order = {
      ...o, amount, segment_id: seg.segment_id, segment_name: seg.segment_name, batch_segment_id: c?.segment_id ?? null, batch_segment_name: c?.segment_name ?? null,
      known: !!c, publication: this.publication, received_at: new Date().toISOString(),
    };
    this.orders.push(order);
    this.lines++;
    this.figures = { ...this.figures, revenue: this.figures.revenue + amount, orders: this.figures.orders + 1, customers: this.figures.customers + (c ? 0 : 1) };
    this.send("orders", "order", order, this.orders.length);
    if (this.random() < 0.15 || !c) {
      const names = ["High Value VIP", "Loyal / Frequent", "New / Promising", "Churn Risk"];
      const to = c ? Math.max(0, seg.segment_id - 1) : 2, from = c ? seg.segment_id : null;
      if (to === from) return;
      const change = { customer_id: o.customer_id, from, to, from_name: from === null ? null : names[from], to_name: names[to], reason: "order", at: order.received_at, publication: this.publication };
      this.changes.push(change);
      this.send("changes", "change", change, this.changes.length);
    }
  }
  customer(v, id) {
    const c = batchCustomer(v, id);
    const suffix = this.orders.filter((o) => o.customer_id === id);
    if (!suffix.length) return c && { ...c, batch: c.merged };
    const base = c?.merged ?? { customer_id: id, country: "United Kingdom", segment_id: 2, segment_name: "New / Promising", r_score: 5, f_score: 1, m_score: 1, rfm_segment: "New", recency_days: 0, frequency: 0, monetary: 0, first_order_at: suffix[0].ordered_at };
    const merged = { ...base, recency_days: 0, frequency: base.frequency + suffix.length, monetary: base.monetary + suffix.reduce((a, o) => a + o.amount, 0), last_order_at: suffix.at(-1).ordered_at, live: true };
    return { customer_id: id, country: base.country, distances: [], percentiles: { recency_days: 0, frequency: 0.5, monetary: 0.5 }, next: [], ...c, known: !!c, live: true, merged, batch: c?.merged ?? null };
  }
  stream(name, q, req, res) {
    if (this.down) return res.writeHead(503, { "content-type": "application/problem+json" }).end('{"status":503,"title":"No broker","detail":"lost"}');
    res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    const client = { name, res, customer: q.get("customer"), segment: q.get("segment") };
    const last = Number((req.headers["last-event-id"] ?? q.get("last_event_id") ?? "").split(":")[1] ?? Number.NaN);
    const list = name === "orders" ? this.orders : name === "changes" ? this.changes : [];
    const start = Number.isNaN(last) ? Math.max(0, list.length - 20) : last;
    list.slice(start).forEach((d, i) => this.write(client, name.replace(/s$/, ""), d, start + i + 1));
    if (name === "view") this.write(client, "view", this.viewEvent());
    this.clients.add(client);
    req.on("close", () => this.clients.delete(client));
  }
  write(c, event, d, id) {
    if ((c.customer && d.customer_id !== c.customer) || (c.segment && `${d.segment_id}` !== c.segment)) return;
    c.res.write(`${id ? `id: 0:${id}\n` : ""}event: ${event}\ndata: ${JSON.stringify(d)}\n\n`);
  }
  send(name, event, d, id) {
    for (const c of this.clients) if (c.name === name) this.write(c, event, d, id);
  }
  drop(down) {
    this.down = down;
    this.since = new Date().toISOString();
    if (down) for (const c of this.clients) c.res.destroy();
  }
}
