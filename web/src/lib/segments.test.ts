import { describe, expect, it } from "vitest";
import { contrast, palette, Ranks, Slots, shapes } from "./segments";

describe("the palette", () => {
  it.each(["#ffffff", "#171a20"])("has a contrast of 3:1 on %s", (surface) => {
    for (const colour of palette) expect(contrast(colour, surface), colour).toBeGreaterThanOrEqual(3);
  });
  it("has a shape for each colour", () => {
    expect(new Set(shapes).size).toBe(palette.length);
  });
});

describe("looks", () => {
  const named = (...names: string[]) => names.map((segment_name, segment_id) => ({ segment_id, segment_name }));
  const look = (r: Ranks, id: number, name?: string) => [r.colour(id, name), r.shape(id, name)];
  it("of well-known names are fixed, whatever their ids and their order", () => {
    const then = new Ranks(named("Churn Risk", "High Value VIP"));
    const now = new Ranks(named("High Value VIP", "Loyal / Frequent", "New / Promising", "Churn Risk"));
    expect(look(then, 0)).toEqual(look(now, 3));
    expect(look(now, 0)).toEqual([palette[0], shapes[0]]);
    expect(look(now, 3)).toEqual([palette[3], shapes[3]]);
  });
  it("of other names are the ones left, in the order of ids", () => {
    const ranks = new Ranks([...named("Occasional", "Dormant", "High Value VIP")].reverse());
    expect(ranks.rank(2)).toBe(0);
    expect(look(ranks, 0)).toEqual([palette[4], shapes[4]]);
    expect(look(ranks, 1)).toEqual([palette[5], shapes[5]]);
  });
  it("stay with the name when ids are exchanged, and in the past", () => {
    const slots = new Slots();
    const before = new Ranks(named("Occasional", "Dormant"), slots);
    const after = new Ranks(named("Dormant", "Occasional"), slots);
    expect(look(after, 1)).toEqual(look(before, 0));
    expect(look(after, 0, "Occasional")).toEqual(look(before, 0));
    expect(look(after, 9, "Active Core")).toEqual([palette[6], shapes[6]]);
  });
  it("differ in shape where colours come a second time", () => {
    const ranks = new Ranks(named(...Array.from({ length: 20 }, (_, i) => `Segment ${i}`)));
    expect(new Set(Array.from({ length: 20 }, (_, i) => look(ranks, i).join())).size).toBe(20);
  });
  it("are grey without a segment", () => {
    const ranks = new Ranks(named("Dormant"));
    expect(palette).not.toContain(ranks.colour(9));
    expect(ranks.colour(null, "new")).toBe(ranks.colour(9));
  });
});
