import { describe, expect, it } from "vitest";
import { bounds, step } from "./heat";

describe("heat", () => {
  it("goes from nothing to the last step", () => {
    expect(step(0, 10)).toBe(-1);
    expect(step(10, 10)).toBe(6);
    expect(step(0.01, 10)).toBe(0);
  });
  it("has bounds that agree with its steps", () => {
    bounds(700).forEach((b, i) => {
      expect(step(b + 0.001, 700)).toBe(i);
    });
  });
});
