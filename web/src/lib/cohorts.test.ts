import { describe, expect, it } from "vitest";
import { monthNumber, monthsAfter, orderedMonths } from "./cohorts";

const cohort = (active: number[]) => ({ month: "2010-12", customers: active[0] ?? 0, active });

describe("columns of cohorts", () => {
  it("end with the last month in which somebody ordered", () => {
    expect(monthsAfter([cohort([5, 2, 0, 1, 0, 0]), cohort([3, 0])])).toBe(3);
    expect(monthsAfter([cohort([5])])).toBe(0);
    expect(monthsAfter([])).toBe(0);
  });
  it("do not go beyond two years for one who came back after fifteen", () => {
    expect(monthsAfter([cohort([5, 2, ...Array.from({ length: 177 }, () => 0), 1])])).toBe(1);
  });
});

it("months are those in which anybody ordered", () => {
  const months = [monthNumber("2010-12"), monthNumber("2011-01"), monthNumber("2011-03")];
  expect([...orderedMonths([cohort([5, 2, 0, 1, 0])])]).toEqual(months);
});
