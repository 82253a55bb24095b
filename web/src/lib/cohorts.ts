// How much of the cohorts is shown.
import type { Cohorts } from "../api/types";

export const MOST_MONTHS = 24;

/** How many months after the first are worth a column: up to the last in which somebody of any cohort ordered, but not beyond two years. */
export const monthsAfter = (cohorts: Cohorts["cohorts"]): number =>
  Math.max(0, ...cohorts.map((c) => c.active.slice(0, MOST_MONTHS + 1).findLastIndex((n) => n > 0)));

/** The months, counted from year 0, in which anybody ordered: where nobody did, the shop was not there. */
export const orderedMonths = (cohorts: Cohorts["cohorts"]): Set<number> =>
  new Set(cohorts.flatMap((c) => c.active.flatMap((n, i) => (n > 0 ? [monthNumber(c.month) + i] : []))));

export const monthNumber = (month: string): number => Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7)) - 1;
