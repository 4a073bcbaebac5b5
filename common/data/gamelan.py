"""Synthesise struck tones after five gamelan instruments, in idealised slendro and pelog.

Every tone is a sum of inharmonic partials that fade exponentially, with a knock where the mallet lands. These are
formulas, not recordings, and a real gamelan is richer: each set has its own tuning and its own voice. All five
instruments play in the same octave here, though a real kempul sounds lower, so that pitch does not give away the
class and only timbre does.

References: Kunst, *Music in Java* (1949), and Surjodiningrat, Sudarjana and Susanto, *Tone measurements of
outstanding Javanese gamelans* (1972), for the size of the intervals; Fletcher and Rossing, *The Physics of Musical
Instruments* (1998), for the partials of a free bar (1, 2.76, 5.40); Sethares, *Tuning, Timbre, Spectrum, Scale*
(2005), for those of a bonang (1, 1.52, 3.46, 3.92). The other ratios, all strengths and all decay times are round
numbers, chosen to be plausible and distinct.
"""

from dataclasses import dataclass

import numpy as np

RATE = 8000  # samples a second
LOWEST = 240.0  # hertz, the first note of both tunings
# Idealised: slendro as five equal steps of an octave, pelog as seven of nine equal steps.
STEPS = {"slendro": np.arange(5) / 5, "pelog": np.array([0, 1, 2, 4, 5, 6, 7]) / 9}


@dataclass(frozen=True)
class Instrument:
    """The timbre of one instrument.

    Attributes:
        ratios: frequency of each partial over that of the first.
        strengths: amplitude of each partial.
        decays: seconds in which each partial falls to 1/e.
        knock: amplitude of the noise of the mallet; a hard mallet knocks more.
        rise: seconds that the tone takes to build up; a soft mallet takes longer.
    """

    ratios: tuple[float, ...]
    strengths: tuple[float, ...]
    decays: tuple[float, ...]
    knock: float
    rise: float


INSTRUMENTS = {
    "saron": Instrument((1, 2.34, 2.76, 5.40), (1, 0.25, 0.5, 0.25), (0.30, 0.20, 0.16, 0.08), 0.5, 0.001),
    "bonang": Instrument((1, 1.52, 3.46, 3.92), (1, 0.6, 0.25, 0.3), (0.22, 0.15, 0.08, 0.08), 0.25, 0.003),
    "gender": Instrument((1, 2.76, 5.40), (1, 0.12, 0.03), (0.90, 0.20, 0.08), 0.04, 0.008),
    "kenong": Instrument((1, 1.98, 3.02, 4.6), (1, 0.35, 0.5, 0.15), (0.50, 0.45, 0.35, 0.20), 0.15, 0.004),
    "kempul": Instrument((1, 1.01, 2.01, 2.86), (0.7, 0.6, 0.3, 0.15), (0.70, 0.70, 0.40, 0.25), 0.06, 0.015),
}
CLASSES = tuple(INSTRUMENTS)
KNOCK_DECAY = 0.006  # seconds


def note_frequencies(tuning: str) -> np.ndarray:
    """List the notes of one octave of an idealised tuning.

    Args:
        tuning: "slendro" or "pelog".

    Returns:
        (5,) or (7,) float64, hertz, rising from `LOWEST`; the octave itself is not repeated.

    Raises:
        ValueError: tuning is neither.
    """
    if tuning not in STEPS:
        raise ValueError(f"tuning must be one of {tuple(STEPS)}, got {tuning!r}: choose one of these names")
    return LOWEST * 2.0 ** STEPS[tuning]


