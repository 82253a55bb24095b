// Where a number comes from and how old it is, as tooltips say it.
import type { View } from "../api/types";
import { dateTime } from "./format";

export function source(view: View | undefined): string {
  if (!view) return "";
  const live = view.live ? " and the live orders since" : "";
  return `publication ${view.publication}${live} · ${dateTime(view.published_at)}`;
}

export const publicationOnly = (view: View | undefined): string =>
  view ? `publication ${view.publication} · ${dateTime(view.published_at)}` : "";
