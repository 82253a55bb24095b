import { describe, expect, it } from "vitest";
import { hasGaps, slotsOf } from "./gaps";

const point = (start: string) => ({ start, revenue: 1, orders: 1, segments: [] });

describe("slots of an axis of time", () => {
  it("are the periods, and one for what is left out between two", () => {
    const points = ["2011-11-01", "2011-12-01", "2026-11-01"].map(point);
    expect(slotsOf({ points, by: "month" })).toEqual([
      { point: points[0] },
      { point: points[1] },
      { from: "2012-01-01", until: "2026-11-01" },
      { point: points[2] },
    ]);
    expect(hasGaps({ points, by: "month" })).toBe(true);
  });
  it("are the periods alone where none is missing", () => {
    for (const [by, starts] of [
      ["year", ["2011-01-01", "2012-01-01", "2013-01-01"]],
      ["week", ["2012-02-27", "2012-03-05"]],
      ["day", []],
    ] as const)
      expect(hasGaps({ points: starts.map(point), by })).toBe(false);
  });
});
