"""Outputs made fit for committing: bars collapsed, streams merged, pictures smaller but the same."""

import base64
import io

import numpy as np
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from tools.nb_outputs import collapse, is_progress, tidy_outputs

BAR = "\rLatih:   0%|          | 0/5 [00:00<?, ?it/s]\rLatih: 100%|██████████| 5/5 [00:01<00:00,  4.9it/s]\n"


def tidy(*outputs, tags=()):
    """Return the outputs of one cell after tidying."""
    notebook = new_notebook(cells=[new_code_cell(outputs=list(outputs), metadata={"tags": list(tags)})])
    tidy_outputs(notebook)
    return notebook.cells[0].outputs


def png(array):
    """Return a (H, W, 3) uint8 array as an uncompressed PNG in base64."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=0)
    return base64.b64encode(buffer.getvalue()).decode()


def decode(text):
    """Return a base64 picture as a (H, W, 3) uint8 array."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def test_collapse_keeps_the_last_state_of_each_line():
    assert collapse("a\rb\nc\x1b[A\r") == "b\nc"
    assert collapse(BAR).strip() == "Latih: 100%|██████████| 5/5 [00:01<00:00,  4.9it/s]"


def test_bar_in_pieces_becomes_one_line_and_prints_stay():
    half = len(BAR) // 2
    streams = [("stderr", BAR[:half]), ("stdout", "epoch 1\n"), ("stderr", BAR[half:]), ("stdout", "epoch 2\n")]
    outputs = tidy(*[new_output("stream", name=name, text=text) for name, text in streams])
    assert [output.name for output in outputs] == ["stderr", "stdout"]
    assert outputs[0].text == "Latih: 100%|██████████| 5/5 [00:01<00:00,  4.9it/s]\n"
    assert outputs[1].text == "epoch 1\nepoch 2\n"


def test_warning_beside_a_bar_stays():
    outputs = tidy(new_output("stream", name="stderr", text="UserWarning: x\n" + BAR))
    assert outputs[0].text.startswith("UserWarning: x\n")


def test_progress_is_recognised():
    assert is_progress("Latih: 100%|██████████| 5/5 [00:01<00:00,  4.9it/s]")
    assert is_progress("12it [00:03,  3.9it/s]")
    assert not is_progress("UserWarning: 100% salah")


def test_flat_png_gets_a_palette_without_visible_loss():
    array = np.full((60, 80, 3), 255, np.uint8)
    array[20:40, 10:70] = (0, 114, 178)
    before = png(array)
    after = tidy(new_output("display_data", {"image/png": before}))[0].data["image/png"]
    assert len(after) < len(before) / 10
    np.testing.assert_array_equal(decode(after), array)


def test_photograph_keeps_its_colours():
    array = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    after = tidy(new_output("display_data", {"image/png": png(array)}))[0].data["image/png"]
    np.testing.assert_array_equal(decode(after), array)  # a palette would have cost too much


def test_tag_makes_a_jpeg():
    array = np.tile(np.arange(80, dtype=np.uint8)[None, :, None], (60, 1, 3))
    data = tidy(new_output("display_data", {"image/png": png(array)}), tags=["jpeg"])[0].data
    assert set(data) == {"image/jpeg"}
    assert np.abs(decode(data["image/jpeg"]).astype(int) - array).max() < 8
