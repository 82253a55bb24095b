// One floating note for all charts: on hover and on focus, closed by Escape.
import type { Action } from "svelte/action";

export interface Note {
  title: string;
  lines?: string[];
  source?: string;
}

class Tip {
  note = $state.raw<Note | null>(null);
  x = $state(0);
  y = $state(0);
  show(note: Note, x: number, y: number): void {
    this.note = note;
    this.x = x;
    this.y = y;
  }
  hide(): void {
    this.note = null;
  }
}

export const tip = new Tip();

export const noted: Action<Element, Note> = (node, given) => {
  let note = given;
  const move = (e: Event) => {
    const p = e as PointerEvent;
    tip.show(note, p.clientX, p.clientY);
  };
  const focus = () => {
    if (!node.matches(":focus-visible")) return;
    const box = node.getBoundingClientRect();
    tip.show(note, box.left + box.width / 2, box.bottom - 4);
  };
  // A node may be left because it is being removed, in the middle of an update of the page.
  const leave = () => queueMicrotask(() => tip.hide());
  node.addEventListener("pointermove", move);
  node.addEventListener("pointerleave", leave);
  node.addEventListener("focus", focus);
  node.addEventListener("blur", leave);
  return {
    update(next) {
      note = next;
    },
    destroy() {
      if (tip.note === note) leave();
      node.removeEventListener("pointermove", move);
      node.removeEventListener("pointerleave", leave);
      node.removeEventListener("focus", focus);
      node.removeEventListener("blur", leave);
    },
  };
};
