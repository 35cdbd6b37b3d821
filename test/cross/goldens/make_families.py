"""Writes test/golden/teachers: tiny look-alikes of the teacher families as ONNX files, and what the reference stack makes of them.

    python test/cross/goldens/make_families.py [folder in place of test/golden]

needs torch, transformers, onnx, onnxruntime, safetensors and Pillow. Per family a folder with model.onnx (and other precisions
of it), and golden.safetensors: features of the PyTorch model on what the processor of transformers makes of each image on Pillow,
`summary.<size>` [images, D] and `spatial.<size>` [images, h, w, C], and of two images those pixels, `pixels.<size>` [2, 3, size, size].
`pixels.json` has the sha256 of the processors' bytes, at these sizes and at those of the real checkpoints. Running it again changes
nothing but with other versions.
"""

import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import PIL
import torch
import transformers
from look_alike_models import SAM_MEAN, SAM_STD, LookAlike, Named, look_alikes
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image
from processors import bytes_of, pixels_of
from safetensors.numpy import save_file
from torch.onnx import register_custom_op_symbolic, symbolic_helper
from torch.onnx.symbolic_helper import parse_args

GOLDEN = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "golden"
OUT = GOLDEN / "teachers"
# the first opset whose Resize can filter, as the models with registers do
OPSET = 18
SIDES = {"wide": (90, 50), "tall": (37, 83), "square": (64, 64), "small": (20, 11), "strip": (120, 30)}
# the sizes that the shipped manifests' checkpoints were trained or evaluated at
FULL_SIZES = [("dinov2", 224), ("dinov2", 518), ("clip", 336), ("siglip", 384), ("sam", 1024)]


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    images = draw_images()
    for look_alike in look_alikes():
        make_family(look_alike, images)
    small = [(one.family, size_px) for one in look_alikes() for size_px in one.sizes_px]
    digests = {
        f"{family}@{size_px}": {
            name: digest_of(bytes_of(family, size_px, image)) for name, image in images.items()
        }
        for family, size_px in [*small, *FULL_SIZES]
    }
    (OUT / "pixels.json").write_text(json.dumps({**versions(), "bytes": digests}, indent=2) + "\n")


