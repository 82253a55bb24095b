// The filters of the customers page: one name in the address, in the API and here.
import type { Measure, Scatter } from "../api/types";

export const measures: Measure[] = ["recency_days", "frequency", "monetary"];
export const plain = [
  "segment",
  "rfm_segment",
  "r",
  "f",
  "m",
  "country",
  "cohort",
  "moved_from",
  "since",
  "ordered_from",
  "ordered_to",
] as const;
const ranges = measures.flatMap((m) => [`min_${m}`, `max_${m}`]);
export const names: string[] = [...plain, ...ranges];

/** The filters that the numbers in the page cannot judge: they need the server. */
export const serverOnly: string[] = plain.filter((n) => n !== "segment");

/** Filters without those that the server said it does not know. */
export function without(filters: Record<string, string>, refused: Set<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(filters).filter(([name]) => !refused.has(name)));
}

/** The filters that an answer with status 400 names, with those that mean nothing alone. */
export function refusedBy(
  problem: { status: number; body: { errors?: { field: string }[] } } | undefined,
  filters: Record<string, string>,
): string[] {
  if (problem?.status !== 400) return [];
  const named = (problem.body.errors ?? []).map((e) => e.field).filter((f) => f in filters);
  if (named.includes("moved_from")) named.push("since");
  if (named.some((n) => n.startsWith("ordered_"))) named.push("ordered_from", "ordered_to");
  return named;
}

export function filtersOf(query: URLSearchParams): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of names) {
    const value = query.get(name);
    if (value) out[name] = value;
  }
  return out;
}

/** Which of the customers pass the filters that are numbers of theirs. */
export function mask(data: Scatter, filters: Record<string, string>, among?: Set<string>): Uint8Array {
  const n = data.customer_id.length;
  const out = new Uint8Array(n).fill(1);
  const segment = filters.segment;
  const bounds = measures.map((m) => ({
    values: data[m],
    lo: filters[`min_${m}`] === undefined ? -Infinity : Number(filters[`min_${m}`]),
    hi: filters[`max_${m}`] === undefined ? Infinity : Number(filters[`max_${m}`]),
  }));
  for (let i = 0; i < n; i++) {
    if (segment !== undefined && `${data.segment_id[i]}` !== segment) out[i] = 0;
    for (const b of bounds) {
      const v = b.values[i] ?? 0;
      if (v < b.lo || v > b.hi) out[i] = 0;
    }
    if (among && !among.has(data.customer_id[i] ?? "")) out[i] = 0;
  }
  return out;
}

export function totals(data: Scatter, passing: Uint8Array): { customers: number; revenue: number } {
  let customers = 0;
  let revenue = 0;
  for (let i = 0; i < passing.length; i++) {
    if (passing[i]) {
      customers++;
      revenue += data.monetary[i] ?? 0;
    }
  }
  return { customers, revenue };
}
