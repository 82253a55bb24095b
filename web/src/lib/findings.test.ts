import { beforeAll, describe, expect, it } from "vitest";
import type { Migration, Quality, Revenue, Segment } from "../api/types";
import * as f from "./findings";
import { ago, clock, money, percent, percentExact, periodEnd, setFormat, short, shortMoney, tile } from "./format";

beforeAll(() => setFormat({ locale: "en-US", currency: "GBP" }));

const rfm = { recency_days: 1, frequency: 1, monetary: 1 };
const segment = (name: string, customers: number, share_customers: number, share_revenue: number) =>
  ({ segment_id: 0, segment_name: name, customers, share_customers, share_revenue, median: rfm }) as Segment;

describe("findings", () => {
  it("name the segment that brings most for its size", () => {
    const list = [segment("VIP", 13, 0.003, 0.186), segment("Churn Risk", 1061, 0.245, 0.057)];
    expect(f.segmentsFinding(list)).toBe("13 VIP customers bring 19% of the revenue");
    expect(f.segmentsFinding([segment("VIP", 1, 0.003, 0.186)])).toBe(
      "1 VIP customer brings 19% of the revenue",
    );
    expect(f.segmentsFinding([])).toBe("No segment has a customer yet");
  });
  it("leave out who is not there: the centre of an empty segment is nobody's median", () => {
    const empty = { ...segment("Dormant", 0, 0, 0), median: null, centroid: { ...rfm, frequency: 90 } } as unknown as Segment;
    const often = { ...segment("VIP", 1, 1, 1), median: { ...rfm, frequency: 3 } } as Segment;
    expect(f.profileFinding(rfm, [empty, often])).toBe("VIP order 3 times as often as the median customer");
    expect(f.profileFinding(rfm, [empty])).toBe("No segment has a profile yet");
    expect(f.typical(empty)).toBeNull();
  });
  it("say when revenue peaked, in the words of the period", () => {
    const peak = (by: Revenue["by"], start: string) =>
      f.revenueFinding({ by, points: [{ start, revenue: 31_100, orders: 1, segments: [] }] } as unknown as Revenue);
    expect(peak("day", "2011-06-06")).toBe("Revenue peaked at £31.1K on Jun 6, 2011");
    expect(peak("week", "2011-06-06")).toBe("Revenue peaked at £31.1K in the week of Jun 6, 2011");
    expect(peak("month", "2011-06-01")).toBe("Revenue peaked at £31.1K in Jun 2011");
    expect(peak("year", "2011-01-01")).toBe("Revenue peaked at £31.1K in 2011");
    expect(periodEnd("2011-12-01", "month")).toBe("2012-01-01");
    expect(periodEnd("2011-01-01", "year")).toBe("2012-01-01");
    expect(periodEnd("2011-12-26", "week")).toBe("2012-01-02");
  });
  it("keep columns straight: times of 24 hours, shares of two decimals", () => {
    expect(clock("2026-11-22T00:05:09Z")).toBe("00:05:09");
    expect(percentExact(0.542)).toBe("54.20%");
    expect(shortMoney(2.5)).toBe("£2.50");
  });
  it("say who moved, by rank and not by id", () => {
    const flows = [
      { from: 5, to: 9, customers: 3, revenue: 0 },
      { from: 9, to: 5, customers: 2, revenue: 0 },
      { from: null, to: 5, customers: 1, revenue: 0 },
    ];
    const both = [{ segment_id: 9 }, { segment_id: 5 }];
    const m = { flows, segments_from: both, segments_to: both } as unknown as Migration;
    expect(f.migrationFinding(m)).toBe("3 customers moved up, 2 moved down, 1 is new");
  });
  it("say what was refused", () => {
    const q = { read: 100, rejected: 27, by_reason: [{ reason: "missing_customer", lines: 27 }] } as Quality;
    expect(f.qualityFinding(q)).toBe("27% of the lines read were refused, most because of missing customer");
    expect(f.qualityFinding({ ...q, rejected: 0 })).toBe("Every line read was accepted");
  });
});

describe("numbers", () => {
  it("are short in tiles and exact elsewhere", () => {
    expect(shortMoney(8_911_407.904)).toBe("£8.91M");
    expect(money(8_911_407.904)).toBe("£8,911,407.90");
    expect(tile(18_532)).toBe("18,532");
    expect(tile(397_884)).toBe("398K");
    expect(short(0)).toBe("0");
    expect(percent(0.2446)).toBe("24%");
    expect(percent(0.0569)).toBe("5.7%");
  });
  it("follow the locale and the currency", () => {
    setFormat({ locale: "de-DE", currency: "EUR" });
    expect(money(1234.5).replace(/\s/g, " ")).toBe("1.234,50 €");
    setFormat({ locale: "en-GB", currency: null });
    expect(money(1234.5)).toBe("1,234.50");
    setFormat({ locale: "en-GB", currency: "£" });
    expect(money(1234.5)).toBe("£1,234.50");
  });
  it("tell time in words", () => {
    const now = Date.parse("2026-01-01T12:00:00Z");
    expect(ago("2026-01-01T11:59:59.800Z", now)).toBe("0.2 s ago");
    expect(ago("2026-01-01T10:00:00Z", now)).toBe("2 h ago");
  });
});