def digest_of(pixels: np.ndarray) -> dict:
    height, width, _ = pixels.shape
    return {"widthPx": width, "heightPx": height, "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def versions() -> dict:
    parts = (torch, transformers, onnx, onnxruntime, PIL, np)
    return {"made with": {part.__name__: part.__version__ for part in parts}}


def draw_images() -> dict[str, Image.Image]:
    """Gradients, edges and noise, so that a shift or another kernel shows."""
    folder = OUT / "images"
    folder.mkdir()
    images = {}
    for seed, (name, (width, height)) in enumerate(SIDES.items()):
        rng = np.random.default_rng(seed)
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        smooth = np.stack([255 * x / width, 255 * y / height, 127 + 120 * np.sin((x + 2 * y) / 5)], -1)
        smooth[(x // 9 + y // 7) % 3 == 0] = 255 - smooth[(x // 9 + y // 7) % 3 == 0]
        noisy = smooth + rng.normal(0, 12, smooth.shape)
        images[name] = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8), "RGB")
        images[name].save(folder / f"{name}.png", optimize=True)
    return images


def make_family(look_alike: LookAlike, images: dict[str, Image.Image]) -> None:
    folder = OUT / look_alike.family
    folder.mkdir()
    export(look_alike, folder / "model.onnx")
    goldens: dict[str, np.ndarray] = {}
    for size_px in look_alike.sizes_px:
        pixels = np.stack([pixels_of(look_alike.family, size_px, image) for image in images.values()])
        if look_alike.family != "mobile-sam" and size_px == look_alike.sizes_px[0]:
            goldens[f"pixels.{size_px}"] = np.ascontiguousarray(pixels[:2])
        if look_alike.family == "mobile-sam":
            rows = [mobile_sam(look_alike, size_px, image) for image in images.values()]
            goldens[f"spatial.{size_px}"] = np.concatenate(rows)
        else:
            goldens.update(features(look_alike, size_px, torch.from_numpy(pixels)))
    if look_alike.family == "dinov2":
        other_precisions(folder)
    if look_alike.family == "siglip":
        half = convert_float_to_float16(onnx.load(folder / "model.onnx"), keep_io_types=False)
        onnx.save(half, folder / "model_fp16.onnx")
    # one entry alone: safetensors writes several in random order
    save_file(goldens, folder / "golden.safetensors", metadata={"versions": json.dumps(versions())})
    print(look_alike.family, sum(path.stat().st_size for path in folder.iterdir()), "bytes")


def export(look_alike: LookAlike, path: Path) -> None:
    """As optimum does for the hub: TorchScript, with its names and free axes."""
    module, size_px = look_alike.module, look_alike.sizes_px[-1]
    if look_alike.family in ("sam", "mobile-sam"):
        exported = module
    else:
        exported = Named(module, look_alike.outputs)
        # the hub's exports name inner tensors from the model's root
        exported = unwrapped(exported)
    example = torch.rand(1, 3, size_px, size_px)
    if look_alike.family == "mobile-sam":
        example = 255 * torch.rand(size_px, size_px - 10, 3)
    torch.onnx.export(
        exported,
        (example,),
        str(path),
        input_names=[look_alike.input_name],
        output_names=look_alike.outputs,
        dynamic_axes=look_alike.free_axes,
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(path))


@parse_args("v", "v", "b", "v")
def filtered_bicubic(graph, pixels, size, _align_corners, _scales):
    """torch's bicubic with antialias is Pillow's: its own coefficient, and no pixel beyond the edge."""
    shape = graph.op("Shape", pixels)
    zero, two = (graph.op("Constant", value_t=torch.tensor([at])) for at in (0, 2))
    sides = graph.op("Concat", graph.op("Slice", shape, zero, two), size_of(graph, size), axis_i=0)
    empty = graph.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
    return graph.op(
        "Resize",
        pixels,
        empty,
        empty,
        sides,
        antialias_i=1,
        coordinate_transformation_mode_s="half_pixel",
        cubic_coeff_a_f=-0.5,
        exclude_outside_i=1,
        mode_s="cubic",
    )


def size_of(graph, size):
    """A list of two sides as one tensor."""
    if not symbolic_helper._is_packed_list(size):
        return size
    one = graph.op("Constant", value_t=torch.tensor([1]))
    sides = [graph.op("Reshape", side, one) for side in symbolic_helper._unpack_list(size)]
    return graph.op("Concat", *sides, axis_i=0)


register_custom_op_symbolic("aten::_upsample_bicubic2d_aa", filtered_bicubic, OPSET)


def unwrapped(named: Named) -> torch.nn.Module:
    """The model itself, made to return the named outputs: a wrapper would add its own name to every inner tensor."""
    model, outputs = named.model, named.outputs
    forward = model.forward

    def tuple_of(pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        results = forward(pixel_values=pixel_values)
        return tuple(results[name] for name in outputs)

    model.forward = tuple_of
    return model


def features(look_alike: LookAlike, size_px: int, pixels: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        inner, hooks = {}, []
        for name, part in look_alike.module.named_modules():
            if name.endswith("layers.1"):
                hooks.append(part.register_forward_hook(lambda _, __, out: inner.update({"layers.1": first(out)})))
        outputs = look_alike.module(pixels)
        for hook in hooks:
            hook.remove()
        results = {**dict(zip(look_alike.outputs, outputs)), **inner}
    goldens = {}
    if look_alike.family == "sam":
        # what RADIO distils: the last block, before the neck
        goldens[f"blocks.{size_px}"] = results["layers.1"].numpy()
    if look_alike.summary is not None:
        values = results[look_alike.summary].numpy()
        goldens[f"summary.{size_px}"] = values[:, 0] if values.ndim == 3 else values
    values = results[look_alike.spatial].numpy()
    goldens[f"spatial.{size_px}"] = as_map(values, look_alike.prefix_tokens)
    return {name: np.ascontiguousarray(value) for name, value in goldens.items()}


def first(output):
    return output[0] if isinstance(output, tuple) else output


def as_map(values: np.ndarray, prefix_tokens: int) -> np.ndarray:
    """[n, h, w, C] of tokens or of NCHW."""
    if values.ndim == 4:
        return values.transpose(0, 2, 3, 1)
    side = round((values.shape[1] - prefix_tokens) ** 0.5)
    return values[:, prefix_tokens:].reshape(len(values), side, side, -1)


def mobile_sam(look_alike: LookAlike, size_px: int, image: Image.Image) -> np.ndarray:
    """The reference path: resized, normalised, padded with zeros, then the encoder alone."""
    pixels = bytes_of("mobile-sam", size_px, image).astype(np.float32)
    normalised = (torch.from_numpy(pixels) - torch.tensor(SAM_MEAN)) / torch.tensor(SAM_STD)
    canvas = torch.zeros(1, 3, size_px, size_px)
    canvas[0, :, : pixels.shape[0], : pixels.shape[1]] = normalised.permute(2, 0, 1)
    with torch.no_grad():
        return np.ascontiguousarray(as_map(look_alike.module.encoder(canvas).numpy(), 0))


def other_precisions(folder: Path) -> None:
    """fp16 weights behind float32 ports and dynamic int8, as transformers.js converts; external data, as exports above 2 GB have."""
    source = folder / "model.onnx"
    half = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save(half, folder / "model_fp16.onnx")
    quantize_dynamic(source, folder / "model_int8.onnx", weight_type=QuantType.QUInt8)
    external = folder / "external"
    external.mkdir()
    onnx.save(
        onnx.load(source),
        external / "model.onnx",
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=1024,
    )


if __name__ == "__main__":
    main()
