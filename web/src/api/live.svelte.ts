// Server-sent events. A feed takes up where it was after a loss, and shows what came at most four times a second.
import { base } from "./client";
import type { LiveView } from "./types";

const SHOWN_EVERY = 250;
const HELD = 400;
const HIDDEN_FOR = 2000;
const RETRY = [1000, 2000, 4000, 8000];

/** The events of one address, newest first. `open` while a component shows it. */
export class Feed<T> {
  items = $state.raw<{ id: number; data: T }[]>([]);
  paused = $state(false);
  /** How many came while paused. */
  waiting = $state(0);
  /** Events that the server no longer held when the feed took up again; null: nobody knows how many. */
  missed = $state.raw<number | null | undefined>(undefined);
  state = $state<"connecting" | "live" | "lost">("connecting");
  since = $state(Date.now());
  /** When the last event came. */
  last = $state(0);
  /** How often it was refused or broken off for good. */
  failures = $state(0);

  readonly #path: string;
  readonly #event: string;
  readonly #each: (data: T) => void;
  #source: EventSource | null = null;
  #position = "";
  #pending: { id: number; data: T }[] = [];
  #number = 0;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #hide: ReturnType<typeof setTimeout> | undefined;

  /** `each` is called with every event as it comes, also while paused. */
  constructor(path: string, event: string, each: (data: T) => void = () => {}) {
    this.#path = path;
    this.#event = event;
    this.#each = each;
  }

  /** Connects; the function it returns disconnects. */
  open(): () => void {
    const seen = () => this.#seen();
    document.addEventListener("visibilitychange", seen);
    if (!document.hidden) this.#connect();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      clearTimeout(this.#hide);
      this.#close();
    };
  }

  resume(): void {
    this.paused = false;
    this.waiting = 0;
    this.#show();
  }

  #connect(): void {
    this.#close();
    const joint = this.#path.includes("?") ? "&" : "?";
    const from = this.#position ? `${joint}last_event_id=${encodeURIComponent(this.#position)}` : "";
    const source = new EventSource(`${base}/live/${this.#path}${from}`, { withCredentials: true });
    this.#source = source;
    source.onopen = () => {
      this.#tries = 0;
      this.state = "live";
      this.since = Date.now();
      this.last = Date.now();
    };
    source.onerror = () => this.#lost(source);
    source.addEventListener(this.#event, (e) => this.#take(e as MessageEvent<string>));
    source.addEventListener("gap", (e) => {
      this.missed = (JSON.parse((e as MessageEvent<string>).data) as { missed: number | null }).missed;
    });
    source.addEventListener("end", () => {
      source.close();
      this.#lost(source);
    });
  }

  #take(event: MessageEvent<string>): void {
    if (event.lastEventId) this.#position = event.lastEventId;
    this.last = Date.now();
    const data = JSON.parse(event.data) as T;
    this.#each(data);
    this.#pending.push({ id: this.#number++, data });
    if (this.#pending.length > HELD) this.#pending.splice(0, this.#pending.length - HELD);
    if (this.paused) this.waiting = this.#pending.length;
    this.#timer ??= setTimeout(() => this.#show(), SHOWN_EVERY);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.paused || this.#pending.length === 0) return;
    this.items = [...this.#pending.reverse(), ...this.items].slice(0, HELD);
    this.#pending = [];
  }

  #lost(source: EventSource): void {
    if (this.#source !== source) return;
    if (this.state !== "lost") {
      this.state = "lost";
      this.since = Date.now();
    }
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    this.failures++;
    clearTimeout(this.#retry);
    const wait = RETRY[Math.min(this.#tries++, RETRY.length - 1)];
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  // A browser keeps six connections to a server, over all its tabs: a tab that nobody sees gives its own back.
  #seen(): void {
    clearTimeout(this.#hide);
    if (document.hidden) this.#hide = setTimeout(() => this.#close(), HIDDEN_FOR);
    else if (!this.#source) this.#connect();
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }
}

/** What the header says about the connection, and the newest figures. */
class Pulse {
  readonly feed = new Feed<LiveView>("view", "view");
  /** False when `serving` was started without brokers: there is nothing to connect to. */
  on = $state(false);
  view = $derived(this.feed.items[0]?.data ?? null);
}

export const pulse = new Pulse();
