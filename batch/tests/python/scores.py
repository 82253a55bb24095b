"""Customers whose RFM scores or named segment pandas sees differently: scores.py CUSTOMER_RFM"""

import json
import sys

import pandas as pd
from rfm import named_segment, scores

rfm = pd.read_csv(sys.argv[1], dtype={"customer_id": str})
expected = scores(rfm)
different = (rfm[["r_score", "f_score", "m_score"]] != expected).any(axis=1) | (
    rfm.rfm_segment != [named_segment(r, f) for r, f in zip(expected.r_score, expected.f_score)]
)
print(json.dumps({"customers": len(rfm), "different": rfm.customer_id[different].tolist()}))
