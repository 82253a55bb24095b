// Titles that state what a chart shows, computed from what it shows.
import type {
  Cohorts,
  GridCell,
  Measure,
  Migration,
  Overview,
  Quality,
  Revenue,
  Rfm,
  RfmGrid,
  Segment,
  Segments,
} from "../api/types";
import { count, date, exact, month, percent, percentExact, period, shortMoney } from "./format";

/** The segment whose share of the revenue is largest beside its share of the customers. */
export function segmentsFinding(segments: Segment[]): string {
  const best = top(
    segments.filter((s) => s.customers > 0),
    (s) => s.share_revenue / s.share_customers,
  );
  if (!best) return "No segment has a customer yet";
  return `${exact(best.customers)} ${best.segment_name} ${best.customers === 1 ? "customer brings" : "customers bring"} ${percent(best.share_revenue)} of the revenue`;
}

export function gridFinding(grid: RfmGrid, by: "customers" | "revenue"): string {
  const total = sum(grid.names.map((n) => n[by]));
  const best = top(grid.names, (n) => n[by]);
  if (!best || total === 0) return "No customer has a score yet";
  return by === "revenue"
    ? `${best.rfm_segment} bring ${percent(best.revenue / total)} of the revenue`
    : `${exact(best.customers)} customers are ${best.rfm_segment}, the largest group`;
}

export function profileFinding(all: Rfm, segments: Segment[]): string {
  const times = (s: Segment) => ratio(s.median ?? nothing, all, "frequency");
  const best = top(segments.filter(typical), times);
  if (!best) return "No segment has a profile yet";
  return times(best) > 1.5
    ? `${best.segment_name} order ${exact(Math.round(times(best)))} times as often as the median customer`
    : "The segments order about equally often";
}

export function revenueFinding(revenue: Revenue): string {
  const best = top(revenue.points, (p) => p.revenue);
  if (!best) return "No revenue yet";
  const when = period(best.start, revenue.by);
  const at = { day: `on ${when}`, week: `in the ${when}`, month: `in ${when}`, year: `in ${when}` }[revenue.by];
  return `Revenue peaked at ${shortMoney(best.revenue)} ${at}`;
}

/** How much of the revenue the best tenth of the customers brings. */
export function paretoFinding(spend: number[]): string {
  const all = sum(spend);
  if (all <= 0) return "No revenue yet";
  const best = Float64Array.from(spend)
    .sort()
    .reverse()
    .subarray(0, Math.max(1, Math.round(spend.length / 10)));
  return `The best tenth of the customers bring ${percent(best.reduce((a, b) => a + b, 0) / all)} of the revenue`;
}

export function cohortFinding(cohorts: Cohorts): string {
  const back = cohorts.cohorts.filter((c) => c.active.length > 1 && c.customers > 0);
  const best = top(back, (c) => (c.active[1] ?? 0) / c.customers);
  if (!best) return "It takes two months of orders to see who comes back";
  const all = sum(back.map((c) => c.active[1] ?? 0)) / sum(back.map((c) => c.customers));
  return `${percent(all)} of new customers order again in the month after their first`;
}

export function migrationFinding(migration: Migration): string {
  const names = (list: { segment_name: string }[]) => list.map((s) => s.segment_name).sort().join();
  // Other segments than then: there is no up and down between them.
  if (names(migration.segments_from) !== names(migration.segments_to)) {
    return "The segments themselves are others than then";
  }
  const rank = new Map(migration.segments_to.map((s, i) => [s.segment_id, i]));
  const was = new Map(migration.segments_from.map((s, i) => [s.segment_id, i]));
  let up = 0;
  let down = 0;
  let fresh = 0;
  for (const f of migration.flows) {
    if (f.from === null) fresh += f.customers;
    else if (f.to !== null) {
      const step = (rank.get(f.to) ?? 0) - (was.get(f.from) ?? 0);
      if (step < 0) up += f.customers;
      if (step > 0) down += f.customers;
    }
  }
  if (up + down + fresh === 0) return "Nobody changed segment";
  return `${exact(up)} customers moved up, ${exact(down)} moved down, ${exact(fresh)} ${fresh === 1 ? "is" : "are"} new`;
}

export function qualityFinding(quality: Quality): string {
  const worst = top(quality.by_reason, (r) => r.lines);
  if (!worst || quality.rejected === 0) return "Every line read was accepted";
  const share = quality.rejected / Math.max(1, quality.read);
  return `${percent(share)} of the lines read were refused, most because of ${words(worst.reason)}`;
}

export function elbowFinding(model: { k: number; silhouette: number | null }): string {
  const s = model.silhouette;
  if (s === null) return `${model.k} segments; their separation was not measured`;
  return `${model.k} segments, ${s > 0.5 ? "well" : s > 0.25 ? "fairly" : "poorly"} separated (silhouette ${exact(Math.round(s * 1000) / 1000)})`;
}

export function changeSummary(now: Overview): string {
  const was = now.previous;
  if (!was) return "There is no earlier publication to compare with.";
  return `Since publication ${was.publication}: ${count(now.customers - was.customers, "customer")}, ${shortMoney(now.revenue - was.revenue)}, ${count(now.orders - was.orders, "order")} more.`;
}

/** The cells of the grid, best first row: recency 5 to 1 downwards, frequency 1 to 5 to the right. */
export function gridRows(cells: GridCell[]): GridCell[][] {
  return [5, 4, 3, 2, 1].map((r) => cells.filter((c) => c.r === r).sort((a, b) => a.f - b.f));
}

const nothing: Rfm = { recency_days: 0, frequency: 0, monetary: 0 };
/** The median customer of a segment; one that is empty at present has none. */
export const typical = (s: Segment | undefined): Rfm | null => s?.median ?? null;
export const average = (s: Segment | undefined): Rfm | null => s?.mean ?? null;
export const overall = (s: Segments): Rfm => s.all.median ?? nothing;

export const ratio = (a: Rfm, b: Rfm, m: Measure): number => (b[m] > 0 ? a[m] / b[m] : 1);
export const words = (reason: string): string => reason.replaceAll("_", " ");
export const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);
export function top<T>(list: readonly T[], of: (item: T) => number): T | undefined {
  return list.reduce<T | undefined>(
    (best, x) => (best === undefined || of(x) > of(best) ? x : best),
    undefined,
  );
}

export function segmentSummary(s: Segments): string {
  return s.segments
    .map(
      (x) =>
        `${x.segment_name}: ${count(x.customers, "customer")} (${percentExact(x.share_customers)}), ${percentExact(x.share_revenue)} of the revenue`,
    )
    .join("; ");
}
