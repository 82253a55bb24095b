// A cloud of customers as pixels: each dot is stamped into one image, so that 100,000 of them can be dragged.
export interface Cloud {
  /** Coordinates from 0 to 1, y upwards. */
  x: Float32Array;
  y: Float32Array;
  /** Index into `stamps`. */
  kind: Uint8Array;
  /** The order to draw in: the largest segment first, so that small ones are not hidden. */
  order: Uint32Array;
}

/** What part of the cloud is seen: the lower left corner, and how much of the whole each side shows. */
export interface Window {
  x: number;
  y: number;
  w: number;
  h: number;
}
export const whole: Window = { x: -0.02, y: -0.03, w: 1.04, h: 1.06 };

export interface Stamp {
  dx: Int16Array;
  dy: Int16Array;
  rgba: number;
}

/** Rasterises a shape given in a box of 16 by 16. */
export function stamp(path: string, hex: string, size: number, alpha: number): Stamp {
  const side = Math.max(3, Math.round(size) | 1);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const dx: number[] = [];
  const dy: number[] = [];
  if (context) {
    context.scale(side / 16, side / 16);
    context.fill(new Path2D(path));
    const pixels = context.getImageData(0, 0, side, side).data;
    for (let i = 0; i < side * side; i++) {
      if ((pixels[4 * i + 3] ?? 0) > 110) {
        dx.push((i % side) - (side >> 1));
        dy.push(Math.floor(i / side) - (side >> 1));
      }
    }
  }
  const c = (i: number) => Number.parseInt(hex.slice(i, i + 2), 16);
  return {
    dx: Int16Array.from(dx),
    dy: Int16Array.from(dy),
    rgba: ((Math.round(alpha * 255) << 24) | (c(5) << 16) | (c(3) << 8) | c(1)) >>> 0,
  };
}

/** Draws the cloud; dots that do not pass are drawn first, with the last stamp. */
export function draw(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  cloud: Cloud,
  view: Window,
  stamps: Stamp[],
  passing: Uint8Array | null,
): void {
  if (width < 1 || height < 1) return;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const faint = stamps[stamps.length - 1];
  if (passing && faint) pass(0, () => faint);
  pass(1, (kind) => stamps[kind] ?? faint);
  context.putImageData(image, 0, 0);

  function pass(wanted: number, of: (kind: number) => Stamp | undefined): void {
    const sx = width / view.w;
    const sy = height / view.h;
    for (let n = 0; n < cloud.order.length; n++) {
      const i = cloud.order[n] as number;
      if (passing ? passing[i] !== wanted : wanted === 0) continue;
      const px = (((cloud.x[i] as number) - view.x) * sx) | 0;
      const py = (height - ((cloud.y[i] as number) - view.y) * sy) | 0;
      if (px < -8 || py < -8 || px > width + 8 || py > height + 8) continue;
      const s = of(cloud.kind[i] as number);
      if (!s) continue;
      for (let k = 0; k < s.dx.length; k++) {
        const at = px + (s.dx[k] as number);
        const row = py + (s.dy[k] as number);
        if (at >= 0 && at < width && row >= 0 && row < height) pixels[row * width + at] = s.rgba;
      }
    }
  }
}

/** The dot nearest to a point of the cloud, within `reach` (in units of each axis). */
export function nearest(cloud: Cloud, x: number, y: number, rx: number, ry: number): number {
  let best = 1;
  let found = -1;
  for (let n = cloud.order.length - 1; n >= 0; n--) {
    const i = cloud.order[n] as number;
    const d = (((cloud.x[i] as number) - x) / rx) ** 2 + (((cloud.y[i] as number) - y) / ry) ** 2;
    if (d < best) {
      best = d;
      found = i;
    }
  }
  return found;
}

export interface Scale {
  log: boolean;
  lo: number;
  hi: number;
  /** Of a linear scale: nothing lies between, and it takes little room. */
  gap?: { from: number; to: number };
}

/** Shares of an axis with a gap: of the gap itself, and of the shorter side at least. */
const BREAK = 0.06;
const SIDE = 0.12;

