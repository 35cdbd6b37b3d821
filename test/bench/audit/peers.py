"""The same search by FAISS and numpy, as a server: a line `faiss` or `sgemm` on stdin gives one line of JSON on stdout.

Usage: peers.py QUERIES BASE DIM K THREADS FOLDER, with unit rows as raw float32 in FOLDER/queries.f32 and FOLDER/base.f32.
"""
import json
import sys
import time

import numpy as np

queries, base, dim, k, threads = (int(x) for x in sys.argv[1:6])
folder = sys.argv[6]
q = np.fromfile(f"{folder}/queries.f32", np.float32).reshape(queries, dim)
b = np.fromfile(f"{folder}/base.f32", np.float32).reshape(base, dim)
said = {"numpy": np.__version__}
try:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(dim)
    index.add(b)
    said["faiss"] = faiss.__version__
except ImportError as error:
    index = None
    said["faiss_missing"] = str(error)
try:
    said["blas"] = [c["internal_api"] + " " + c["version"] for c in __import__("threadpoolctl").threadpool_info() if c["user_api"] == "blas"]
except ImportError:
    said["blas"] = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
print(json.dumps(said), flush=True)
out = np.empty((queries, base), np.float32)
for line in sys.stdin:
    started = time.perf_counter()
    if line.strip() == "faiss":
        scores, ids = index.search(q, k)
    else:
        np.matmul(q, b.T, out=out)
        ids = None
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "first": [] if ids is None else ids[:50].tolist()}), flush=True)
