"""Writes test/golden/images/resample.json: what Pillow makes of the golden images at many sizes and boxes, as digests of the bytes.

    python test/cross/goldens/make_resample.py [folder in place of test/golden]

needs numpy and Pillow.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

IMAGES = Path(__file__).parents[2] / "golden" / "teachers" / "images"
GOLDEN = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "golden"
KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "linear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
}
# up, down, odd, one side kept, to almost nothing, tall to flat (which Pillow 13 does down first)
SIZES = [(224, 224), (28, 28), (61, 37), (None, 31), (33, None), (1, 1), (7, 200), (70, 5)]


def main() -> None:
    rng = np.random.default_rng(20)
    cases = []
    for path in sorted(IMAGES.glob("*.png")):
        image = Image.open(path)
        width, height = image.size
        for kernel, resample in KERNELS.items():
            for index, (to_width, to_height) in enumerate(SIZES):
                size = (to_width or width, to_height or height)
                box = (0.0, 0.0, float(width), float(height))
                if index % 2 == 1:
                    # fractions that single precision holds, as Pillow keeps them
                    left, right = sorted(np.float32(rng.uniform(0, width, 2)).tolist())
                    top, bottom = sorted(np.float32(rng.uniform(0, height, 2)).tolist())
                    box = (left, top, right, bottom)
                pixels = np.asarray(image.resize(size, resample, box=box))
                cases.append(
                    {
                        "image": path.stem,
                        "kernel": kernel,
                        "size": list(size),
                        "box": list(box),
                        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
                    }
                )
    lines = ",\n    ".join(json.dumps(case) for case in cases)
    out = GOLDEN / "images" / "resample.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(f'{{\n  "made with": {{"PIL": "{PIL.__version__}"}},\n  "cases": [\n    {lines}\n  ]\n}}\n')
    print(len(cases), "cases,", out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
