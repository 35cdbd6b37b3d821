"""The image processors of transformers on Pillow, set up as the checkpoints of each family set them up, at any input size."""

import numpy as np
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def processor_of(family: str, size_px: int, **more):
    square = {"height": size_px, "width": size_px}
    if family.startswith("dinov2"):
        # preprocessor_config.json of facebook/dinov2-*: 256 to 224, bicubic
        shortest = {"shortest_edge": round(size_px * 256 / 224)}
        return BitImageProcessorPil(size=shortest, crop_size=square, resample=3, **IMAGENET, **more)
    if family == "clip":
        return CLIPImageProcessorPil(size={"shortest_edge": size_px}, crop_size=square, resample=3, **more)
    if family == "siglip":
        # preprocessor_config.json of google/siglip2-so400m-patch14-384: bilinear
        return SiglipImageProcessorPil(size=square, resample=2, **HALF, **more)
    if family in ("sam", "mobile-sam"):
        return SamImageProcessorPil(
            size={"longest_edge": size_px}, pad_size=square, mask_pad_size=square, **IMAGENET, **more
        )
    raise ValueError(family)


def pixels_of(family: str, size_px: int, image: Image.Image) -> np.ndarray:
    """[3, size, size] float32, as the model is fed."""
    return np.asarray(processor_of(family, size_px)(images=[image])["pixel_values"][0], np.float32)


def bytes_of(family: str, size_px: int, image: Image.Image) -> np.ndarray:
    """[height, width, 3] uint8 before normalisation, without padding."""
    raw = processor_of(family, size_px, do_rescale=False, do_normalize=False)(images=[image])
    pixels = np.asarray(raw["pixel_values"][0])
    if "reshaped_input_sizes" in raw:
        height, width = raw["reshaped_input_sizes"][0]
        pixels = pixels[:, :height, :width]
    assert pixels.min() >= 0 and pixels.max() <= 255 and (pixels == np.round(pixels)).all()
    return np.ascontiguousarray(pixels.transpose(1, 2, 0).astype(np.uint8))
