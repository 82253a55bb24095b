// How much of the cohorts is shown.
import type { Cohorts } from "../api/types";

export const MOST_MONTHS = 24;

/** How many months after the first are worth a column: up to the last in which somebody of any cohort ordered, but not beyond two years. */
export const monthsAfter = (cohorts: Cohorts["cohorts"]): number =>
  Math.max(0, ...cohorts.map((c) => c.active.slice(0, MOST_MONTHS + 1).findLastIndex((n) => n > 0)));
