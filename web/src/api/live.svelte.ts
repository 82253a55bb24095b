// Server-sent events. A feed takes up where it was after a loss, and shows what came at most four times a second.
import { base } from "./client";
import type { LiveView } from "./types";

const SHOWN_EVERY = 250;
/** What comes with the first event after a pause is shown with it. */
const TOGETHER = 20;
const HELD = 400;
const HIDDEN_FOR = 2000;
const RETRY = [1000, 2000, 4000, 8000];

/**
 * The one connection of this page for all its feeds: a browser keeps six to a server, over all its tabs and windows, and a tab
 * that nobody sees gives its own back.
 */
class Line {
  readonly #feeds = new Set<Feed<unknown>>();
  #source: EventSource | null = null;
  #tries = 0;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #hide: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#hide);
      if (document.hidden) this.#hide = setTimeout(() => this.#close(), HIDDEN_FOR);
      else if (!this.#source) this.#later(0);
    });
  }

  add(feed: Feed<unknown>): void {
    this.#feeds.add(feed);
    this.#later(0);
  }
  remove(feed: Feed<unknown>): void {
    this.#feeds.delete(feed);
    this.#later(0);
  }

  /** Feeds come and go together, with the page that shows them. */
  #later(wait: number): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.#connect(), wait);
  }

  #connect(): void {
    this.#close();
    if (this.#feeds.size === 0 || document.hidden) return;
    const query = new URLSearchParams([...this.#feeds].map((feed) => ["feed", feed.address]));
    const source = new EventSource(`${base}/live/feeds?${query}`, { withCredentials: true });
    this.#source = source;
    source.onopen = () => {
      this.#tries = 0;
      for (const feed of this.#feeds) feed.opened();
    };
    source.onerror = () => this.#lost(source);
    source.addEventListener("end", () => this.#lost(source));
    source.addEventListener("gap", (e) => {
      const gap = JSON.parse((e as MessageEvent<string>).data) as { feed: string; missed: number | null };
      for (const feed of this.#feeds) if (feed.name === gap.feed) feed.missed = gap.missed;
    });
    for (const feed of this.#feeds) source.addEventListener(feed.event, (e) => feed.take(e as MessageEvent<string>));
  }

  // The browser's own second try would ask for what was seen at the first.
  #lost(source: EventSource): void {
    if (this.#source !== source) return;
    const refused = source.readyState === EventSource.CLOSED;
    this.#close();
    for (const feed of this.#feeds) feed.lost(refused);
    this.#later(RETRY[Math.min(this.#tries++, RETRY.length - 1)] ?? 0);
  }

  #close(): void {
    clearTimeout(this.#soon);
    this.#source?.close();
    this.#source = null;
  }
}

const line = new Line();

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

  /** What its events are called. */
  readonly event: string;
  readonly #path: string;
  readonly #each: (data: T) => void;
  #position = "";
  #pending: { id: number; data: T }[] = [];
  #number = 0;
  #shown = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `each` is called with every event as it comes, also while paused. */
  constructor(path: string, event: string, each: (data: T) => void = () => {}) {
    this.#path = path;
    this.event = event;
    this.#each = each;
  }

  /** Connects; the function it returns disconnects. */
  open(): () => void {
    const self = this as Feed<unknown>;
    line.add(self);
    return () => line.remove(self);
  }

  /** Of the feed, as the server names it. */
  get name(): string {
    return this.#path.split("?")[0] ?? "";
  }
  /** With what was seen of it. */
  get address(): string {
    const joint = this.#path.includes("?") ? "&" : "?";
    return this.#position ? `${this.#path}${joint}last_event_id=${encodeURIComponent(this.#position)}` : this.#path;
  }

  opened(): void {
    if (this.state !== "live") this.since = Date.now();
    this.state = "live";
    this.last = Date.now();
  }
  lost(refused: boolean): void {
    if (this.state !== "lost") {
      this.state = "lost";
      this.since = Date.now();
    }
    if (refused) this.failures++;
  }

  resume(): void {
    this.paused = false;
    this.waiting = 0;
    this.#show();
  }

  take(event: MessageEvent<string>): void {
    if (event.lastEventId) this.#position = event.lastEventId;
    this.last = Date.now();
    const data = JSON.parse(event.data) as T;
    this.#each(data);
    this.#pending.push({ id: this.#number++, data });
    if (this.#pending.length > HELD) this.#pending.splice(0, this.#pending.length - HELD);
    if (this.paused) this.waiting = this.#pending.length;
    this.#timer ??= setTimeout(() => this.#show(), Math.max(TOGETHER, this.#shown + SHOWN_EVERY - performance.now()));
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.paused || this.#pending.length === 0) return;
    this.#shown = performance.now();
    this.items = [...this.#pending.reverse(), ...this.items].slice(0, HELD);
    this.#pending = [];
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
