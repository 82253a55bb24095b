"""Reads a lake with polars, deltalake and pyarrow: read_lake.py LAKE HISTORY_JSON SHOW_JSON ORDERS_CSV

HISTORY_JSON and SHOW_JSON are what `batch history --json` and `batch show --json` print. Exits with an
assertion when a reader sees other columns, types or figures than `batch` does.
"""

import json
import os
import sys
from decimal import Decimal
from pathlib import Path

import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MONEY = pl.Decimal(18, 4)
TIME = pl.Datetime("us", "UTC")
COLUMNS = {
    "orders": {
        "invoice": pl.String, "stock_code": pl.String, "description": pl.String, "quantity": pl.Int64,
        "unit_price": MONEY, "amount": MONEY, "customer_id": pl.String, "country": pl.String, "ordered_at": TIME,
        "source": pl.String, "source_position": pl.Int64, "month": pl.String,
    },
    "rejected_orders": {
        "raw_line": pl.String, "source": pl.String, "source_position": pl.Int64, "reason": pl.String,
    },
    "sources": {
        "source_id": pl.String, "source": pl.String, "ingested_at": TIME, "bytes": pl.Int64, "lines": pl.Int64,
        "read": pl.Int64, "accepted": pl.Int64, "rejected": pl.String, "fingerprint": pl.String,
        "evidence": pl.String,
    },
    "customer_rfm": {
        "customer_id": pl.String, "recency_days": pl.Int64, "frequency": pl.Int64, "monetary": MONEY,
        "first_order_at": TIME, "last_order_at": TIME, "r_score": pl.Int32, "f_score": pl.Int32,
        "m_score": pl.Int32, "rfm_segment": pl.String, "country": pl.String,
    },
    "customer_segments": {
        "customer_id": pl.String, "segment_id": pl.Int32, "segment_name": pl.String, "distance": pl.Float64,
    },
    "segment_profiles": {
        "segment_id": pl.Int32, "name": pl.String, "customers": pl.Int64, "revenue": MONEY,
        "mean_recency_days": pl.Float64, "mean_frequency": pl.Float64, "mean_monetary": pl.Float64,
        "centroid_recency_days": pl.Float64, "centroid_frequency": pl.Float64, "centroid_monetary": pl.Float64,
    },
    "counted_invoices": {"invoice_hash": pl.Int64},
    "netted_customers": {"customer_id": pl.String, "monetary": MONEY},
}  # fmt: skip
SEGMENTS = [
    ("Hibernating", "12", "12"), ("At Risk", "12", "34"), ("Can't Lose", "12", "5"), ("About to Sleep", "3", "12"),
    ("Need Attention", "3", "3"), ("Loyal", "34", "45"), ("Promising", "4", "1"), ("New", "5", "1"),
    ("Potential Loyalist", "45", "23"), ("Champions", "5", "45"),
]  # fmt: skip


def main(lake, history, show, orders_csv):
    read = lambda path: json.loads(Path(path).read_text(), parse_float=Decimal)
    history, show = read(history)["publications"], read(show)
    publications = pl.read_delta(f"{lake}/publications").sort("publication")
    assert publications["publication"].to_list() == [row["publication"] for row in history]
    for published, row in zip(publications.iter_rows(named=True), history, strict=True):
        versions = {table: published[f"{table}_version"] for table in COLUMNS}
        assert versions == row["versions"], (versions, row)
        assert published["revenue"] == row["revenue"] and published["customers"] == row["customers"]
        tables = {table: read_both(f"{lake}/{table}", version, table) for table, version in versions.items()}
        agree(tables, published)
    newest(tables, show)
    recomputed(tables["customer_rfm"], orders_csv)
    for file in sorted(Path(lake, "orders").rglob("*.parquet")):
        encoding(file)
    pruning(lake, versions["orders"], tables["orders"])


