import { describe, expect, it } from "vitest";
import type { Scatter } from "../api/types";
import { filtersOf, mask, refusedBy, totals, without } from "./filters";

const data = {
  customer_id: ["1", "2", "3"],
  recency_days: [1, 50, 300],
  frequency: [9, 2, 1],
  monetary: [900, 20, 10],
  segment_id: [0, 1, 1],
} as unknown as Scatter;

describe("filters", () => {
  it("are read from the address, unknown names left out", () => {
    expect(filtersOf(new URLSearchParams("segment=1&max_monetary=20&table=x"))).toEqual({
      segment: "1",
      max_monetary: "20",
    });
  });
  it("judge the numbers in the page, bounds included", () => {
    expect([...mask(data, { segment: "1" })]).toEqual([0, 1, 1]);
    expect([...mask(data, { segment: "1", max_recency_days: "50" })]).toEqual([0, 1, 0]);
    expect([...mask(data, {}, new Set(["3"]))]).toEqual([0, 0, 1]);
  });
  it("are left out when the server names them", () => {
    const given = { segment: "1", ordered_from: "2011-12-05", ordered_to: "2011-12-12" };
    const refused = refusedBy({ status: 400, body: { errors: [{ field: "ordered_from" }] } }, given);
    expect(without(given, new Set(refused))).toEqual({ segment: "1" });
    expect(refusedBy({ status: 500, body: {} }, given)).toEqual([]);
    expect(refusedBy({ status: 400, body: { errors: [{ field: "limit" }] } }, given)).toEqual([]);
  });
  it("are summed up", () => {
    expect(totals(data, mask(data, { segment: "1" }))).toEqual({ customers: 2, revenue: 30 });
  });
});
