// What the API answers with, under the names the pages use. Money is a number in the currency of `Config`, times are
// ISO 8601 with Z, ids of customers are text and ids of segments are numbers.

export interface Config {
  name: string;
  currency: string | null;
  live: boolean;
  write: boolean;
  auth: "none" | "key";
  version: string;
  demo?: boolean;
}

export interface View {
  publication: number;
  published_at: string;
  reference_time: string;
  orders: number;
  live: boolean;
  as_of: string | null;
}

export interface Rfm {
  recency_days: number;
  frequency: number;
  monetary: number;
}
export type Measure = keyof Rfm;

export interface Figures {
  customers: number;
  revenue: number;
  orders: number;
  median_recency_days: number;
  churn_risk_share: number | null;
}

export interface LiveState {
  connected: boolean;
  since: string;
  lines_since_publication: number;
  newest_order_at: string | null;
  lag: number | null;
  error: string | null;
}

export interface Overview extends Figures {
  view: View;
  previous: (Figures & { publication: number; published_at: string }) | null;
  live: LiveState | null;
}

export interface Segment {
  segment_id: number;
  segment_name: string;
  customers: number;
  revenue: number;
  orders: number;
  share_customers: number;
  share_revenue: number;
  mean: Rfm;
  median: Rfm;
  centroid: Rfm;
  previous: { customers: number; revenue: number } | null;
}

export interface Segments {
  view: View;
  segments: Segment[];
  all: { customers: number; revenue: number; mean: Rfm; median: Rfm };
}

export interface CustomerRow extends Rfm {
  customer_id: string;
  country: string | null;
  segment_id: number;
  segment_name: string;
  rfm_segment: string;
  r_score: number;
  f_score: number;
  m_score: number;
  first_order_at: string;
  last_order_at: string;
  live: boolean;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total?: number;
}
export interface CustomerPage extends Page<CustomerRow> {
  view: View;
  total: number;
}

export type Standing = Omit<CustomerRow, "customer_id" | "country" | "live">;

export interface Customer {
  view: View;
  customer_id: string;
  country: string | null;
  known: boolean;
  live: boolean;
  merged: Standing;
  batch: Standing | null;
  distances: { segment_id: number; segment_name: string; distance: number; centroid: Rfm }[];
  percentiles: Rfm;
  next: { segment_id: number; segment_name: string; text: string; orders: number; monetary: number }[];
  recent_orders: LiveOrder[];
}

export interface Invoice {
  invoice: string;
  ordered_at: string;
  lines: number;
  quantity: number;
  amount: number;
  live: boolean;
  products: {
    stock_code: string;
    description: string | null;
    quantity: number;
    unit_price: number;
    amount: number;
  }[];
}

export interface CustomerHistory {
  items: (Rfm & {
    publication: number;
    published_at: string;
    segment_id: number;
    segment_name: string;
    rfm_segment: string;
  })[];
  changes: {
    at: string;
    from: number | null;
    to: number | null;
    reason: string;
    publication: number | null;
  }[];
}

export interface Alert {
  id: string;
  pattern: string;
  alert_type: string;
  kind: string;
  severity: string;
  customer_id: string | null;
  at: string;
  time: string;
  summary: string;
  events: unknown[];
}

export interface GridCell {
  r: number;
  f: number;
  customers: number;
  revenue: number;
  mean_monetary: number;
  rfm_segment: string;
}
export interface RfmGrid {
  view: View;
  cells: GridCell[];
  names: { rfm_segment: string; customers: number; revenue: number }[];
}

export interface RevenuePoint {
  start: string;
  revenue: number;
  orders: number;
  segments: { segment_id: number; revenue: number; orders: number }[];
}
export interface Revenue {
  view: View;
  by: "day" | "week" | "month";
  points: RevenuePoint[];
}

export interface Scatter {
  view: View;
  total: number;
  sampled: boolean;
  customer_id: string[];
  recency_days: number[];
  frequency: number[];
  monetary: number[];
  segment_id: number[];
}

export interface Histogram {
  scale: "linear" | "log";
  edges: number[];
  counts: number[];
  by_segment: { segment_id: number; counts: number[] }[];
}
export type Distribution = { view: View } & Record<Measure, Histogram>;

export interface Cohorts {
  view: View;
  months: string[];
  cohorts: { month: string; customers: number; active: number[] }[];
}

export interface PublicationSegment {
  segment_id: number;
  segment_name: string;
  customers: number;
  revenue: number;
}
export interface Publication {
  publication: number;
  published_at: string;
  reference_time: string;
  orders: number;
  customers: number;
  invoices: number;
  revenue: number;
  model: {
    k: number;
    inertia: number;
    silhouette: number | null;
    davies_bouldin: number | null;
    calinski_harabasz: number | null;
    seed: number;
    elbow?: { k: number; inertia: number; silhouette: number | null }[] | null;
  };
  segments: PublicationSegment[];
}

export interface Migration {
  from: Publication;
  to: Publication | "live";
  flows: { from: number | null; to: number | null; customers: number; revenue: number }[];
  segments_from: PublicationSegment[];
  segments_to: PublicationSegment[];
}

export interface Quality {
  view: View;
  read: number;
  accepted: number;
  rejected: number;
  by_reason: { reason: string; lines: number; explanation: string }[];
  sources: {
    source: string;
    ingested_at: string;
    read: number;
    accepted: number;
    rejected: number;
    evidence: string[];
  }[];
  dead_letters: number | null;
}

export interface Rejection {
  source: string;
  source_position: number;
  reason: string;
  raw_line: string;
}

export interface OrderLine {
  invoice: string;
  stock_code: string;
  description?: string;
  quantity: number;
  unit_price: number;
  customer_id: string;
  country?: string;
  ordered_at: string;
}

export interface LiveOrder extends OrderLine {
  amount: number;
  segment_id: number | null;
  segment_name: string | null;
  batch_segment_id: number | null;
  batch_segment_name: string | null;
  known: boolean;
  publication: number | null;
  received_at: string;
}

export interface LiveChange {
  customer_id: string;
  from: number | null;
  to: number | null;
  from_name: string | null;
  to_name: string | null;
  reason: string;
  at: string;
  publication: number | null;
}

export interface LiveView {
  publication: number;
  version: number;
  customers: number;
  revenue: number;
  orders: number;
  lines_since_publication: number;
  lag: number | null;
  rates: { orders_per_second: number };
  connected: boolean;
  since: string;
}

export interface ProblemBody {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  request_id?: string;
  errors?: { field: string; detail: string }[];
}
