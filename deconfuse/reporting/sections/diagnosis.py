"""Does deconvolution do what is said of it?"""

import numpy as np
import pandas as pd

from deconfuse.reporting import words
from deconfuse.reporting.charts_diagnosis import HEALTHY, chart, layers
from deconfuse.reporting.checkerboards import about_checkerboards, excess
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.diagnosis import Stack, course, end, stacks, start
from deconfuse.reporting.flow import about_gradients, about_network, about_twins, told
from deconfuse.reporting.twins import DECORRELATED, TRANSPOSED, Twins, twins

HEADING = "Does deconvolution do what is said of it?"
SWITCH = "No model was diagnosed, so this is not known here: set train.diagnose to true, for all models or in the entry of one."


def make(context: Context) -> Section:
    found = stacks(context.results, context.root)
    if not found:
        return Section(
            "diagnosis", HEADING, context.render("diagnosis.html", said=[SWITCH], each=[], figures=[]), "Diagnosis", markdown=SWITCH
        )
    pairs = twins(found)
    said = [about_twins(found, pairs), about_gradients(found), *about_network(pairs), *about_checkerboards(found)]
    each = [told(pair) for pair in pairs if pair.kind == TRANSPOSED]
    groups = grouped(found, pairs)
    tables = {"diagnosis": table(found), "diagnosis_layers": by_layer(found), "diagnosis_epochs": by_epoch(found)}
    if pairs:
        tables["diagnosis_twins"] = of_twins(pairs)
    body = context.render(
        "diagnosis.html",
        said=said,
        each=each,
        figures=[(" and ".join(stack.name for stack in group), chart(group, str(place))) for place, group in enumerate(groups)],
        pairs=pairs,
        rows=tables["diagnosis"].to_dict("records"),
        healthy=HEALTHY,
        seeds=words.seeds([stack.seeds for stack in found]),
    )
    return Section("diagnosis", HEADING, body, "Diagnosis", tables, markdown(said, each))


def markdown(said: list[str], each: list[str]) -> str:
    """The first sentence, what it is made of, and the others."""
    first, *others = map(words.markdown, said)
    return "\n\n".join([first, *(["\n".join(f"- {words.markdown(one)}" for one in each)] if each else []), *others])


def grouped(found: list[Stack], pairs: list[Twins]) -> list[list[Stack]]:
    """What is drawn into the same axes: twins, a network deconvolution with all of its own, and every other encoder by itself."""
    groups = [[pair.other, pair.one] for pair in pairs if pair.kind != DECORRELATED]
    decorrelated = list({pair.one.name: pair.one for pair in pairs if pair.kind == DECORRELATED}.values())
    groups += [[*[pair.other for pair in pairs if pair.one is one][:2], one] for one in decorrelated]
    drawn = {stack.name for group in groups for stack in group}
    return groups + [[stack] for stack in found if stack.name not in drawn]


def table(found: list[Stack]) -> pd.DataFrame:
    """A row an encoder: what the section's table and diagnosis.csv say of it; ratios are geometric means over seeds."""
    return pd.DataFrame(
        [
            {
                "model": stack.result.name,
                "part": stack.part,
                "seeds": len(stack.seeds),
                "layers": int(stack.layers["maps"].sum()),
                "transposed": int((stack.layers["kind"] == "transposed_conv").sum()),
                "ratio_before": 10 ** float(start(stack.ratio).mean()),
                "ratio": 10 ** float(course(stack.ratio).mean()),
                "largest_gradient": stack.largest,
                "spread_ratio": 10 ** float(end(stack.spread).mean()),
                "update_ratio": float(np.median(stack.steps.drop(columns=0).mean())),
                "dead_share": float(end(stack.dead).mean()),
                "checkerboard": excess(stack, "conv", "network_deconvolution"),
                "checkerboard_transposed": excess(stack, "transposed_conv"),
                "mean_train_loss": float(stack.loss.mean()),
            }
            for stack in found
        ]
    )


def by_layer(found: list[Stack]) -> pd.DataFrame:
    """What is drawn by layer."""
    parts = [
        layers(stack, column).assign(model=stack.result.name, part=stack.part, measure=column)
        for stack in found
        for column in ("gradient_norm", "spread", "checkerboard")
    ]
    return pd.concat(parts, ignore_index=True)[["model", "part", "measure", "place", "layer", "before", "after", "least", "most", "noise"]]


def by_epoch(found: list[Stack]) -> pd.DataFrame:
    """What is drawn by epoch, of each seed."""
    parts = []
    for stack in found:
        views = {"gradient_ratio": 10**stack.ratio, "update_ratio": stack.steps, "dead_share": stack.dead}
        own = pd.DataFrame({name: view.stack() for name, view in views.items()}).reset_index()
        parts.append(own.assign(model=stack.result.name, part=stack.part))
    return pd.concat(parts, ignore_index=True)[["model", "part", "seed", "epoch", "gradient_ratio", "update_ratio", "dead_share"]]


def of_twins(pairs: list[Twins]) -> pd.DataFrame:
    """Each pair, and how far apart the two are."""
    rows = []
    for pair in pairs:
        gaps = {
            f"{name}_{field}": getattr(gap, field)
            for name, gap in (("log10_ratio", pair.flow), ("train_loss", pair.loss))
            for field in ("value", "half", "p")
        }
        rows.append({"model": pair.one.name, "against": pair.other.name, "kind": pair.kind, "seeds": len(pair.one.seeds), **gaps})
    return pd.DataFrame(rows)
