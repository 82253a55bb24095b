import { describe, expect, it } from "vitest";
import type { Alert } from "../api/types";
import { newest, words } from "./alerts";

const alert = (id: string, at: string) => ({ id, at }) as Alert;

describe("alerts", () => {
  it("stand newest first, whichever way they came, and once", () => {
    const late = alert("late", "2026-11-22T10:00:00.100Z");
    const held = [alert("c", "2026-11-22T10:00:02Z"), alert("b", "2026-11-22T10:00:01Z"), alert("a", "2026-11-22T10:00:01Z")];
    expect(newest([late, held[0] as Alert], held, 9).map((a) => a.id)).toEqual(["c", "a", "b", "late"]);
    expect(newest([late], held, 2).map((a) => a.id)).toEqual(["c", "a"]);
  });
  it("are named in words", () => {
    expect(words("PURCHASE_COMPLETION")).toBe("purchase completion");
    expect(words("abandoned-cart")).toBe("abandoned cart");
  });
});
