"""Make the outputs of a fresh run fit for committing: one line per progress bar, small pictures."""

import base64
import io
import re

from PIL import Image, ImageChops, ImageStat

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
PROGRESS = re.compile(r"\d+%\|.*\|.*\[|\d+(it)? \[\d+:\d+")
JPEG_QUALITY = 85
JPEG_TAG = "jpeg"
MOST_COLOUR_LOSS = 2.0  # root mean square over 0-255: below it nobody sees the palette


def tidy_outputs(notebook):
    """Collapse progress bars and recompress pictures of every code cell, in place."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _merge_streams(cell.outputs)
            for output in cell.outputs:
                _shrink_pictures(output, jpeg=JPEG_TAG in cell.metadata.get("tags", []))


def collapse(text):
    r"""Show what a terminal would: of a line written over with "\r" only the last state stays."""
    lines = []
    for line in ANSI.sub("", text).split("\n"):
        states = [state for state in line.split("\r") if state.strip()]
        lines.append(states[-1].rstrip() if states else "")
    return "\n".join(lines)


def is_progress(line):
    """Tell whether `line` is a tqdm progress bar."""
    return PROGRESS.search(line) is not None


def _merge_streams(outputs):
    merged = []
    for output in outputs:
        # Bars are drawn between prints, so stderr comes in pieces: all of it goes where it began.
        before = merged if output.output_type == "stream" and output.name == "stderr" else merged[-1:]
        same = [o for o in before if o.output_type == "stream" and o.name == output.get("name")]
        if output.output_type == "stream" and same:
            same[0].text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = collapse(output.text)
            if output.name == "stderr":
                output.text = _last_bar(output.text)
    return [o for o in merged if o.output_type != "stream" or o.text.strip()]


def _last_bar(text):
    lines = [line for line in text.split("\n") if line.strip()]
    bars = [line for line in lines if is_progress(line)]
    kept = [line for line in lines if not is_progress(line)] + bars[-1:]
    return "\n".join(kept) + "\n" if kept else ""


def _shrink_pictures(output, *, jpeg):
    data = output.get("data", {})
    if "image/png" not in data:
        return
    original = base64.b64decode(data["image/png"])
    if jpeg:
        del data["image/png"]
        data["image/jpeg"] = _encode(_flat(original), "JPEG", quality=JPEG_QUALITY)
    else:
        data["image/png"] = _smallest_png(original)


def _smallest_png(original):
    with Image.open(io.BytesIO(original)) as picture:
        if getattr(picture, "n_frames", 1) > 1:  # an animation: writing it anew would keep the first frame only
            return base64.b64encode(original).decode()
    full = _flat(original)
    choices = [base64.b64encode(original).decode(), _encode(full, "PNG")]
    palette = full.quantize(256, dither=Image.Dither.NONE)
    loss = ImageStat.Stat(ImageChops.difference(full, palette.convert("RGB"))).rms
    if max(loss) <= MOST_COLOUR_LOSS:
        choices.append(_encode(palette, "PNG"))
    return min(choices, key=len)


def _flat(original):
    with Image.open(io.BytesIO(original)) as picture:
        rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _encode(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, optimize=True, **options)
    return base64.b64encode(buffer.getvalue()).decode()
