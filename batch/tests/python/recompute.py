"""Everything that a batch run publishes, computed again from the order file with pandas.

recompute.py ORDERS REFERENCE_DATE CUSTOMER_RFM CUSTOMER_SEGMENTS SEGMENT_PROFILES REJECTED_ORDERS PUBLICATIONS
"""

import csv
import json
import sys
from decimal import Decimal, InvalidOperation

import numpy as np
import pandas as pd
from rfm import named_segment, scores

COLUMNS = ["invoice", "stock_code", "description", "quantity", "ordered_at", "unit_price", "customer_id", "country"]
FEATURES = ["recency_days", "frequency", "monetary"]


def whole(text):
    try:
        return int(text)
    except ValueError:
        return None


def money(text):
    try:
        return Decimal(text).quantize(Decimal("0.0001"))
    except InvalidOperation:
        return None


def fields(text):
    try:
        found = next(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return found if len(found) == len(COLUMNS) else None


def reason(line):
    """Why a line is refused: the first reason that applies."""
    quantity, price = whole(line["quantity"]), money(line["unit_price"])
    checks = [
        ("cancellation", line["invoice"].startswith("C")),
        ("adjustment", line["invoice"].startswith("A")),
        ("missing_customer", not line["customer_id"]),
        ("bad_quantity", quantity is None),
        ("non_positive_quantity", quantity is not None and quantity <= 0),
        ("bad_price", price is None),
        ("non_positive_price", price is not None and price <= 0),
        ("bad_date", pd.isna(line["time"])),
    ]
    return next((name for name, applies in checks if applies), None)


def read_orders(path):
    with open(path, encoding="iso-8859-1", newline="") as file:
        texts = file.read().split("\r\n")[1:-1]
    rejected, lines = [], []
    for position, text in enumerate(texts, start=2):
        found = fields(text)
        if found is None:
            rejected.append((position, "malformed", text))
        else:
            lines.append({"position": position, "text": text, **dict(zip(COLUMNS, found))})
    lines = pd.DataFrame(lines)
    lines["time"] = pd.to_datetime(lines.ordered_at, format="%m/%d/%Y %H:%M", errors="coerce", utc=True)
    lines["reason"] = [reason(line) for line in lines.to_dict("records")]
    refused = lines[lines.reason.notna()]
    rejected += zip(refused.position, refused.reason, refused.text)
    return lines[lines.reason.isna()].copy(), sorted(rejected)


def recompute_rfm(orders, reference):
    orders["customer_id"] = orders.customer_id.str.removesuffix(".0")
    orders["amount"] = [int(q) * money(p) for q, p in zip(orders.quantity, orders.unit_price)]
    customers = orders.groupby("customer_id", sort=True)
    rfm = pd.DataFrame(
        {
            "frequency": customers.invoice.nunique(),
            "monetary": customers.amount.agg(lambda amounts: sum(amounts, Decimal(0))),
            "first_order_at": customers.time.min(),
            "last_order_at": customers.time.max(),
        }
    )
    rfm["recency_days"] = (pd.Timestamp(reference, tz="UTC") - rfm.last_order_at.dt.normalize()).dt.days
    # Of several lines at the newest moment, the first country by name.
    newest = orders.sort_values(["time", "country"], ascending=[False, True], kind="stable")
    rfm["country"] = newest.groupby("customer_id").country.first()
    rfm = rfm.reset_index()
    rfm = rfm.join(scores(rfm))
    rfm["rfm_segment"] = [named_segment(r, f) for r, f in zip(rfm.r_score, rfm.f_score)]
    return rfm


def read_table(path):
    texts = {name: str for name in ["customer_id", "country", "monetary", "revenue", "raw_line", "model"]}
    table = pd.read_csv(path, dtype=texts, keep_default_na=False)
    for name in {"monetary", "revenue"} & set(table.columns):
        table[name] = table[name].map(Decimal)
    for name in {"first_order_at", "last_order_at"} & set(table.columns):
        table[name] = pd.to_datetime(table[name], utc=True)
    return table


def compare(what, found, expected, near=False):
    found, expected = list(found), list(expected)
    if len(found) != len(expected):
        differences.append(f"{what}: {len(found)} rows instead of {len(expected)}")
    for row, (one, other) in enumerate(zip(found, expected)):
        if not (np.isclose(one, other, rtol=1e-9, atol=1e-9) if near else one == other):
            differences.append(f"{what}, row {row}: {one} instead of {other}")
            return


def check_segments(segments, rfm, model):
    """The nearest centroid of the published model, and the distance to it."""
    scaled = rfm[FEATURES].astype(float).to_numpy() / model["scale"]
    centroids = np.array([segment["centroid"] for segment in model["segments"]])
    distances = np.linalg.norm(scaled[:, None, :] - centroids[None, :, :], axis=2)
    nearest = [model["segments"][index] for index in distances.argmin(axis=1)]
    compare("customer_segments.customer_id", segments.customer_id, rfm.customer_id)
    compare("customer_segments.segment_id", segments.segment_id, [segment["id"] for segment in nearest])
    compare("customer_segments.segment_name", segments.segment_name, [segment["name"] for segment in nearest])
    compare("customer_segments.distance", segments.distance, distances.min(axis=1), near=True)
    compare("model.scale", model["scale"], rfm[FEATURES].astype(float).std(ddof=0), near=True)
    compare("model.inertia", [model["inertia"]], [np.square(distances.min(axis=1)).sum()], near=True)


def check_profiles(profiles, segments, rfm, model):
    """Means of the members, which are the centroids too once k-means has come to rest."""
    members = rfm.assign(segment_id=segments.segment_id).groupby("segment_id", sort=True)
    compare("segment_profiles.segment_id", profiles.segment_id, sorted(members.groups))
    compare("segment_profiles.customers", profiles.customers, members.size())
    compare("segment_profiles.revenue", profiles.revenue, members.monetary.agg(lambda m: sum(m, Decimal(0))))
    names = segments.groupby("segment_id").segment_name.unique().map(list)
    compare("segment_profiles.name", profiles.name.map(lambda name: [name]), names)
    centroids = np.array([segment["centroid"] for segment in model["segments"]]) * model["scale"]
    for column, feature in enumerate(FEATURES):
        means = members[feature].agg(lambda values: float(sum(values)) / len(values))
        compare(f"segment_profiles.mean_{feature}", profiles[f"mean_{feature}"], means, near=True)
        compare(f"segment_profiles.centroid_{feature}", profiles[f"centroid_{feature}"], centroids[:, column], near=True)
        compare(f"centroid against mean of {feature}", centroids[:, column], means, near=True)


differences = []
orders_path, reference_date, *table_paths = sys.argv[1:]
published_rfm, published_segments, published_profiles, published_rejected, publications = map(read_table, table_paths)
orders, rejected_lines = read_orders(orders_path)
recomputed = recompute_rfm(orders, reference_date)
for name in published_rfm.columns:
    compare(f"customer_rfm.{name}", published_rfm[name], recomputed[name])
published_model = json.loads(publications.model.iloc[-1])
check_segments(published_segments, recomputed, published_model)
check_profiles(published_profiles, published_segments, recomputed, published_model)
compare(
    "rejected_orders",
    zip(published_rejected.source_position, published_rejected.reason, published_rejected.raw_line),
    rejected_lines,
)
print(json.dumps({"customers": len(recomputed), "rejected": len(rejected_lines), "differences": differences}))
