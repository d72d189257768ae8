"""Thumbnails: {"source": FORMAT, "format": FORMAT, "size": N} gives the kind, size and bytes of what is made."""

import base64
import io

from PIL import Image, ImageDraw, ImageOps


def picture(kind):
    """A picture to shrink, as a file of this kind."""
    image = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    ImageDraw.Draw(image).ellipse((100, 100, 300, 300), fill="red")
    written = io.BytesIO()
    image.save(written, kind)
    return written.getvalue()


def handler(event):
    data = base64.b64decode(event["image"]) if "image" in event else picture(event.get("source", "PNG"))
    image = Image.open(io.BytesIO(data))
    kind = image.format
    image = ImageOps.exif_transpose(image).convert(event.get("mode", "RGB"))
    image.thumbnail((event.get("size", 64),) * 2)
    if text := event.get("text"):
        from PIL import ImageFont

        ImageDraw.Draw(image).text((2, 2), text, fill="white", font=ImageFont.load_default(event.get("points", 10)))
    if effect := event.get("filter"):
        from PIL import ImageFilter

        image = image.filter(getattr(ImageFilter, effect))
    if event.get("profile"):
        from PIL import ImageCms

        profiles = [ImageCms.createProfile(name) for name in ("sRGB", "sRGB")]
        image = ImageCms.profileToProfile(image, *profiles)
    written = io.BytesIO()
    image.save(written, event.get("format", "JPEG"))
    return {"from": kind, "to": event.get("format", "JPEG"), "size": image.size, "bytes": len(written.getvalue())}
