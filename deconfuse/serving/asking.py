"""The body of a request to rows: the forms that MLflow's own server takes, read strictly."""

import json
from typing import Any

from deconfuse.serving.limits import RequestError, Row

RECORDS = ("inputs", "instances", "dataframe_records")
SPLIT = "dataframe_split"
FORM = '{"inputs": [{"MODALITY": "base64 or text", ...}, ...], "params": {"contributions": true}}'


def asked(body: bytes) -> tuple[list[Row], bool]:
    """Rows, and whether contributions are wanted. Raises RequestError for what is no request."""
    request = parsed(body)
    if not isinstance(request, dict):
        raise RequestError(f"the body must be {FORM}")
    forms = [key for key in request if key != "params"]
    if len(forms) != 1 or forms[0] not in (*RECORDS, SPLIT):
        raise RequestError(f"the body must be {FORM}; besides params it has {', '.join(forms)[:200] or 'nothing'}")
    given = request[forms[0]]
    rows = split(given) if forms[0] == SPLIT else [given] if isinstance(given, dict) else given
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RequestError(f"{forms[0]} must be a list of rows, each a mapping from modality to text")
    return rows, contributions(request.get("params"))


def parsed(body: bytes) -> Any:
    def refuse(word: str) -> None:
        raise RequestError(f"the body holds {word}, which is no JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except UnicodeDecodeError:
        raise RequestError("the body is no UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {str(error)[:200]}") from None


def split(given: Any) -> list[dict[str, Any]]:
    """Rows of pandas' form `split`."""
    is_split = isinstance(given, dict) and set(given) <= {"columns", "data", "index"}
    if not is_split or not all(isinstance(given.get(key), list) for key in ("columns", "data")):
        raise RequestError(f'{SPLIT} must be {{"columns": [...], "data": [[...], ...]}}')
    columns = [str(name) for name in given["columns"]]
    if not all(isinstance(row, list) and len(row) == len(columns) for row in given["data"]):
        raise RequestError(f"{SPLIT}: every row must have {len(columns)} cells")
    return [dict(zip(columns, row, strict=True)) for row in given["data"]]


def contributions(params: Any) -> bool:
    params = {} if params is None else params
    if not isinstance(params, dict) or set(params) - {"contributions"} or not isinstance(params.get("contributions", False), bool):
        raise RequestError('params may be {"contributions": true} or false')
    return params.get("contributions", False)
