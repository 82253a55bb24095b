import { describe, expect, it } from "vitest";
import { back, scaleOf, ticks, unit, withoutGap } from "./scatter";

describe("scales", () => {
  it("go there and back", () => {
    for (const log of [false, true]) {
      const s = scaleOf([3, 50, 7000], log);
      for (const v of [3, 50, 7000]) expect(back(s, unit(s, v))).toBeCloseTo(v);
    }
  });
  it("begin at zero where they are linear", () => {
    expect(scaleOf([3, 50], false).lo).toBe(0);
  });
  it("hold values that a logarithm cannot", () => {
    const s = scaleOf([0, 10, 100], true);
    expect(s.lo).toBe(10);
    expect(unit(s, 0)).toBe(0);
  });
  it("cut out the emptiness that would take most of a linear one", () => {
    const days = [0, 1, 3, 5400, 5500, 5774];
    const s = withoutGap(scaleOf(days, false), days);
    expect(s.gap).toEqual({ from: 3, to: 5400 });
    for (const v of [...days, 2000]) expect(back(s, unit(s, v))).toBeCloseTo(v);
    expect(unit(s, 5400) - unit(s, 3)).toBeCloseTo(0.06);
    expect(unit(s, 3)).toBeGreaterThan(0.1);
    expect(ticks(s, 0, 1, 5)).toEqual([0, 5400, 5500, 5600, 5700]);
    const even = [0, 100, 200, 300];
    expect(withoutGap(scaleOf(even, false), even).gap).toBeUndefined();
  });
  it("have round ticks", () => {
    expect(ticks({ log: false, lo: 0, hi: 374 }, 0, 1, 5)).toEqual([0, 100, 200, 300]);
    expect(ticks({ log: true, lo: 3.75, hi: 280206 }, 0, 1, 5)).toEqual([10, 100, 1000, 10000, 100000]);
  });
});
