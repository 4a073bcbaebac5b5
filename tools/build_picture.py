"""Draw the picture on the front page, `docs/gambar/difusi.png`: `python -m tools.build_picture`.

The committed diffusion model of 5-generative/06 turns noise into the ten digits in order. The noise comes from key 0
and is drawn once; nothing is chosen. `docs/gambar/difusi-film.png` holds every step, one above the other, for the site.
"""

import sys

import jax
import numpy as np
from PIL import Image

from common.models.diffusion import cosine_alpha_bar, ddim_step, guided_noise, predict_clean
from common.pretrained import load_pretrained
from tools.nb_schema import ROOT

FOLDER = ROOT / "docs" / "gambar"
LEVELS, MOVES, WEIGHT = 500, 40, 2.0  # noise levels of the model, steps drawn here, weight of the guidance
ROWS = (0, 14, 20, 25, 30, 39)  # steps that the still picture shows
SCALE, GAP = 3, 2  # pixels of the picture per pixel of a digit; pixels between digits


def denoise(model, labels, key):
    """Sample images and keep every step.

    Args:
        model: U-Net that predicts noise.
        labels: (B,) int32, the digits to draw.
        key: a key of `jax.random.key`.

    Returns:
        (MOVES + 1, B, 28, 28) float32 in [0, 1], from noise to image.
    """
    alpha_bars = cosine_alpha_bar(LEVELS)
    times = np.linspace(LEVELS - 1, 0, MOVES).round().astype(np.int32)
    z = jax.random.normal(key, (len(labels), 28, 28, 1))
    frames = [z]
    for now, then in zip(times, [*times[1:], None], strict=True):
        pair = (alpha_bars[now], np.float32(1) if then is None else alpha_bars[then])
        noise = guided_noise(model, z, now, labels=labels, weight=WEIGHT)
        clean = predict_clean(z, noise, pair[0]).clip(-1, 1)
        z = ddim_step(z, clean, alpha_bars=pair)
        frames.append(z)
    return (np.stack(frames)[..., 0].clip(-1, 1) + 1) / 2


def tile(rows):
    """Lay images out in rows.

    Args:
        rows: (R, B, 28, 28) float in [0, 1].

    Returns:
        `PIL.Image` in grey, black on white.
    """
    framed = np.pad(1 - rows, ((0, 0), (0, 0), (GAP, GAP), (GAP, GAP)), constant_values=1)  # (R, B, h, w)
    flat = np.concatenate([np.concatenate(list(row), axis=1) for row in framed])  # (R*h, B*w)
    return Image.fromarray(np.uint8(np.rint(flat * 15) * 17))  # 16 greys: noise does not compress well


def main():
    """Write both pictures."""
    model, _ = load_pretrained("diffusion")
    frames = denoise(model, np.arange(10, dtype=np.int32), jax.random.key(0))
    still = tile(frames[[row + (row == MOVES - 1) for row in ROWS]])
    FOLDER.mkdir(parents=True, exist_ok=True)
    still.resize([side * SCALE for side in still.size], Image.NEAREST).save(FOLDER / "difusi.png", optimize=True)
    tile(frames).save(FOLDER / "difusi-film.png", optimize=True)
    for path in sorted(FOLDER.glob("difusi*.png")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
