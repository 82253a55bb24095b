// One colour and one shape per segment, by its rank: the segments in the order of their monetary centroid.
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

const at = <T>(list: readonly T[], rank: number): T => list[rank % list.length] as T;

/** The rank of each segment of the present publication; a segment that is gone has none. */
export class Ranks {
  readonly #ranks: Map<number, number>;
  constructor(segments: { segment_id: number }[]) {
    this.#ranks = new Map(segments.map((s, rank) => [s.segment_id, rank]));
  }
  rank(id: number | null | undefined): number | undefined {
    return id === null || id === undefined ? undefined : this.#ranks.get(id);
  }
  colour(id: number | null | undefined): string {
    const rank = this.rank(id);
    return rank === undefined ? "#7f8794" : at(palette, rank);
  }
  shape(id: number | null | undefined): string {
    const rank = this.rank(id);
    return rank === undefined ? "M3 7h10v2H3Z" : at(shapes, rank);
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
