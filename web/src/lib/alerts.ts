// Alerts and their patterns, in words and in order.
import type { Alert } from "../api/types";

/** Those that came and those held before, newest first; none twice. */
export function newest(came: Alert[], held: Alert[], limit: number): Alert[] {
  const all = new Map([...held, ...came].map((a) => [a.id, a]));
  return [...all.values()]
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || (a.id < b.id ? -1 : 1))
    .slice(0, limit);
}

/** A name as it stands in a file, in words: "abandoned-cart", "PURCHASE_INTENT". */
export const words = (name: string): string => name.replaceAll(/[_-]+/g, " ").toLowerCase();
