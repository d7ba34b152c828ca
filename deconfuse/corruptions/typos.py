"""Texts typed in haste."""

import numpy as np

from deconfuse.corruptions import Corruption

MOST = 0.5
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Typos(Corruption):
    """Up to half of the characters are left out, doubled, exchanged with the next one or replaced by a letter, each as likely."""

    kinds = ("text",)
    is_chief = True
    told = "typing errors (left out, doubled, exchanged, wrong), at level 1 in half of the characters"

    def worse(self, value: str, length: int | None, level: float, draw: np.random.Generator) -> str:
        hit = draw.random(len(value)) < MOST * level
        how = draw.integers(4, size=len(value))
        letters = draw.integers(len(LETTERS), size=len(value))
        given = list(value)
        for place in np.flatnonzero(hit):
            if how[place] == 0:
                given[place] = ""
            elif how[place] == 1:
                given[place] *= 2
            elif how[place] == 2 and place + 1 < len(given):
                given[place : place + 2] = given[place + 1], given[place]
            else:
                given[place] = LETTERS[letters[place]]
        return "".join(given)
