// A list that grows page by page as one scrolls.
import { untrack } from "svelte";
import { get } from "../api/client";
import { type Options, type Resource, resource } from "./resource.svelte";

interface Some<T> {
  items: T[];
  next_cursor: string | null;
}

export class Paged<T, P extends Some<T> = Some<T>> {
  readonly first: Resource<P>;
  readonly #path: (cursor?: string) => string | null;
  #more = $state.raw<T[]>([]);
  #cursor: string | null = null;
  #loading = false;
  rows = $derived.by(() => [...(this.first.data?.items ?? []), ...this.#more]);

  constructor(path: (cursor?: string) => string | null, options: Options) {
    this.#path = path;
    this.first = resource<P>(() => path(), options);
    $effect(() => {
      const first = this.first.data;
      untrack(() => {
        this.#more = [];
        this.#cursor = first?.next_cursor ?? null;
      });
    });
  }

  /** Asks for the next page, if there is one. */
  further = async (): Promise<void> => {
    const [cursor, of] = [this.#cursor, this.first.data];
    const path = cursor && this.#path(cursor);
    if (this.#loading || !path) return;
    this.#loading = true;
    try {
      const page = await get<P>(path);
      if (of === this.first.data && cursor === this.#cursor) {
        this.#more = [...this.#more, ...page.items];
        this.#cursor = page.next_cursor;
      }
    } catch {
      this.first.reload();
    }
    this.#loading = false;
  };
}

/** To be called while a component is set up; `path` gives the address of a page. */
export function paged<T, P extends Some<T> = Some<T>>(
  path: (cursor?: string) => string | null,
  options: Options = {},
): Paged<T, P> {
  return new Paged<T, P>(path, options);
}
