"""Pictures of one split that look like pictures of another: resized, stored again, or made brighter or darker.

Two pictures are near duplicates where their difference hashes differ in at most NEAR of 256 bits and both show enough detail: of the
flat parts of a drawing all bits are equal, whatever it shows. So DETAIL bits must be set, and as many not. Measured, on pictures none
of which is another's copy, as the share of rows for which a near duplicate is found:

    detail asked for                                none    64 bits    72 bits
    MNIST, 10,000 test against 60,000 train        36.3 %    0.82 %     0.04 %
    plain shapes (easy-VQA), 2,000 all pairs       99.3 %    0          0
    CIFAR-10, 10,000 all pairs                      0        0          0

The price: drawings of few details are not found. Of 400 emoji of 128 pixels these shares are found, at 72 bits and without asking for
detail: JPEG of quality 90 0.78 and 0.97, half as large 0.80 and 0.99, darker by 0.7 0.76 and 0.97, brighter by 1.2 0.60 and 0.79. Crops
and mirror images are not found, and of pictures of about 32 pixels only those that keep their size.
"""

import numpy as np

NEAR = 10
DETAIL = 72
BITS = 256
MOST_PAIRS = 10_000_000_000
"""Above this only equal looks are found: at one or two ns each, all pairs would take longer than one waits for a warning."""
CHUNK_PAIRS = 1 << 18
"""Pairs compared at a time: what they need stays in the processor's cache."""


def near(looks: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, bool]:
    """Which pictures (M, 4) look like one of the others (N, 4).

    Returns:
        (M,) the place of one such other or -1; and whether all pairs were compared or, of too many, only equal looks found.
    """
    few, place = distinct(looks)
    many, back = distinct(others)
    complete = len(few) * len(many) <= MOST_PAIRS
    twin = nearest(few, many) if complete else equal(few, many)
    first = np.full(len(many) + 1, -1)
    first[back[back >= 0]] = np.flatnonzero(back >= 0)
    return np.append(first[twin], -1)[place], complete


def distinct(looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different looks with enough detail, and where each picture's own is among them, or -1."""
    bits = np.bitwise_count(looks).sum(1, dtype=np.int64)
    detailed = np.minimum(bits, BITS - bits) >= DETAIL
    place = np.full(len(looks), -1)
    different, place[detailed] = np.unique(looks[detailed], axis=0, return_inverse=True)
    return different, place


def nearest(few: np.ndarray, many: np.ndarray) -> np.ndarray:
    """(M,) the place of one near duplicate among `many`, or -1."""
    few, many = telling_first(few, many)
    twin = np.full(len(few), -1)
    step = max(1, CHUNK_PAIRS // max(1, len(many)))
    # written again and again: new ones for each part would take three times as long as the comparison
    apart, count = np.empty((step, len(many)), np.uint64), np.empty((step, len(many)), np.uint8)
    for start in range(0, len(few), step):
        part = few[start : start + step]
        np.bitwise_xor(part[:, None, 0], many[None, :, 0], out=apart[: len(part)])
        np.bitwise_count(apart[: len(part)], out=count[: len(part)])
        # nearly all pairs differ too much in their first 64 bits already
        row, column = np.divmod(np.flatnonzero(count[: len(part)] <= NEAR), len(many))
        close = np.bitwise_count(part[row] ^ many[column]).sum(1) <= NEAR
        twin[start + row[close]] = column[close]
    return twin


def telling_first(few: np.ndarray, many: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with their bits in another order: those first that differ most from picture to picture."""
    bits = [np.unpackbits(looks.view(np.uint8), axis=1) for looks in (few, many)]
    share = np.concatenate(bits).mean(0) if len(few) + len(many) else np.zeros(BITS)
    order = np.argsort(abs(share - 0.5), kind="stable")
    reordered = [np.ascontiguousarray(np.packbits(one[:, order], axis=1)).view(np.uint64) for one in bits]
    return reordered[0], reordered[1]


def equal(few: np.ndarray, many: np.ndarray) -> np.ndarray:
    """(M,) the place of the equal look among `many`, or -1."""
    places = {look.tobytes(): place for place, look in enumerate(many)}
    return np.array([places.get(look.tobytes(), -1) for look in few], np.int64)
