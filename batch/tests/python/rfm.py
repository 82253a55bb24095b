"""RFM scores and named segments as pandas users compute them."""

import re

import pandas as pd

SEGMENTS = {
    "[12][12]": "Hibernating",
    "[12][34]": "At Risk",
    "[12]5": "Can't Lose",
    "3[12]": "About to Sleep",
    "33": "Need Attention",
    "[34][45]": "Loyal",
    "41": "Promising",
    "51": "New",
    "[45][23]": "Potential Loyalist",
    "5[45]": "Champions",
}


def scores(rfm):
    """Quintiles of customers in ascending order of id; few days since the last order are good."""
    quintile = lambda values, labels: pd.qcut(values, 5, labels=labels).astype(int)
    up, down = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]
    return pd.DataFrame(
        {
            "r_score": quintile(rfm.recency_days, down),
            "f_score": quintile(rfm.frequency.rank(method="first"), up),
            "m_score": quintile(rfm.monetary.astype(float), up),
        }
    )


def named_segment(recency, frequency):
    return next(name for digits, name in SEGMENTS.items() if re.fullmatch(digits, f"{recency}{frequency}"))
