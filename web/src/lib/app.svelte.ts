// What every page shares: the configuration, the present segments, the theme and the time.
import { get, Problem, serverNow } from "../api/client";
import { pulse } from "../api/live.svelte";
import type { Config, Segments } from "../api/types";
import { setFormat } from "./format";
import { location } from "./router.svelte";
import { Ranks, Slots } from "./segments";

type Theme = "light" | "dark";
const THEME = "clientele-theme";

class App {
  config = $state.raw<Config | null>(null);
  problem = $state.raw<Problem | null>(null);
  needsKey = $state(false);
  /** Whether there are rules, and so segments of theirs and alerts. */
  hasRules = $derived.by(() => !!this.config?.rules || !!pulse.view?.rules);
  /** Seconds pass here once, for all that tells an age. */
  now = $state(serverNow());
  segments = $state.raw<Segments | null>(null);
  readonly #slots = new Slots();
  ranks = $derived(new Ranks(this.segments?.segments ?? [], this.#slots));
  #chosen = $state<Theme | null>(null);
  #system = $state<Theme>("light");
  theme = $derived<Theme>(this.#chosen ?? this.#system);
  ordering = $state.raw<{ customer?: string; country?: string | null | undefined } | null>(null);

  constructor() {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.#system = dark.matches ? "dark" : "light";
    dark.addEventListener("change", (e) => {
      this.#system = e.matches ? "dark" : "light";
    });
    const stored = window.localStorage.getItem(THEME);
    if (stored === "light" || stored === "dark") this.#chosen = stored;
    setInterval(() => {
      this.now = serverNow();
    }, 1000);
  }

  get asOf(): string | null {
    return location.query.get("as_of");
  }
  /** Whether there is a segment of this id, as far as is known yet. */
  knows(id: string): boolean {
    return !this.segments || this.segments.segments.some((s) => `${s.segment_id}` === id);
  }
  name(id: number | null | undefined): string {
    return (
      this.segments?.segments.find((s) => s.segment_id === id)?.segment_name ??
      (id == null ? "new" : `segment ${id}`)
    );
  }
  toggleTheme(): void {
    this.#chosen = this.theme === "dark" ? "light" : "dark";
    window.localStorage.setItem(THEME, this.#chosen);
  }

  async start(): Promise<void> {
    try {
      this.config = await get<Config>("/config");
      setFormat({ currency: this.config.currency });
      this.problem = null;
      this.needsKey = false;
      pulse.on = this.config.live;
    } catch (error) {
      if (error instanceof Problem) {
        this.problem = error;
        this.needsKey = error.status === 401;
      } else throw error;
    }
  }
}

export const app = new App();

/** A path of the API with the time travel of this page and what is given. */
export function api(path: string, query: Record<string, string | number | null | undefined> = {}): string {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== "") all.set(name, `${value}`);
  if (app.asOf) all.set("as_of", app.asOf);
  const text = all.toString();
  return text ? `${path}?${text}` : path;
}
