import { expect, it } from "vitest";
import { Minute } from "./minute";

it("counts by the times they bear, and only those of the last minute", () => {
  const minute = new Minute();
  for (const at of [1_000_000, 1_041_000, 1_059_000, 1_059_999, 1_100_000]) minute.add(at);
  const counts = minute.before(1_060_500);
  expect(counts).toHaveLength(30);
  expect([counts[18], counts[19], counts[28], counts[29]]).toEqual([0, 1, 2, 0]);
  expect(counts.reduce((a, b) => a + b)).toBe(3);
  expect(minute.before(1_101_000).reduce((a, b) => a + b)).toBe(3);
});
