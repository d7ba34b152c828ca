"""Which rows `data.limit` keeps."""

from collections import Counter

GOLDEN = 0.6180339887498949


def spread(keys: list[tuple[str, str]], limit: int | None) -> list[int]:
    """The places, in order, of at most `limit` rows of which `keys` are (split, label); None keeps all.

    The first two of every group come first, then equal shares of all groups, taken from the whole length of the table.
    What a smaller limit keeps, a larger one keeps too.
    """
    if limit is None or limit >= len(keys):
        return list(range(len(keys)))
    # multiples of the golden ratio fall evenly: any number of rows, taken in this order, comes from the table's whole length
    order = sorted(range(len(keys)), key=lambda place: place * GOLDEN % 1)
    sizes, seen = Counter(keys), Counter()
    turns = []
    for place in order:
        rank, size = seen[keys[place]], sizes[keys[place]]
        seen[keys[place]] += 1
        turns.append(rank if rank < 2 else 2 + rank / size)
    first = sorted(range(len(order)), key=turns.__getitem__)[:limit]
    return sorted(order[i] for i in first)
