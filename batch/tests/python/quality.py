"""How good a segmentation is, by scikit-learn: quality.py CUSTOMER_RFM CUSTOMER_SEGMENTS"""

import json
import sys

import numpy as np
import pandas as pd
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

rfm, segments = (pd.read_csv(path, dtype={"customer_id": str}) for path in sys.argv[1:3])
assert (rfm.customer_id == segments.customer_id).all()
values = rfm[["recency_days", "frequency", "monetary"]].to_numpy(dtype=float)
scaled = values / values.std(axis=0)
labels = segments.segment_id.to_numpy()
inertia = sum(
    np.square(scaled[labels == label] - scaled[labels == label].mean(axis=0)).sum() for label in set(labels)
)
print(
    json.dumps(
        {
            "inertia": inertia,
            "silhouette": silhouette_score(scaled, labels),
            "davies_bouldin": davies_bouldin_score(scaled, labels),
            "calinski_harabasz": calinski_harabasz_score(scaled, labels),
        }
    )
)