def read_both(path, version, table):
    """The table at `version` by polars' eager and lazy readers, which must equal deltalake's."""
    frame = pl.read_delta(path, version=version)
    assert dict(frame.schema) == COLUMNS[table], (table, frame.schema)
    lazily = pl.scan_delta(path, version=version).collect()
    assert lazily.sort(pl.all()).equals(frame.sort(pl.all())), table
    delta = deltalake.DeltaTable(path, version=version)
    assert delta.version() == version
    assert delta.metadata().partition_columns == (["month"] if table == "orders" else [])
    for field in delta.schema().fields:
        kind = field.type.type
        expected = COLUMNS[table][field.name]
        assert not (expected == MONEY and kind != "decimal(18,4)"), (field, expected)
        assert not (expected == TIME and kind != "timestamp"), (field, expected)
    arrow = pa.table(delta.to_pyarrow_dataset().to_table()).select(frame.columns)
    theirs = pl.from_arrow(arrow).cast(dict(frame.schema))
    assert theirs.sort(pl.all()).equals(frame.sort(pl.all())), table
    return frame


def agree(tables, published):
    """Sums are exact: revenue is compared as a decimal."""
    rfm, segments, profiles = (tables[name] for name in ("customer_rfm", "customer_segments", "segment_profiles"))
    orders = tables["orders"]
    assert orders.height == published["orders"]
    assert rfm.height == segments.height == published["customers"] == profiles["customers"].sum()
    assert rfm["customer_id"].n_unique() == rfm.height
    assert set(rfm["customer_id"]) == set(segments["customer_id"])
    assert rfm["frequency"].sum() == published["invoices"]
    assert tables["counted_invoices"]["invoice_hash"].n_unique() == published["invoices"]
    assert tables["netted_customers"].height == 0
    exact = lambda column: sum(column.to_list(), Decimal(0))
    assert exact(rfm["monetary"]) == exact(profiles["revenue"]) == exact(orders["amount"]) == published["revenue"]
    amounts = [price * quantity for price, quantity in zip(orders["unit_price"], orders["quantity"], strict=True)]
    assert orders["amount"].to_list() == amounts
    assert orders["month"].to_list() == orders["ordered_at"].dt.strftime("%Y-%m").to_list()
    rejected = sum(sum(json.loads(row).values()) for row in tables["sources"]["rejected"])
    assert tables["rejected_orders"].height == rejected
    assert tables["sources"]["read"].sum() == orders.height + rejected
    lines = pl.concat([orders["source_position"], tables["rejected_orders"]["source_position"]])
    assert lines.min() == 2, "the first line behind the header"


def newest(tables, show):
    assert tables["orders"].height == show["lake"]["accepted"]
    counts = tables["rejected_orders"]["reason"].value_counts()
    assert dict(counts.iter_rows()) == show["lake"]["rejected"]
    by_segment = {row["segment_id"]: row for row in tables["segment_profiles"].iter_rows(named=True)}
    for segment in show["segments"]:
        row = by_segment.pop(segment["segment_id"])
        assert (row["name"], row["customers"], row["revenue"]) == (
            segment["segment_name"], segment["customers"], segment["revenue"],
        )  # fmt: skip
    assert not by_segment
    sizes = dict(tables["customer_rfm"]["rfm_segment"].value_counts().iter_rows())
    assert sizes == {row["rfm_segment"]: row["customers"] for row in show["rfm_segments"] if row["customers"]}


