// Requests to the API: the newest answer of each address is kept, so that going back shows it at once.
import type { ProblemBody } from "./types";

export const base = "/api/v1";

/** An answer that is not a success, as RFC 9457 tells it, or no answer at all (status 0). */
export class Problem extends Error {
  constructor(
    readonly body: ProblemBody,
    readonly path: string,
  ) {
    super(body.detail ?? body.title);
  }
  get status(): number {
    return this.body.status;
  }
}

/** Nothing has been calculated yet. */
export const isEmpty = (p: Problem): boolean =>
  p.status === 503 && p.message.startsWith("nothing is published");

const KEPT = 60;
const answers = new Map<string, unknown>();
let unauthorised: () => void = () => {};

/** How far the server's clock is ahead of ours, as its answers tell; what is within their second is none. */
let ahead = 0;
const SECOND = 1000;
function compareClocks(response: Response): void {
  const told = Date.parse(response.headers.get("date") ?? "");
  const by = told + SECOND / 2 - Date.now();
  if (!Number.isNaN(by)) ahead = Math.abs(by) < 2 * SECOND ? 0 : by;
}

/** The server's time, in which everything that came from it is told. */
export const serverNow = (): number => Date.now() + ahead;

/** Called whenever the API asks for a key. */
export function onUnauthorised(call: () => void): void {
  unauthorised = call;
}

export function kept<T>(path: string): T | undefined {
  return answers.get(path) as T | undefined;
}

export function forget(): void {
  answers.clear();
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const answer = await request<T>(path, { signal: signal ?? null });
  answers.delete(path);
  answers.set(path, answer);
  const oldest = answers.keys().next();
  if (answers.size > KEPT && !oldest.done) answers.delete(oldest.value);
  return answer;
}

export function post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  return request<T>(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

export const signOut = (): Promise<void> => request<void>("/session", { method: "DELETE" });

async function request<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(base + path, { ...init, credentials: "same-origin" });
    compareClocks(response);
    if (response.ok) return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem({ status: 0, title: "The server does not answer" }, path);
  }
  const problem = new Problem(await problemOf(response), path);
  if (problem.status === 401 && path !== "/session") unauthorised();
  throw problem;
}

async function problemOf(response: Response): Promise<ProblemBody> {
  const plain = { status: response.status, title: response.statusText || `Status ${response.status}` };
  if (!response.headers.get("content-type")?.includes("json")) return plain;
  try {
    return { ...plain, ...((await response.json()) as Partial<ProblemBody>) };
  } catch {
    return plain;
  }
}
