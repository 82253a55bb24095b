// Revenue over time, where the server has left long times without an order out.
import type { Revenue, RevenuePoint } from "../api/types";
import { periodEnd } from "./format";

/** A place on the axis of time: a period, or the time that is left out before the next one. */
export type Slot = { point: RevenuePoint } | { from: string; until: string };

export function slotsOf({ points, by }: Pick<Revenue, "points" | "by">): Slot[] {
  return points.flatMap((point, i): Slot[] => {
    const before = points[i - 1];
    const from = before && periodEnd(before.start, by);
    return from && from < point.start ? [{ from, until: point.start }, { point }] : [{ point }];
  });
}

export const hasGaps = (revenue: Pick<Revenue, "points" | "by">): boolean =>
  slotsOf(revenue).length > revenue.points.length;
