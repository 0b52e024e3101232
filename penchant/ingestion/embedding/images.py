"""Read image files as pixels, and reject those that no image program should open.

A file's size and header are checked before its pixels are decoded: a small file can declare an
image of gigabytes.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from penchant.errors import UsageError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MOST_PIXELS = 50_000_000
MOST_BYTES = 100_000_000
Pixels = npt.NDArray[np.float32]


class Rejected(Exception):
    """A file that is no image to embed; the message says why."""


@dataclass(frozen=True)
class Form:
    """What an encoder reads: ``size`` pixels a side; colours less ``mean``, over ``deviation``."""

    size: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)

    @classmethod
    def beside(cls, encoder: Path, size: int) -> "Form":
        """With the mean and deviation of ``preprocessor_config.json`` (Hugging Face's) beside the
        encoder, else of pixels from 0 to 1. Raises UsageError for a file that lacks them."""
        config = encoder.parent / "preprocessor_config.json"
        if not config.is_file():
            return cls(size)
        try:
            content = json.loads(config.read_text())
            mean, deviation = (tuple(map(float, content[n])) for n in ("image_mean", "image_std"))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{config}: no image_mean and image_std: {error}", "fix the file, or remove it"
            ) from None
        if len(mean) != 3 or len(deviation) != 3 or min(deviation) <= 0:
            raise UsageError(
                f"{config}: image_mean {mean} and image_std {deviation} are not of three colours",
                "give three numbers for each, image_std above 0",
            )
        return cls(size, mean, deviation)


def find_images(folder: Path) -> list[Path]:
    """Image files in a folder and those below it, by name. Raises UsageError without any."""
    found = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()
    )
    if not found:
        raise UsageError(
            f"{folder} has no image", f"pass a folder with files named {', '.join(ENDINGS)}"
        )
    return found


def read_pixels(path: Path, form: Form) -> Pixels:
    """pixels_3HW of the middle square, scaled. Raises Rejected."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # takes 0.1 s

    size = path.stat().st_size
    if size == 0:
        raise Rejected("0 bytes")
    if size > MOST_BYTES:
        raise Rejected(f"{size:,} bytes, more than {MOST_BYTES:,}")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                shown = f"{image.width:,} x {image.height:,}"
                raise Rejected(f"{shown} pixels, more than {MOST_PIXELS:,}")
            fitted = ImageOps.fit(
                ImageOps.exif_transpose(image).convert("RGB"), (form.size, form.size)
            )
    except Image.DecompressionBombError:
        raise Rejected(f"more than {MOST_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise Rejected("not an image") from None
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for damaged files
        raise Rejected(f"damaged: {error}") from None
    pixels_HW3 = np.asarray(fitted, np.float32) / 255
    scaled_HW3 = (pixels_HW3 - np.array(form.mean, np.float32)) / np.array(
        form.deviation, np.float32
    )
    return np.ascontiguousarray(scaled_HW3.transpose(2, 0, 1), np.float32)
