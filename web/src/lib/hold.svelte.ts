// Holds live lists still: while the reader says so, or points at them.
interface Held {
  paused: boolean;
  resume(): void;
}

export class Hold {
  stopped = $state(false);
  readonly #feeds: () => Held[];

  constructor(feeds: () => Held[]) {
    this.#feeds = feeds;
  }

  stop(by: boolean): void {
    this.stopped = by;
    this.#pause(by);
  }

  hover = (over: boolean): void => {
    if (!this.stopped) this.#pause(over);
  };

  #pause(by: boolean): void {
    for (const feed of this.#feeds()) {
      if (by) feed.paused = true;
      else feed.resume();
    }
  }
}
