"""Writes test/golden/images/colour: small files of every kind of colour, and the sRGB pixels that Pillow and littlecms see in them.

    python test/cross/goldens/make_colour.py [folder in place of test/golden]

needs numpy and Pillow with littlecms. `reference/` has what Pillow's own operations make of each file in `files/`, as PNG; where
transformers, which calls convert("RGB") alone, feeds a model something else, `as-fed/` has that, so that a test can say how far it is.
"""

import io
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL.features
from icc_profile import matrix_profile
from PIL import Image, ImageCms, ImageOps

GOLDEN = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "golden"
OUT = GOLDEN / "images" / "colour"
WIDTH, HEIGHT = 24, 16
P3 = [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]
ADOBE = [(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)]


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    for folder in ("files", "reference", "as-fed"):
        (OUT / folder).mkdir(parents=True)

    photo = picture()
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = encoded(photo, "JPEG", quality=95, subsampling=0, exif=exif)
        # transformers opens a file as it is: load_image alone turns it upright
        keep(f"orientation-{orientation}.jpg", file, ImageOps.exif_transpose(opened(file)))
    for name, subsampling in (("jpeg-444.jpg", 0), ("jpeg-420.jpg", 2)):
        file = encoded(photo, "JPEG", quality=90, subsampling=subsampling)
        keep(name, file, opened(file))
    file = encoded(photo, "JPEG", quality=90, subsampling=2, progressive=True)
    keep("progressive.jpg", file, opened(file))
    noisy = noise()
    keep("jpeg-420-odd.jpg", (file := encoded(noisy, "JPEG", quality=85, subsampling=2)), opened(file))
    keep("lossy-odd.webp", (file := encoded(noisy, "WEBP", quality=85)), opened(file))
    for name, subsampling in (("avif-444.avif", "4:4:4"), ("avif-420.avif", "4:2:0")):
        keep(name, (file := encoded(photo, "AVIF", quality=90, subsampling=subsampling)), opened(file))
    file = encoded(photo, "WEBP", quality=90)
    keep("lossy.webp", file, opened(file))

    rgba = photo.copy()
    rgba.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))))
    keep("rgba.png", encoded(rgba, "PNG"), on_white(rgba), rgba)
    keep("rgba.webp", encoded(rgba, "WEBP", lossless=True, exact=True), on_white(rgba), rgba)
    grey = photo.convert("L")
    keep("grey.png", encoded(grey, "PNG"), grey)
    keep("grey.jpg", (file := encoded(grey, "JPEG", quality=90)), opened(file))
    grey_alpha = rgba.convert("LA")
    keep("grey-alpha.png", encoded(grey_alpha, "PNG"), on_white(grey_alpha.convert("RGBA")), grey_alpha)
    keep("bilevel.png", encoded(grey.point(lambda v: 255 * (v > 127)).convert("1"), "PNG"), grey.point(lambda v: 255 * (v > 127)))

    palette = photo.quantize(16)
    keep("palette.png", encoded(palette, "PNG"), palette)
    keep("palette-transparent.png", (file := encoded(palette, "PNG", transparency=0)), on_white(opened(file).convert("RGBA")), opened(file))
    frames = [palette, ImageOps.invert(photo).quantize(16)]
    keep("animated.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100), frames[0])
    lossless = [photo, ImageOps.invert(photo)]
    keep("animated.webp", encoded(lossless[0], "WEBP", save_all=True, append_images=lossless[1:], lossless=True), photo)

    deep = (np.asarray(grey).astype(np.uint16) << 8) + np.arange(WIDTH, dtype=np.uint16) * 9
    eight = Image.fromarray((deep >> 8).astype(np.uint8))
    keep("grey-16.png", (file := encoded(Image.fromarray(deep), "PNG")), eight, opened(file))
    keep("rgb-16.png", (file := rgb_16(photo)), opened(file))

    # convert("CMYK") leaves black at zero
    black = Image.fromarray(np.tile(np.linspace(0, 200, HEIGHT).astype(np.uint8)[:, None], (1, WIDTH)))
    cmyk = Image.merge("CMYK", (*ImageOps.invert(photo).split(), black))
    keep("cmyk.jpg", (file := encoded(cmyk, "JPEG", quality=95, subsampling=0)), opened(file))
    keep("cmyk.tif", encoded(cmyk, "TIFF", compression="tiff_lzw"), cmyk)

    srgb = ImageCms.createProfile("sRGB")
    for name, primaries, gamma in (("display-p3", P3, 2.2), ("adobe-rgb", ADOBE, 563 / 256)):
        profile = matrix_profile(name, primaries, gamma)
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(photo, source, srgb, renderingIntent=intent)
        keep(f"{name}.png", encoded(photo, "PNG", icc_profile=profile), converted, photo)
        file = encoded(photo, "JPEG", quality=95, subsampling=0, icc_profile=profile)
        converted = ImageCms.profileToProfile(opened(file), source, srgb, renderingIntent=intent)
        keep(f"{name}.jpg", file, converted, opened(file))
    tagged = bytearray(ImageCms.ImageCmsProfile(srgb).tobytes())
    tagged[24:36] = bytes(12)  # the time of its making
    keep("srgb-tagged.png", encoded(photo, "PNG", icc_profile=bytes(tagged)), photo)

    made_with = {"PIL": PIL.__version__, "littlecms": PIL.features.version("littlecms2")}
    (OUT / "made-with.json").write_text(json.dumps({"made with": made_with}) + "\n")


def keep(name: str, encoded: bytes, reference: Image.Image, as_fed: Image.Image | None = None) -> None:
    (OUT / "files" / name).write_bytes(encoded)
    save_pixels(OUT / "reference" / f"{name}.png", reference)
    if as_fed is not None:
        save_pixels(OUT / "as-fed" / f"{name}.png", as_fed)


def save_pixels(path: Path, image: Image.Image) -> None:
    Image.fromarray(np.asarray(image.convert("RGB"))).save(path, optimize=True)


def picture() -> Image.Image:
    """Saturated and muted colours, smooth enough for JPEG, none at the edge of the gamut."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    channels = [40 + 170 * x, 30 + 180 * y, 60 + 120 * (1 - x) * (0.5 + 0.5 * np.cos(5 * y))]
    return Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))


def noise() -> Image.Image:
    """Colours that change from pixel to pixel, of odd sides: what differs in upsampling chroma differs here."""
    values = np.random.default_rng(14).integers(0, 256, (27, 41, 3))
    return Image.fromarray(values.astype(np.uint8))


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def on_white(rgba: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def rgb_16(image: Image.Image) -> bytes:
    """A PNG of 16 bits per channel, which Pillow does not write."""
    deep = (np.asarray(image).astype(">u2") << 8) + 100
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", image.width, image.height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main()
