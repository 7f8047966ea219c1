"""Settings written as YAML that explains itself: with the meaning of each field, or with the comments of a file."""

from collections.abc import Callable, Mapping, MutableMapping
from io import StringIO
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from stemforge.files import plain
from stemforge.settings.checked import Checked
from stemforge.settings.described import describe
from stemforge.settings.distributions import Distribution
from stemforge.settings.files import NamedFile
from stemforge.settings.notes import Noted, flow, noted_yaml


def explained_yaml(settings: Checked) -> str:
    """Return settings as YAML, every field spelled out, with its meaning and unit as a comment."""
    return noted_yaml(_noted(settings))


def _noted(settings: Checked) -> dict[str, Noted]:
    return {
        name: Noted(_value(getattr(settings, name)), _note(type(settings), name))
        for name in type(settings).model_fields
    }


def _value(value: Any) -> Any:
    """Return what a field holds, with notes where it is settings; distributions and files are values."""
    if isinstance(value, Checked) and not isinstance(value, Distribution | NamedFile):
        return _noted(value)
    if isinstance(value, tuple) and value and all(isinstance(one, BaseModel) for one in value):
        return [_value(one) for one in value]
    return plain(value)


def _note(settings: type[Checked], field: str) -> str:
    try:
        found = describe(settings, field)
    except KeyError:
        return ""
    return f"{found.text} [{found.unit}]" if found.unit else found.text


def rewritten_yaml(text: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    r"""Return a YAML file with other values, and with its own comments, order and layout.

    Parameters
    ----------
    text
        The file.
    before, after
        What it stands for, and what it shall stand for, defaults included: only where they differ it is changed.

    Examples
    --------
    >>> rewritten_yaml("dose: 3  # few", {"dose": 3, "seed": 0}, {"dose": 5, "seed": 0})
    'dose: 5  # few\n'
    """
    editor = YAML(typ="rt")
    editor.preserve_quotes = True
    editor.width = 10_000
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.brace_single_entry_mapping_in_flow_sequence = True
    editor.representer.add_representer(
        type(None), lambda it, _: it.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    document = editor.load(text)
    # As PyYAML writes them, which will read them: `No` and `1e4` are text to one of the two only.
    _change(document, before, after, lambda value: editor.load(flow(value)))
    stream = StringIO()
    editor.dump(document, stream)
    return stream.getvalue()


def _change(
    node: MutableMapping[Any, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    written: Callable[[Any], Any],
) -> None:
    """Make a mapping of a file stand for other values, in place."""
    for name in [name for name in before if name not in after]:  # of another member of a union
        node.pop(name, None)
    for name, value in after.items():
        old: Any = before.get(name)
        if name in before and old == value:
            continue
        held: Any = node.get(name)
        if _is_same_list(held, old, value):
            for number, (one, other) in enumerate(zip(old, value, strict=True)):
                if (
                    isinstance(held[number], MutableMapping)
                    and isinstance(one, dict)
                    and isinstance(other, dict)
                ):
                    _change(held[number], one, other, written)
                elif one != other:
                    held[number] = written(other)
        elif isinstance(held, MutableMapping) and isinstance(old, Mapping) and isinstance(value, Mapping):
            _change(held, old, value, written)
        else:
            node[name] = written(value)


def _is_same_list(held: Any, old: Any, value: Any) -> bool:
    lists = (held, old, value)
    return all(isinstance(one, list) for one in lists) and len({len(one) for one in lists}) == 1
