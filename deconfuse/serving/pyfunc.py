"""The model as MLflow loads it: this file is the `python_model` of a packaged model, kept as source and never pickled."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from deconfuse.serving.limits import RequestError, Row


class Deconfuse(PythonModel):
    """Rows of base64 media and texts in, labels out."""

    def load_context(self, context: PythonModelContext) -> None:
        # not above: who packages a model runs this file, too, and has no need of torch
        from deconfuse.serving.served import Served

        self.served = Served(Path(context.artifacts["bundle"]))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """See `Served.answer`; `contributions` is the one param."""
        try:
            return self.served.answer(rows(model_input, list(self.served.kinds)), bool((params or {}).get("contributions")))
        except RequestError as reason:
            raise MlflowException.invalid_parameter_value(str(reason)) from None


def rows(table: pd.DataFrame, modalities: list[str]) -> list[Row]:
    """The rows of a table; MLflow has left out the columns that the model does not know. Raises RequestError where none is left."""
    if not len(table.columns):
        raise RequestError(f"there is none of the columns {', '.join(modalities)}")
    # pandas puts NaN where a record lacks a key; a column of nothing else was sent so
    if only := [name for name in table if all(isinstance(cell, float) for cell in table[name])]:
        raise RequestError(f"column {only[0]} holds NaN or other numbers; texts are needed, and null where it is missing")
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): cell for name, cell in row.items()} for row in plain.to_dict("records")]


set_model(Deconfuse())
