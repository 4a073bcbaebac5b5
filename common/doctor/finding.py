"""What an examination says."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How much a finding matters; the value is the sign in front of its line."""

    GOOD = "baik"
    NOTICE = "perhatian"
    PROBLEM = "masalah"


@dataclass(frozen=True)
class Finding:
    """Hold one line of the report, in Indonesian.

    Attributes:
        level: how much it matters.
        text: what was found.
        cure: what to do about it; empty when nothing needs doing.
    """

    level: Level
    text: str
    cure: str = ""
