import { describe, expect, it } from "vitest";
import type { LiveChange, LiveOrder } from "../api/types";
import { rowsOf } from "./rows";

const order = (id: number, received_at: string) => ({ id, data: { received_at } as LiveOrder });
const change = (id: number, more: Partial<LiveChange>) =>
  ({ id, data: { from: 0, from_name: "Occasional", to: 1, to_name: "Dormant", reason: "time", ...more } as LiveChange });

describe("rows of a live list", () => {
  it("stand by when they arrived, also a change that is of tomorrow", () => {
    const rows = rowsOf(
      [order(2, "2026-11-22T10:00:00.250Z"), order(1, "2026-11-22T10:00:00Z")],
      [change(1, { at: "2026-11-23T00:00:00Z", received_at: "2026-11-22T10:00:00.100Z" })],
      9,
    );
    expect(rows.map((r) => r.key)).toEqual(["o2", "c1", "o1"]);
  });
  it("leave out changes to a segment of the same name, not those of new customers", () => {
    const same = change(1, { received_at: "2026-11-22T09:00:00Z", to_name: "Occasional" });
    const fresh = change(2, { received_at: "2026-11-22T09:00:00Z", from: null, from_name: null });
    expect(rowsOf([], [same, fresh], 9).map((r) => r.key)).toEqual(["c2"]);
  });
});
