import { expect, it } from "vitest";
import { ruleLabel } from "./rules";

it("scores and features have names that can be read", () => {
  expect(ruleLabel({ name: "days_since_order", about: "Days from the last order" })).toBe("Days since order");
  expect(ruleLabel({ name: "r", about: "Recency: 5 points for at most 3 days" })).toBe("Recency");
  expect(ruleLabel({ name: "m", about: "Monetary" })).toBe("Monetary");
  expect(ruleLabel({ name: "x", about: "What no other rule of this shop says" })).toBe("X");
  expect(ruleLabel({ name: "f", about: "" })).toBe("F");
});