/** A linear scale with the emptiness cut out that would take most of it, if there is one. */
export function withoutGap(s: Scale, values: number[]): Scale {
  if (s.log || s.hi - s.lo < 100) return s;
  const sorted = Float64Array.from(values).sort();
  let gap = { from: s.lo, to: s.lo };
  let before = s.lo;
  for (const v of sorted) {
    if (v - before > gap.to - gap.from) gap = { from: before, to: v };
    before = Math.max(before, v);
  }
  return gap.to - gap.from > (s.hi - s.lo) * 0.6 ? { ...s, gap } : s;
}

/** Where the gap begins on an axis from 0 to 1. */
function sides(s: Scale, gap: { from: number; to: number }): [number, number] {
  const [left, right] = [gap.from - s.lo, s.hi - gap.to];
  const share = Math.min(1 - SIDE, Math.max(SIDE, left / (left + right || 1)));
  return [share * (1 - BREAK), share * (1 - BREAK) + BREAK];
}

export function scaleOf(values: number[], log: boolean): Scale {
  let lo = Infinity;
  let hi = -Infinity;
  for (const v of values) {
    if (log && v <= 0) continue;
    if (v < lo) lo = v;
    if (v > hi) hi = v;
  }
  if (!Number.isFinite(lo)) return { log, lo: log ? 1 : 0, hi: 10 };
  if (!log) lo = Math.min(lo, 0);
  return { log, lo, hi: hi > lo ? hi : lo + 1 };
}
export function unit(s: Scale, value: number): number {
  if (s.gap) {
    const { from, to } = s.gap;
    const [a, b] = sides(s, s.gap);
    if (value <= from) return (a * (value - s.lo)) / (from - s.lo || 1);
    if (value >= to) return b + ((1 - b) * (value - to)) / (s.hi - to || 1);
    return a + ((b - a) * (value - from)) / (to - from);
  }
  if (!s.log) return (value - s.lo) / (s.hi - s.lo);
  return Math.log(Math.max(value, s.lo) / s.lo) / Math.log(s.hi / s.lo);
}
export function back(s: Scale, at: number): number {
  if (s.gap) {
    const { from, to } = s.gap;
    const [a, b] = sides(s, s.gap);
    if (at <= a) return s.lo + (at / a) * (from - s.lo);
    if (at >= b) return to + ((at - b) / (1 - b)) * (s.hi - to);
    return from + ((at - a) / (b - a)) * (to - from);
  }
  return s.log ? s.lo * (s.hi / s.lo) ** at : s.lo + at * (s.hi - s.lo);
}

/** Round numbers for an axis that shows from `a` to `b` of its unit. */
export function ticks(s: Scale, a: number, b: number, wanted: number): number[] {
  const lo = back(s, a);
  const hi = back(s, b);
  if (s.gap && lo < s.gap.to && hi > s.gap.from) {
    const { from, to } = s.gap;
    const share = (left: number, right: number) => Math.max(1, Math.round((wanted * (unit(s, right) - unit(s, left))) / (b - a)));
    const left = lo < from ? round(lo, from, share(lo, from)) : [from];
    const right = hi > to ? round(to, hi, share(to, hi)) : [to];
    return [...(left.length ? left : [from]), ...(right.length ? right : [to])];
  }
  const out: number[] = [];
  if (s.log && hi / lo > 20) {
    const factors = hi / lo > 2000 ? [1] : [1, 3];
    for (let e = Math.floor(Math.log10(lo)); e <= Math.log10(hi); e++) {
      for (const f of factors) if (f * 10 ** e >= lo && f * 10 ** e <= hi) out.push(f * 10 ** e);
    }
    return out;
  }
  return round(lo, hi, wanted);
}

function round(lo: number, hi: number, wanted: number): number[] {
  const raw = (hi - lo) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((f) => f * power >= raw) ?? 10) * power;
  const out: number[] = [];
  for (let v = Math.ceil(lo / step) * step; v <= hi; v += step) out.push(Number(v.toPrecision(12)));
  return out;
}
