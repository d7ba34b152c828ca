"""What is said of the gradient's way to the first layer, in words made from the numbers."""

from deconfuse.kernel.words import plural
from deconfuse.reporting import words
from deconfuse.reporting.diagnosis import Stack, course
from deconfuse.reporting.twins import DECORRELATED, TRANSPOSED, Gap, Twins

GONE, BLOWN_UP = -2.0, 2.0
"""log10 of the share of the last layer's gradient at the first: below the one it has vanished, above the other it has exploded."""


def about_twins(found: list[Stack], pairs: list[Twins]) -> str:
    """Whether transposed convolution changes how much of the gradient reaches the first layer."""
    if not any(TRANSPOSED in stack.kinds for stack in found):
        return "No diagnosed model has a transposed convolution."
    pairs = [pair for pair in pairs if pair.kind == TRANSPOSED]
    if not pairs:
        return (
            "No diagnosed model with transposed convolutions has a convolutional twin beside it, alike in everything else, so whether they "
            "help the gradient is not known here."
        )
    return verdict(pairs)


def verdict(pairs: list[Twins]) -> str:
    """All pairs in one sentence."""
    which = f"{plural(len(pairs), 'pair')} of twins, alike but for it, {trained(pairs)}"
    sides = {word: [pair.one.name for pair in pairs if outcome(pair.flow, "more", "less") == word] for word in ("more", "less")}
    shown = [f"{word} of it in {words.listed(names)}" for word, names in sides.items() if names]
    if not shown:
        reason = "" if pairs[0].flow.half is not None else "; a single seed can show none"
        return (
            "That transposed convolution lets more or less of the gradient through to the first layer than convolution does is not shown: "
            f"not in {'' if len(pairs) == 1 else 'any of '}{which}{reason}."
        )
    rest = len(pairs) - sum(map(len, sides.values()))
    tail = f"; no difference is shown in the other {rest}" if rest else ""
    return (
        "Transposed convolution lets another share of the gradient through to the first layer than convolution does, "
        f"of {which}: {', '.join(shown)}{tail}."
    )


def trained(pairs: list[Twins]) -> str:
    each = [stack.seeds for pair in pairs for stack in (pair.one, pair.other)]
    return f"trained {words.seeds(each)}"


def told(pair: Twins) -> str:
    """A pair in one sentence."""
    one, other = (share(stack) for stack in (pair.one, pair.other))
    return (
        f"The gradient of the first layer is {one} times that of the last in {pair.one.name}, {other} times in its twin {pair.other.name} "
        f"(means over epochs{factor(pair.flow)}): {outcome(pair.flow, 'more of it arrives', 'less of it arrives')}."
    )


def factor(gap: Gap) -> str:
    """How far apart two ratios are whose logarithms to the base 10 differ so much, with the 95 % interval over seeds where there is one."""
    if gap.half is None:
        return ""
    low, high = (words.number(float(f"{10**value:.2g}")) for value in (gap.value - gap.half, gap.value + gap.half))
    return f"; {10**gap.value:.2g} times as much, 95 % interval over seeds {low} to {high}, {corrected(gap)}"


def share(stack: Stack) -> str:
    return words.number(float(f"{10 ** float(course(stack.ratio).mean()):.2g}"))


def outcome(gap: Gap, more: str, less: str) -> str:
    """A difference in words."""
    if not gap.shown:
        return "no difference is shown"
    return more if gap.value > 0 else less


def about_gradients(found: list[Stack]) -> str:
    """Where it vanishes, and where it grows."""
    values = {stack.name: float(course(stack.ratio).mean()) for stack in found}
    gone = sorted(name for name, value in values.items() if value < GONE)
    blown = sorted(name for name, value in values.items() if value > BLOWN_UP)
    between = "between a hundredth and a hundred times the last layer's gradient"
    if not gone and not blown:
        return f"In all {plural(len(found), 'diagnosed encoder')} the first layer gets {between}."
    said = [f"Less than a hundredth of the last layer's gradient reaches the first in {words.listed(gone)}."] if gone else []
    said += [f"More than a hundred times the last layer's gradient is at the first in {words.listed(blown)}."] if blown else []
    rest = len(found) - len(gone) - len(blown)
    return " ".join([*said, *([f"In the other {rest} the first layer gets {between}."] if rest else [])])


def about_network(pairs: list[Twins]) -> list[str]:
    """Whether network deconvolution does what its authors say: sooner learnt than without, and than with batch norm."""
    found = []
    for pair in [pair for pair in pairs if pair.kind == DECORRELATED]:
        one, other = (float(stack.loss.mean()) for stack in (pair.one, pair.other))
        soon = outcome(pair.loss, "it learns later", "it learns sooner")
        arrived = outcome(pair.flow, "more of it arrives", "less of it arrives")
        found.append(
            f"Network deconvolution in place of {norm(pair.other)}, {trained([pair])}: the training loss, mean of all epochs, is "
            f"{one:.3f} in {pair.one.name} and {other:.3f} in {pair.other.name}{within(pair.loss)}: {soon}. The gradient of "
            f"the first layer is {share(pair.one)} and {share(pair.other)} times that of the last{factor(pair.flow)}: {arrived}."
        )
    return found


def corrected(gap: Gap) -> str:
    return f"p by Holm {words.probability(1.0 if gap.p is None else gap.p)}"


def within(gap: Gap) -> str:
    """A difference, with its 95 % interval over seeds where there is one."""
    return (
        ""
        if gap.half is None
        else f" (difference {words.signed(round(gap.value, 3))} \N{PLUS-MINUS SIGN} {gap.half:.3f} over seeds, {corrected(gap)})"
    )


def norm(stack: Stack) -> str:
    return "batch norm" if (stack.layers["kind"] == "norm").any() else "no normalisation"
