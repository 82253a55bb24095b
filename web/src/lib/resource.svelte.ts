// An answer of the API that follows its address: the kept one at once, then the newest.
import { untrack } from "svelte";
import { forget, get, kept, Problem } from "../api/client";

export class Resource<T> {
  data = $state.raw<T | undefined>(undefined);
  error = $state.raw<Problem | undefined>(undefined);
  loading = $state(true);
  /** What is shown belongs to the address before this one. */
  stale = $state(false);
  /** When the data came, in milliseconds. */
  at = $state(0);
  #reload = $state(0);

  constructor(path: () => string | null, { delay = 0, live = false }: Options) {
    let shown: string | null = null;
    $effect(() => {
      const now = path();
      void this.#reload;
      void epoch.value;
      if (live) void orders.value;
      if (now === null) {
        this.loading = false;
        return;
      }
      if (now !== shown) {
        const old = kept<T>(now);
        untrack(() => {
          if (old !== undefined || pathOf(now) !== pathOf(shown)) this.data = old;
          this.error = undefined;
          this.stale = old === undefined && this.data !== undefined;
        });
      }
      const wait = shown !== null && now !== shown ? delay : 0;
      shown = now;
      const stop = new AbortController();
      this.loading = true;
      const timer = setTimeout(() => void this.#load(now, stop.signal), wait);
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    });
  }

  reload(): void {
    this.#reload++;
  }

  async #load(path: string, signal: AbortSignal): Promise<void> {
    try {
      const data = await get<T>(path, signal);
      if (signal.aborted) return;
      this.data = data;
      this.stale = false;
      this.at = Date.now();
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error instanceof Problem ? error : new Problem({ status: 0, title: `${error}` }, path);
    }
    this.loading = false;
  }
}

export interface Options {
  /** Milliseconds to wait when the address changes, while the reader types or drags. */
  delay?: number;
  /** Asked for again while live orders change the answer. */
  live?: boolean;
}

/** To be called while a component is set up. */
export function resource<T>(path: () => string | null, options: Options = {}): Resource<T> {
  return new Resource<T>(path, options);
}

class Counter {
  value = $state(0);
}
const epoch = new Counter();
const orders = new Counter();

/** Asks again for what live orders change. */
export function reloadLive(): void {
  orders.value++;
}

/** Asks for everything on the page again: a new publication, a new key, a server that came back. */
export function reloadAll(afresh = false): void {
  if (afresh) forget();
  epoch.value++;
}

const pathOf = (path: string | null) => path?.split("?")[0];
