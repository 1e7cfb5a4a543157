"""The picture library: our own drawings, shipped with the software, and pictures that the clinic uploads.

A drawing is an SVG file of ours in static/pictures/, put into the page itself so that its lines take the colour of the
text (forced colours, print). Nobody can upload an SVG. An upload is a PNG, JPEG or WebP, proven by decoding it, and
encoded again: whatever was hidden in the file (place, camera, scripts) does not survive.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

FOLDER = Path(settings.BASE_DIR) / "static" / "pictures"
MAX_UPLOAD_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 1600  # pixels; a page is never wider
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Drawing:
    """One of our own drawings. `tall` is the variant for phones, where labels would otherwise be too small."""

    name: str
    alt: "StrOrPromise"
    tall: bool = False


DRAWINGS = {
    drawing.name: drawing
    for drawing in [
        Drawing("home", _("Three people with ordinary scars sit at a table by a window.")),
        Drawing(
            "skin",
            _(
                "Skin cut through from the side. Before: a dent with little collagen. During: very small needles touch "
                "the dent and repair signals appear. After: more collagen, and the dent is less deep."
            ),
            tall=True,
        ),
        Drawing(
            "healing-timeline",
            _("Six small pictures of skin along a line, from red in the first hours to a softer scar after months."),
            tall=True,
        ),
        Drawing(
            "aftercare-timeline",
            _("Seven steps along a line, from leaving the skin alone in the first hours to judging the result."),
            tall=True,
        ),
        Drawing(
            "journey",
            _("Six scenes of a visit: arrive at the desk, talk, numbing cream, treatment, calming the skin, go home."),
            tall=True,
        ),
    ]
}


@cache
def svg(name: str) -> str:
    """The text of a shipped SVG, without its `<title>` (the figure carries the alternative). KeyError if not ours."""
    if name.removesuffix("-tall") not in DRAWINGS:
        raise KeyError(name)
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    start, end = text.index("<title>"), text.index("</title>") + len("</title>")
    return (text[:start] + text[end:]).strip()


def drawing_html(name: str) -> SafeString:
    """A drawing as inline SVG with its alternative; two variants where labels need it, of which CSS shows one."""
    drawing = DRAWINGS[name]

    def variant(file: str, shape: str) -> SafeString:
        opening = format_html('<svg class="drawing {}" role="img" aria-label="{}"', shape, drawing.alt)
        return mark_safe(svg(file).replace("<svg", opening, 1))  # noqa: S308 our own file, from the repository

    if not drawing.tall:
        return variant(name, "drawing-any")
    return variant(name, "drawing-wide") + variant(f"{name}-tall", "drawing-tall")


@dataclass(frozen=True)
class CleanPicture:
    """A picture that was decoded and encoded again by us."""

    content: bytes
    media_type: str
    width: int
    height: int
    sha256: str


def clean_upload(upload) -> CleanPicture:
    """Decodes an uploaded file and encodes it again, turned upright, at most 1600 pixels a side, without metadata.

    Raises ValidationError, in words for the person who uploads, for anything but a PNG, JPEG or WebP of at most
    5 MB and 40 million pixels; the name and the type that the browser sends are not believed.
    """
    data = upload.read(MAX_UPLOAD_BYTES + 1)
    if len(data) > MAX_UPLOAD_BYTES:
        raise ValidationError(_("This file is too large: more than 5 MB. Make the picture smaller and try again."))
    too_large = ValidationError(
        _("This picture is too large: it has more than 40 million pixels. Make it smaller and try again.")
    )
    not_a_picture = ValidationError(_("This is not a PNG, JPEG or WebP picture, or the file is damaged."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data), formats=list(FORMATS))
            if opened.width * opened.height > MAX_PIXELS:
                raise too_large
            kind = str(opened.format)
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except ValidationError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large from None
    except UnidentifiedImageError:
        raise not_a_picture from None
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise not_a_picture from error
    image = image.convert("RGB" if kind == "JPEG" or not image.has_transparency_data else "RGBA")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    fresh = Image.new(image.mode, image.size)  # a new image has no metadata to write
    fresh.paste(image)
    out = io.BytesIO()
    fresh.save(out, format=kind, **({"quality": 85} if kind != "PNG" else {"optimize": True}))
    content = out.getvalue()
    return CleanPicture(content, FORMATS[kind], fresh.width, fresh.height, hashlib.sha256(content).hexdigest())
