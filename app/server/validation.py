"""What is wrong with a request, as a sentence: the field, what is allowed, and what came."""

import json
from collections.abc import Mapping
from typing import Any

_NUMBER, _WHOLE, _TEXT = "be a number", "be a whole number", "be text"
# By pydantic's type of the error; its texts speak of inputs and of Python's types.
_MUST = {
    "greater_than": "be above {gt:g}",
    "greater_than_equal": "be at least {ge:g}",
    "less_than": "be below {lt:g}",
    "less_than_equal": "be at most {le:g}",
    "finite_number": "be finite",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "string_type": _TEXT,
    "string_too_long": "have at most {max_length} characters",
    "bool_type": "be true or false",
    "bool_parsing": "be true or false",
    "literal_error": "be {expected}",
    "list_type": "be a list",
    "tuple_type": "be a list",
    "dict_type": "be an object",
    "model_type": "be an object",
    "model_attributes_type": "be an object",
    "too_long": "have at most {max_length} entries",
    "too_short": "have at least {min_length} entries",
    "missing": "be given",
    "extra_forbidden": "be left out: it is not known",
}
_SHORT = 40  # characters of a value that is repeated


def explain(error: Mapping[str, Any]) -> str:
    """Return one error of pydantic's as a part of a sentence.

    Parameters
    ----------
    error
        From ``ValidationError.errors()``; its ``loc`` begins with the field.

    Examples
    --------
    >>> explain({"type": "less_than_equal", "loc": ("threshold",), "msg": "", "input": 2, "ctx": {"le": 1.0}})
    'threshold must be at most 1, not 2'
    >>> explain({"type": "missing", "loc": ("masks", 0, 1), "msg": "", "input": [3]})
    'masks.0.1 must be given'
    """
    field = ".".join(map(str, error["loc"]))
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "json_invalid":
        return "it is no JSON"
    if kind not in _MUST:
        text = str(error["msg"]).removeprefix("Value error, ")
        return f"{field}: {text}" if field else text
    must = f"{field or 'it'} must {_MUST[kind].format(**context)}"
    if not isinstance(value, str | int | float | None) or kind in ("missing", "extra_forbidden"):
        return must
    came = value if isinstance(value, str) else json.dumps(value)
    return f"{must}, not {came[:_SHORT]}"