def synthesise(
    frequency: float,
    instrument: str,
    *,
    times: np.ndarray,
    strength: float = 1.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Synthesise one struck tone.

    Args:
        frequency: hertz, of the first partial.
        instrument: a name of `CLASSES`.
        times: (T,) with T >= 2, evenly spaced, seconds since the strike; negative before it, where the tone is silent.
        strength: above 0; a harder strike (above 1) favours the upper partials and the knock, a softer one the first.
        rng: draws the phases, the knock and small deviations of this one instrument from the ideal; None: seed 0.

    Returns:
        (T,) float32 in [-1, 1]. Partials that the sample rate cannot hold are left out.

    Raises:
        ValueError: the instrument is unknown, or frequency or strength is not positive.
    """
    if instrument not in INSTRUMENTS:
        raise ValueError(f"instrument must be one of {CLASSES}, got {instrument!r}: choose one of these names")
    if frequency <= 0 or strength <= 0:
        raise ValueError(
            f"frequency and strength must be positive, got {frequency!r} and {strength!r}: use for example 300 and 1"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    timbre = INSTRUMENTS[instrument]
    count = len(timbre.ratios)
    ratios = np.array(timbre.ratios) * np.r_[1, rng.normal(1, 0.004, count - 1)]
    amplitudes = np.array(timbre.strengths) * rng.lognormal(0, 0.25, count) * np.r_[1, np.full(count - 1, strength)]
    decays = np.array(timbre.decays) * rng.lognormal(0, 0.2, count)
    amplitudes[frequency * ratios >= 0.5 / (times[1] - times[0])] = 0
    since = np.maximum(times, 0)
    phases = 2 * np.pi * (frequency * ratios[:, None] * since + rng.random((count, 1)))
    tone = (amplitudes[:, None] * np.exp(-since / decays[:, None]) * np.sin(phases)).sum(axis=0)
    tone *= 1 - np.exp(-since / timbre.rise)
    knock = timbre.knock * strength * np.exp(-since / KNOCK_DECAY) * rng.uniform(-1, 1, len(times))
    loudest = amplitudes.sum() + timbre.knock * strength
    return np.where(times < 0, 0, (tone + knock) / loudest).astype(np.float32)


def make_gamelan(count: int, *, seed: int = 0, seconds: float = 0.5, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Synthesise single tones with random notes, strikes and background noise.

    The tuning, the note, the pitch of the whole set (within 60 cents), strength, loudness and onset (within the
    first fifth) are drawn independently of the instrument.

    Args:
        count: number of tones, 0 or more.
        seed: the same seed gives the same tones.
        seconds: length of each tone, above 0.
        rate: samples a second, at least 4000, so that two partials fit at the highest note.

    Returns:
        waves: (count, T) float32 in [-1, 1], T = round(seconds * rate).
        labels: (count,) int32 in [0, 5), positions in `CLASSES`, shuffled; class sizes differ by at most 1.

    Raises:
        ValueError: count, seconds or rate is out of range.
    """
    if not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count must be a whole number of at least 0, got {count!r}: ask for 0 tones or more")
    if rate < 4000:
        raise ValueError(f"rate must be at least 4000 samples a second, got {rate!r}: use for example {RATE}")
    if round(seconds * rate) < 2:
        raise ValueError(f"seconds must hold at least 2 samples, got {seconds!r}: use for example 0.5")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % len(CLASSES)).astype(np.int32)
    times = np.arange(round(seconds * rate)) / rate
    waves = np.empty((count, len(times)), np.float32)
    for wave, label in zip(waves, labels, strict=True):
        wave[:] = _strike(CLASSES[label], times, rng)
    return waves, labels


def _strike(instrument: str, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Play one random note of one random set: (T,) in [-1, 1]."""
    notes = note_frequencies(rng.choice(tuple(STEPS)))
    frequency = rng.choice(notes) * 2 ** (rng.uniform(-60, 60) / 1200)  # cents; every set is tuned its own way
    onset = rng.uniform(0, 0.2) * times[-1]
    tone = synthesise(frequency, instrument, times=times - onset, strength=rng.uniform(0.6, 1.4), rng=rng)
    background = rng.uniform(0.002, 0.03) * rng.standard_normal(len(times))
    return np.clip(rng.uniform(0.4, 1.0) * tone + background, -1, 1)
