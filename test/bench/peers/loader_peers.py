"""The loaders of others over the arrays of a stillhouse cache, shuffled: MosaicML Streaming, WebDataset and LitData.

  loader_peers.py which                                      -> JSON list of the peers that this Python has
  loader_peers.py prepare <peer> <cache> <folder> <samples>  -> writes the peer's own format
  loader_peers.py run <peer> <folder> <batch> <workers>      -> JSON: first batch, GB/s after it in each epoch, memory

Each as its documentation has it: MDS with fixed-shape ndarray columns, no compression and StreamingDataLoader; WebDataset with .npy
in tars, shards and a buffer of 1000 samples shuffled, batches made in the workers; LitData with chunks of 64 MB, shuffled, and
StreamingDataLoader. A batch counts as delivered when its tensors are collated.
"""

import glob
import importlib.util
import json
import os
import resource
import sys
import time

EPOCHS = 2
MODULES = {"mosaic": "streaming", "webdataset": "webdataset", "litdata": "litdata"}


def samples_of(cache, count):
    """Yields dicts of float16 arrays, space by space."""
    import numpy as np
    import pyarrow as pa

    spaces = {}
    for folder in sorted(glob.glob(os.path.join(cache, "data", "*"))):
        name = os.path.basename(folder).rsplit(".", 2)[0].replace("@224", "").replace(".", "_")
        rows = {}
        for path in glob.glob(os.path.join(folder, "*.arrow")):
            table = pa.ipc.open_file(pa.memory_map(path)).read_all()
            values = table["payload"].chunk(0).to_numpy_ndarray()
            for i, key in enumerate(table["key"].to_pylist()):
                rows[key] = (values, i)
        spaces[name] = rows
    keys = sorted(next(iter(spaces.values())))[:count]
    for key in keys:
        yield {name: np.ascontiguousarray(rows[key][0][rows[key][1]]) for name, rows in spaces.items()}


def prepare(peer, cache, folder, count):
    os.makedirs(folder, exist_ok=True)
    if peer == "mosaic":
        from streaming import MDSWriter

        first = next(samples_of(cache, 1))
        columns = {k: f"ndarray:float16:{','.join(map(str, v.shape))}" for k, v in first.items()}
        with MDSWriter(out=folder, columns=columns, size_limit="128mb") as out:
            for sample in samples_of(cache, count):
                out.write(sample)
    elif peer == "webdataset":
        import webdataset as wds

        pattern = os.path.join(folder, "%06d.tar")
        with wds.ShardWriter(pattern, maxsize=128e6, verbose=0) as out:
            for i, sample in enumerate(samples_of(cache, count)):
                out.write({"__key__": f"{i:08d}", **{f"{k}.npy": v for k, v in sample.items()}})
    else:
        from litdata.streaming import Cache

        # what optimize() has each of its workers do
        chunks = Cache(folder, chunk_bytes="64MB")
        for i, sample in enumerate(samples_of(cache, count)):
            chunks[i] = sample
        chunks.done()
        chunks.merge()


def loader_of(peer, folder, batch, workers):
    more = {"num_workers": workers, **({"persistent_workers": True, "prefetch_factor": 4} if workers else {})}
    if peer == "mosaic":
        from streaming import StreamingDataLoader, StreamingDataset

        return StreamingDataLoader(
            StreamingDataset(local=folder, shuffle=True, batch_size=batch), batch_size=batch, **more
        )
    if peer == "webdataset":
        import webdataset as wds

        shards = sorted(glob.glob(os.path.join(folder, "*.tar")))
        dataset = (
            wds.WebDataset(shards, shardshuffle=len(shards), empty_check=False)
            .shuffle(1000)
            .decode()
            .batched(batch, partial=True)
        )
        return wds.WebLoader(dataset, batch_size=None, **more)
    from litdata import StreamingDataLoader, StreamingDataset

    return StreamingDataLoader(StreamingDataset(folder, shuffle=True), batch_size=batch, **more)


def bytes_of(batch):
    return sum(v.nbytes for v in batch.values() if hasattr(v, "nbytes") and getattr(v, "ndim", 0) > 1)


def run(peer, folder, batch, workers):
    started = time.perf_counter()
    loader = loader_of(peer, folder, batch, workers)
    first_ms, rates, total = None, [], 0
    for _ in range(EPOCHS):
        began, counted, seen = time.perf_counter(), 0, 0
        for one in loader:
            now = time.perf_counter()
            size = bytes_of(one)
            total += size
            if first_ms is None:
                first_ms = 1000 * (now - started)
            if seen == 0:
                began = now
            else:
                counted += size
            seen += 1
        rates.append(counted / 1e9 / (time.perf_counter() - began))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del loader
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if workers else 0
    print(
        json.dumps(
            {
                "first_batch_ms": first_ms,
                "gb_per_s": rates,
                "bytes": total,
                "peak_mb": (own + workers * children) / 1000,
            }
        )
    )


if __name__ == "__main__":
    verb, rest = sys.argv[1], sys.argv[2:]
    if verb == "which":
        needed = [name for name in ("torch", "pyarrow", "numpy") if importlib.util.find_spec(name) is None]
        print(json.dumps([] if needed else [p for p, m in MODULES.items() if importlib.util.find_spec(m)]))
    elif verb == "prepare":
        prepare(rest[0], rest[1], rest[2], int(rest[3]))
    else:
        run(rest[0], rest[1], int(rest[2]), int(rest[3]))
