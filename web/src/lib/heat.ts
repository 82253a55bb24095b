// One hue in seven steps. The step between the fifth and the sixth is wider, so that the ink on every step has
// enough contrast: dark ink on light steps, light ink on the others (and the reverse on a dark surface).
const OPACITY = [0.05, 0.14, 0.26, 0.4, 0.54, 0.82, 0.97] as const;

export function step(value: number, max: number): number {
  if (max <= 0 || value <= 0) return -1;
  return Math.min(OPACITY.length - 1, Math.floor(Math.sqrt(value / max) * OPACITY.length));
}
export const fill = (s: number): string => (s < 0 ? "transparent" : `rgb(var(--heat) / ${OPACITY[s]})`);
export const inverse = (s: number): boolean => s >= 5;
/** The lowest value of each step, for the legend. */
export const bounds = (max: number): number[] => OPACITY.map((_, i) => (i / OPACITY.length) ** 2 * max);
