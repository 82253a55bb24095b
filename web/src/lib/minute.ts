const STEP = 2000;
const STEPS = 30;

/** How many came in each two seconds of the last minute, by the times they bear. */
export class Minute {
  readonly #counts = new Map<number, number>();

  add(at: number): void {
    const step = Math.floor(at / STEP);
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1);
  }
  before(now: number): number[] {
    const first = Math.floor(now / STEP) - STEPS + 1;
    for (const step of this.#counts.keys()) if (step < first) this.#counts.delete(step);
    return Array.from({ length: STEPS }, (_, i) => this.#counts.get(first + i) ?? 0);
  }
}
