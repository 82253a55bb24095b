// Numbers, money and times in the reader's locale. Words are English, as the whole dashboard is.
let locale: string | undefined;
let currency: string | null = null;
const made = new Map<string, Intl.NumberFormat>();

export function setFormat(options: { locale?: string | undefined; currency?: string | null }): void {
  if ("locale" in options) locale = options.locale;
  if ("currency" in options) currency = options.currency ?? null;
  made.clear();
}

function number(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify(options);
  let format = made.get(key);
  if (!format) {
    format = new Intl.NumberFormat(locale, options);
    made.set(key, format);
  }
  return format;
}

const isCode = (c: string | null): c is string => !!c && /^[A-Z]{3}$/.test(c);

function withMoney(value: number, options: Intl.NumberFormatOptions): string {
  if (isCode(currency)) return number({ style: "currency", currency, ...options }).format(value);
  const text = number(options).format(value);
  return currency ? `${currency}${text}` : text;
}

/** Below that a number is short enough as it is. */
const FEW = 10_000;
const COMPACT = {
  notation: "compact",
  maximumSignificantDigits: 3,
  useGrouping: "always",
} as const satisfies Intl.NumberFormatOptions;

/** Every digit: for tables and on hover. */
export const exact = (n: number): string => number({ maximumFractionDigits: 4 }).format(n);
const cents = (digits: number) => ({ minimumFractionDigits: digits, maximumFractionDigits: digits });
export const money = (n: number): string =>
  withMoney(n, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
/** Three significant digits at most: for tiles and charts. */
export const short = (n: number): string =>
  Math.abs(n) < FEW ? number({ maximumFractionDigits: Math.abs(n) < 100 ? 1 : 0 }).format(n) : number(COMPACT).format(n);
export const shortMoney = (n: number): string =>
  Math.abs(n) < FEW
    ? withMoney(n, cents(Math.abs(n) < 100 && !Number.isInteger(n) ? 2 : 0))
    : withMoney(n, COMPACT);
export const percent = (share: number): string =>
  number({ style: "percent", maximumFractionDigits: Math.abs(share) < 0.1 && share !== 0 ? 1 : 0 }).format(
    share,
  );
export const percentExact = (share: number): string =>
  number({ style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(share);
export const days = (n: number): string => `${number({ maximumFractionDigits: 1 }).format(n)} d`;
/** Of a column: as many decimals in each row. */
export const mean = (n: number): string => number({ minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(n);
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${exact(n)} ${n === 1 ? one : many}`;

/** What is not there is a dash: the median of nobody. */
export const dash = (n: number | null | undefined, text: (n: number) => string): string =>
  n === null || n === undefined ? "–" : text(n);

/** A count in a tile: exact while it is short enough to read at a glance. */
export const tile = (n: number): string =>
  Math.abs(n) < 100_000 ? number({ maximumFractionDigits: 0 }).format(n) : short(n);

function dated(iso: string, options: Intl.DateTimeFormatOptions): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime())
    ? iso
    : new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options }).format(at);
}
export const date = (iso: string): string => dated(iso, { dateStyle: "medium" });
export const dateTime = (iso: string): string =>
  `${dated(iso, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" })} UTC`;
/** Of lists, where every time is as wide: 24 hours wherever the reader is. */
export const clock = (iso: string): string => dated(iso, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
/** The time today; the day of what happened on another one. */
export const moment = (iso: string): string =>
  iso.slice(0, 10) === new Date().toISOString().slice(0, 10)
    ? clock(iso)
    : dated(iso, { day: "numeric", month: "short" });
export const month = (yearMonth: string): string =>
  dated(`${yearMonth}-01T00:00:00Z`, { month: "short", year: "numeric" });
type By = "day" | "week" | "month" | "year";
/** A period by its first day: "week of Jun 6, 2011", "Jun 2011", "2011". */
export function period(start: string, by: By): string {
  if (by === "year") return start.slice(0, 4);
  if (by === "month") return month(start.slice(0, 7));
  const first = date(`${start}T00:00:00Z`);
  return by === "week" ? `week of ${first}` : first;
}
/** The first day behind the period. */
export function periodEnd(start: string, by: By): string {
  const end = new Date(`${start}T00:00:00Z`);
  if (by === "year") end.setUTCFullYear(end.getUTCFullYear() + 1);
  else if (by === "month") end.setUTCMonth(end.getUTCMonth() + 1);
  else end.setUTCDate(end.getUTCDate() + (by === "week" ? 7 : 1));
  return end.toISOString().slice(0, 10);
}
/** For an axis, where a year stands at its January. */
export const axisMonth = (yearMonth: string): string =>
  yearMonth.endsWith("-01") ? month(yearMonth) : dated(`${yearMonth}-01T00:00:00Z`, { month: "short" });

/** The day before: a reference time is the midnight behind the newest order, unless somebody chose another. */
export const eve = (iso: string): string => new Date(Date.parse(iso) - 86_400_000).toISOString();

/** How long ago, in words: "2 h ago". */
export function ago(iso: string, now: number): string {
  return duration(Math.max(0, now - Date.parse(iso))).concat(" ago");
}

export function duration(ms: number): string {
  const s = ms / 1000;
  if (s < 10) return `${number({ minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(s)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${exact(Math.round(s / 86400))} days`;
}

/** For distances, which are compared. */
export const hundredths = (n: number): string =>
  number({ minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(n);

export const signed = (text: string, value: number): string => `${value > 0 ? "▲" : "▼"} ${text}`;