def recomputed(rfm, orders_csv):
    """RFM once more, from the order file itself and by other means."""
    lines = pd.read_csv(orders_csv, dtype=str, encoding="latin-1", keep_default_na=False)
    quantity = lines["Quantity"].astype(int)
    price = lines["UnitPrice"].map(Decimal)
    cancelled = lines["InvoiceNo"].str.upper().str.startswith(("C", "A"))
    lines["amount"] = quantity.map(Decimal) * price
    lines["at"] = pd.to_datetime(lines["InvoiceDate"], format="%m/%d/%Y %H:%M", utc=True)
    kept = lines[(lines["CustomerID"] != "") & ~cancelled & (quantity > 0) & (price > 0)]
    reference = kept["at"].max().normalize() + pd.Timedelta(days=1)
    ours = kept.groupby("CustomerID").agg(
        frequency=("InvoiceNo", "nunique"), first=("at", "min"), last=("at", "max"), monetary=("amount", "sum")
    )
    ours["recency"] = (reference - ours["last"].dt.normalize()).dt.days
    fifths = lambda values, labels: pd.qcut(values, 5, labels=labels).astype(int)
    ours["r"] = fifths(ours["recency"], [5, 4, 3, 2, 1])
    ours["f"] = fifths(ours["frequency"].rank(method="first"), [1, 2, 3, 4, 5])
    ours["m"] = fifths(ours["monetary"].astype(float), [1, 2, 3, 4, 5])
    name = lambda r, f: next(name for name, rs, fs in SEGMENTS if str(r) in rs and str(f) in fs)
    newest_lines = kept.merge(ours["last"], left_on="CustomerID", right_index=True).query("at == last")
    country = newest_lines.groupby("CustomerID")["Country"].min()
    assert len(ours) == rfm.height
    for row in rfm.iter_rows(named=True):
        own = ours.loc[row["customer_id"]]
        expected = {
            "customer_id": row["customer_id"], "recency_days": own["recency"], "frequency": own["frequency"],
            "monetary": own["monetary"], "first_order_at": own["first"], "last_order_at": own["last"],
            "r_score": own["r"], "f_score": own["f"], "m_score": own["m"],
            "rfm_segment": name(own["r"], own["f"]), "country": country[row["customer_id"]],
        }  # fmt: skip
        assert row == expected, (row, expected)


def encoding(path):
    """The order files are encoded by hand: what they say about themselves must be true."""
    file = pq.ParquetFile(path, page_checksum_verification=True)
    assert file.metadata.num_rows == sum(file.metadata.row_group(at).num_rows for at in range(file.num_row_groups))
    for at in range(file.num_row_groups):
        rows, group = file.read_row_group(at), file.metadata.row_group(at)
        assert rows.num_rows == group.num_rows > 0
        for place in range(group.num_columns):
            column = group.column(place)
            values = rows.column(column.path_in_schema)
            where = (path, at, column.path_in_schema)
            assert column.num_values == len(values), where
            if pa.types.is_string(values.type):
                assert column.has_dictionary_page, where
                assert column.dictionary_page_offset < column.data_page_offset, where
            statistics = column.statistics
            assert statistics is not None and statistics.has_min_max, where
            assert not statistics.has_null_count or statistics.null_count == values.null_count, where
            extremes = pc.min_max(values).as_py()
            assert (statistics.min, statistics.max) == (extremes["min"], extremes["max"]), (where, extremes)


def pruning(lake, version, orders):
    """Readers that skip by partition and statistics find the same lines."""
    scan = pl.scan_delta(f"{lake}/orders", version=version)
    for month in orders["month"].unique():
        assert scan.filter(pl.col("month") == month).collect().height == (orders["month"] == month).sum()
    for column in ("customer_id", "ordered_at", "amount", "quantity", "invoice", "country"):
        value = orders[column][orders.height // 2]
        found = scan.filter(pl.col(column) == value).collect().height
        assert found == (orders[column] == value).sum() > 0, column
        delta = deltalake.DeltaTable(f"{lake}/orders", version=version).to_pyarrow_dataset()
        assert delta.count_rows(filter=pc.field(column) == pa.scalar(value, delta.schema.field(column).type)) == found


main(*sys.argv[1:])
# Every assertion held. The threads of several native runtimes sometimes abort the interpreter's own way out.
sys.stdout.flush()
os._exit(0)
