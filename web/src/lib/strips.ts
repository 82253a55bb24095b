// The bars of the distributions of recency, orders and spend: as a chart, as a table, and as filters.
import type { Distribution, Measure } from "../api/types";
import { measures } from "./filters";
import { days, exact, money } from "./format";
import { href } from "./router.svelte";
import type { Column } from "./table";

export interface Bin {
  measure: Measure;
  from: number;
  to: number;
  all: number;
  own: number;
  href: string;
}

const names: Record<Measure, string> = { recency_days: "Recency", frequency: "Orders", monetary: "Spend" };
const text: Record<Measure, (n: number) => string> = {
  recency_days: (n) => days(Math.round(n)),
  frequency: (n) => exact(Math.round(n)),
  monetary: money,
};

/** The customers of one bar: from its lower edge to just below the next; the last bar has no upper edge. */
export function behind(measure: Measure, from: number, to: number | null): Record<string, number | null> {
  const cents = (n: number) => Number(n.toFixed(2));
  const lo = measure === "monetary" ? cents(from) : Math.ceil(from);
  const hi = to === null ? null : measure === "monetary" ? cents(to - 0.01) : Math.ceil(to) - 1;
  return { [`min_${measure}`]: lo, [`max_${measure}`]: hi };
}

export function bins(data: Distribution | undefined, segment: number | null): Bin[] {
  if (!data) return [];
  return measures.flatMap((measure) => {
    const { edges, counts, by_segment } = data[measure];
    const own = by_segment.find((s) => s.segment_id === segment)?.counts ?? [];
    return counts.map((all, i) => {
      const from = edges[i] ?? 0;
      const to = edges[i + 1] ?? from;
      const last = i === counts.length - 1;
      return {
        measure,
        from,
        to,
        all,
        own: own[i] ?? 0,
        href: href("/customers", behind(measure, from, last ? null : to)),
      };
    });
  });
}

export const binColumns = (segment: string): Column<Bin>[] => [
  {
    key: "m",
    label: "Of",
    text: (b) => `${names[b.measure]} ${text[b.measure](b.from)} to ${text[b.measure](b.to)}`,
    href: (b) => b.href,
    lead: true,
  },
  { key: "all", label: "Customers", text: (b) => exact(b.all), num: true },
  { key: "own", label: segment, text: (b) => exact(b.own), num: true },
];
