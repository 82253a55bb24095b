// The address is the state: path, and a query that holds filters, brush, as_of and what is shown as a table.

type Changes = Record<string, string | number | null | undefined>;

class Location {
  path = $state(window.location.pathname);
  query = $state.raw(new URLSearchParams(window.location.search));
  /** Counts changes of the path made here, so that the shell can move the focus. */
  visits = $state(0);

  read(): void {
    this.path = window.location.pathname;
    this.query = new URLSearchParams(window.location.search);
  }
}

export const location = new Location();

window.addEventListener("popstate", () => location.read());

/** An address in the dashboard; the time travel `as_of` goes with the reader. */
export function href(path: string, changes: Changes = {}): string {
  const asOf = location.query.get("as_of");
  return address(path, { ...(asOf ? { as_of: asOf } : {}), ...changes }, new URLSearchParams());
}

export function navigate(to: string): void {
  const before = window.location.pathname;
  window.history.pushState(null, "", to);
  location.read();
  if (location.path !== before) {
    window.scrollTo(0, 0);
    location.visits++;
  }
}

/** Changes the query of this page; `replace` for what a reader would not step back through, such as typing. */
export function setQuery(changes: Changes, replace = false): void {
  const to = address(window.location.pathname, changes, new URLSearchParams(window.location.search));
  if (replace) window.history.replaceState(null, "", to);
  else window.history.pushState(null, "", to);
  location.read();
}

function address(path: string, changes: Changes, query: URLSearchParams): string {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, `${value}`);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Plain clicks on links of the dashboard stay on the page. */
export function followLinks(event: MouseEvent): void {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  const link = (event.target as Element | null)?.closest?.("a");
  if (!(link instanceof Element)) return;
  const to = link.getAttribute("href");
  if (!to?.startsWith("/") || to.startsWith("/api/") || to === "/docs" || link.hasAttribute("download"))
    return;
  event.preventDefault();
  navigate(to);
}
