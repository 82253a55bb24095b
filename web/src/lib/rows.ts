// The rows of a live list: orders and changes of segment together.
import type { LiveChange, LiveOrder } from "../api/types";

export type LiveRow = { key: string; at: string } & ({ order: LiveOrder } | { change: LiveChange });
type Held<T> = { id: number; data: T }[];

/** Newest first, by when they arrived: `at` of a change may lie ahead. */
export function rowsOf(orders: Held<LiveOrder>, changes: Held<LiveChange>, limit: number): LiveRow[] {
  const all: LiveRow[] = [
    ...orders.slice(0, limit).map((o) => ({ key: `o${o.id}`, at: o.data.received_at ?? o.data.ordered_at, order: o.data })),
    ...changes
      .filter((c) => renames(c.data))
      .map((c) => ({ key: `c${c.id}`, at: c.data.received_at, change: c.data })),
  ];
  return all.sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, limit);
}

/** Whether a change of segment is one for a reader, who knows segments by their names. */
export const renames = (c: Pick<LiveChange, "from_name" | "to_name">): boolean =>
  c.from_name === null || c.from_name !== c.to_name;
