// One colour and one shape per name of a segment: ids change with each calculation, names are what people know.
// The hues are Okabe and Ito's (the first made a little darker) and a continuation chosen the same way: each has
// a contrast of at least 3:1 on the light and on the dark surface; src/lib/segments.test.ts measures it.
export const palette = [
  "#c065a0",
  "#0072b2",
  "#009e73",
  "#d55e00",
  "#7c6bc4",
  "#7a6a00",
  "#5f7f8c",
  "#a0522d",
  "#5c7a29",
  "#b0485a",
] as const;

/** Shapes in a box of 16 by 16, so that colour is never alone. */
export const shapes = [
  "M8 1.5 14.5 8 8 14.5 1.5 8Z",
  "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Z",
  "M8 2 14.6 13.5H1.4Z",
  "M2.5 2.5h11v11h-11Z",
  "M6 2h4v4h4v4h-4v4H6v-4H2V6h4Z",
  "M8 14 1.4 2.5h13.2Z",
  "M8 1.5 14.5 6.3 12 14H4L1.5 6.3Z",
  "M5 2h6l4 6-4 6H5L1 8Z",
  "M2 5h12v6H2Z",
  "M5 2h6v12H5Z",
] as const;

const at = <T>(list: readonly T[], slot: number): T => list[slot % list.length] as T;

/** The names that a model of four segments is given, in the order of their spending. */
const known = ["High Value VIP", "Loyal / Frequent", "New / Promising", "Churn Risk"];

/** Which look a name has: names that are not well known take the next one that is free, and keep it. */
export class Slots {
  readonly #slots = new Map(known.map((name, slot) => [name, slot]));
  of(name: string): number {
    const slot = this.#slots.get(name) ?? this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }
}

type Id = number | null | undefined;
type Name = string | null | undefined;

/** Rank and look of the present segments; those of the past are known by their names alone. */
export class Ranks {
  readonly #ranks: Map<number, number>;
  readonly #names: Map<number, string>;
  readonly #slots: Slots;
  constructor(segments: { segment_id: number; segment_name: string }[], slots = new Slots()) {
    this.#ranks = new Map(segments.map((s, rank) => [s.segment_id, rank]));
    this.#names = new Map(segments.map((s) => [s.segment_id, s.segment_name]));
    this.#slots = slots;
    for (const s of [...segments].sort((a, b) => a.segment_id - b.segment_id)) slots.of(s.segment_name);
  }
  /** The place in the order of segments, which is that of their monetary centroids. */
  rank(id: Id): number | undefined {
    return id === null || id === undefined ? undefined : this.#ranks.get(id);
  }
  /** `name`: where the id is one of another calculation. */
  colour(id: Id, name?: Name): string {
    const slot = this.#slot(id, name);
    return slot === undefined ? "#7f8794" : at(palette, slot);
  }
  shape(id: Id, name?: Name): string {
    const slot = this.#slot(id, name);
    // Colours that come a second time come with another shape.
    return slot === undefined ? "M3 7h10v2H3Z" : at(shapes, slot + 3 * Math.floor(slot / shapes.length));
  }
  #slot(id: Id, name: Name): number | undefined {
    if (id === null || id === undefined) return undefined;
    const own = name ?? this.#names.get(id);
    return own === undefined ? undefined : this.#slots.of(own);
  }
}

export function luminance(hex: string): number {
  const channel = (i: number) => {
    const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

export function contrast(a: string, b: string): number {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (hi + 0.05) / (lo + 0.05);
}
