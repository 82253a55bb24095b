// What the API answers with, under the names the pages use. openapi.ts is generated from serving/openapi.json by
// `npm run types`. Money is a number in the currency of `Config`, times are ISO 8601 with Z, ids of customers are text
// and ids of segments are numbers.
import type { components } from "./openapi";

/** The server leaves nothing out: what the description calls optional is there, and may be null. */
type Given<T> = T extends (infer I)[]
  ? Given<I>[]
  : T extends object
    ? { [K in keyof T]-?: Given<Exclude<T[K], undefined>> }
    : T;
type Schemas = components["schemas"];
type S = { [K in keyof Schemas]: Given<Schemas[K]> };

export type Config = S["Config"];
export type View = S["View"];
export type Rfm = S["Profile"];
export type Measure = "recency_days" | "frequency" | "monetary";

export type Figures = S["KeyFigures"];
export type Overview = S["Overview"];

export type Segment = S["Segment"];
export type Segments = S["Segments"];

export type Standing = S["CustomerValues"];
export type CustomerRow = S["CustomerRow"];
export type CustomerPage = S["Customers"];
export type Customer = S["Customer"];
export type CustomerHistory = S["History"];
export type Invoice = S["Invoice"];
export type Alert = Omit<S["Alert"], "events"> & { events: AlertEvent[] };

/** The description leaves the events of an alert open: these are the fields of a click that are shown. */
export interface AlertEvent {
  stage: string;
  event_type?: string;
  event_time?: string;
  product_id?: string;
  product_name?: string;
  price?: number | null;
}

export type RuleSegments = S["RuleSegments"];
export type RuleSegment = S["RuleSegment"];
export type RuleFlow = S["RuleFlow"];
export type RuleChange = S["RuleChange"];
export type RuleStanding = S["RuleStanding"];
export type RuleValue = S["RuleValue"];
export type RuleMembers = S["RuleMembers"];

export type GridCell = S["Cell"];
export type RfmGrid = S["Grid"];
export type RevenuePoint = S["Point"];
export type Revenue = S["Revenue"];
export type Scatter = S["Scatter"];
export type Histogram = S["Histogram"];
export type Distribution = S["Distribution"];
export type Cohorts = S["Cohorts"];

export type PublicationSegment = S["PublishedSegment"];
export type Elbow = { k: number; inertia: number; silhouette: number | null };
/** The report leaves the shape of the elbow open. */
export type Model = Omit<S["ModelQuality"], "elbow"> & { elbow?: Elbow[] | null };
export type Publication = Omit<S["Published"], "model"> & { model: Model };
export type Migration = S["Migration"];

export type Quality = S["Quality"];
export type Rejection = S["RefusedLine"];

export type OrderLine = Schemas["OrderRequest"];
export type LiveOrder = S["LiveOrder"];
/** `at` may lie ahead, where a change is one of time; a server may not tell when it came. */
export type LiveChange = S["SegmentChange"];
export type LiveView = S["ViewEvent"];

export type ProblemBody = Pick<Schemas["Problem"], "status" | "title"> & Partial<Schemas["Problem"]>;

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total?: number;
}
