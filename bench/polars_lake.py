"""RFM segmentation with polars + scikit-learn from a lake's order files: polars_lake.py LAKE OUTDIR

The peer of `batch run --lake LAKE`. It reads the Parquet files as they lie, which is right here since
`orders` is only ever appended to; a reader of any other table asks its Delta log first.
`common` is the peers' own module; PYTHONPATH names its folder.
"""
import datetime as dt
import os
import sys
import polars as pl
from common import REFERENCE_DATE, cluster_and_write


def main(lake, outdir):
    rfm = (
        pl.scan_parquet(os.path.join(lake, "orders", "**", "*.parquet"), hive_partitioning=False)
        .group_by("customer_id")
        .agg(
            pl.col("ordered_at").max().alias("last"),
            pl.col("invoice").n_unique().cast(pl.Int64).alias("frequency"),
            pl.col("amount").sum().cast(pl.Float64).alias("monetary"),
            pl.len().alias("rows"),
        )
        .with_columns(
            pl.col("customer_id").cast(pl.Int64),
            (pl.lit(dt.date.fromisoformat(REFERENCE_DATE)) - pl.col("last").dt.date())
            .dt.total_days().alias("recency"),
        )
        .sort("customer_id")
        .collect(engine=os.environ.get("POLARS_ENGINE", "streaming"))
    )
    cluster_and_write(
        rfm["customer_id"].to_numpy(), rfm["recency"].to_numpy(), rfm["frequency"].to_numpy(),
        rfm["monetary"].to_numpy(), outdir, int(rfm["rows"].sum()),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
