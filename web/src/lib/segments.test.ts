import { describe, expect, it } from "vitest";
import { contrast, palette, Ranks, shapes } from "./segments";

describe("the palette", () => {
  it.each(["#ffffff", "#171a20"])("has a contrast of 3:1 on %s", (surface) => {
    for (const colour of palette) expect(contrast(colour, surface), colour).toBeGreaterThanOrEqual(3);
  });
  it("has a shape for each colour", () => {
    expect(new Set(shapes).size).toBe(palette.length);
  });
});

describe("ranks", () => {
  const ranks = new Ranks([{ segment_id: 7 }, { segment_id: 2 }]);
  it("follow the order of the segments, not their ids", () => {
    expect(ranks.colour(7)).toBe(palette[0]);
    expect(ranks.colour(2)).toBe(palette[1]);
  });
  it("leave a segment that is gone grey", () => {
    expect(palette).not.toContain(ranks.colour(9));
    expect(ranks.colour(null)).toBe(ranks.colour(9));
  });
});
