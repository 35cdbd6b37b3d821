"""Writes test/golden/half/numpy.json: float32 bit patterns and the binary16 patterns numpy rounds them to.

    python test/cross/goldens/make_half.py [folder in place of test/golden]

needs numpy. Special values, every kind of tie, and random patterns of all exponents. NaN is left out: which payload a conversion keeps differs
between numpy's own code and the processor's instruction.
"""
import json
import sys
from pathlib import Path

import numpy as np

GOLDEN = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "golden"

specials = np.array([0x00000000, 0x80000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x33000000, 0x33000001, 0x33800000, 0x33C00000,
                     0x387FC000, 0x387FDFFF, 0x387FE000, 0x387FFFFF, 0x38800000, 0x3F800000, 0x3F801000, 0x3F803000, 0x477FE000,
                     0x477FEFFF, 0x477FF000, 0x47800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0xC77FF000], np.uint32)
rng = np.random.default_rng(16)
halves = rng.integers(0, 0x7C00, 150).astype(np.uint16)
low = halves.view(np.float16).astype(np.float64)
high = (halves + 1).astype(np.uint16).view(np.float16).astype(np.float64)
ties = ((low + np.where(np.isinf(high), 65536, high)) / 2).astype(np.float32).view(np.uint32)
near = np.concatenate([ties - 1, ties, ties + 1])
exponents = rng.integers(96, 146, 300).astype(np.uint32)
near_half = (exponents << 23) | rng.integers(0, 1 << 23, 300).astype(np.uint32) | (rng.integers(0, 2, 300).astype(np.uint32) << 31)
anything = rng.integers(0, 1 << 32, 200, dtype=np.uint64).astype(np.uint32)
bits = np.concatenate([specials, near, near_half, anything])
bits = bits[~np.isnan(bits.view(np.float32))]
with np.errstate(over="ignore", under="ignore"):
    rounded = bits.view(np.float32).astype(np.float16).view(np.uint16)
out = GOLDEN / "half" / "numpy.json"
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(
    json.dumps(
        {
            "made with": {"numpy": np.__version__},
            "float32": "".join(f"{b:08x}" for b in bits),
            "float16": "".join(f"{b:04x}" for b in rounded),
        }
    )
    + "\n"
)
