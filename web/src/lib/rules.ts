// What rules measure, in words.
import type { RuleValue } from "../api/types";
import { words } from "./alerts";
import { dateTime, days, exact } from "./format";

/** What a score or a feature is called: its name in words; one of a letter or two by how its description begins. */
export function ruleLabel({ name, about }: Pick<RuleValue, "name" | "about">): string {
  const begins = about?.split(":")[0] ?? "";
  const label = name.length > 2 || begins === "" || begins.length > 20 ? words(name) : begins;
  return label.charAt(0).toUpperCase() + label.slice(1);
}

export function ruleValue({ measure, value }: RuleValue): string {
  if (value === null) return "–";
  if (measure === "first" || measure === "last") return dateTime(new Date(value).toISOString());
  return measure?.startsWith("days_") ? days(value) : exact(Math.round(value * 100) / 100);
}
