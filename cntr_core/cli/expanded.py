"""Commands whose options come in groups, each of them one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from ..dataclass import defaults


def expanded(command: Callable[..., int], names: Mapping[str, Any] | None = None) -> Callable[..., int]:
    """`command` as typer takes it, with a parameter for each option in place of one for each group, a dataclass.

    `names` are those of the annotations that the modules of the command and its groups do not have.
    """
    hints = get_type_hints(command, localns=names, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if defaults(hint) is not None}

    @functools.wraps(command)
    def called(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{field: values.pop(field) for field in defaults(group) or ()})
        return command(**values)

    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(command).parameters.values():
        if one.name in groups:
            parameters += _parameters(groups[one.name], names)
        else:
            parameters.append(one.replace(annotation=hints[one.name]))
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which inspect looks for
    return called


def _parameters(group: Any, names: Mapping[str, Any] | None) -> list[inspect.Parameter]:
    hints = get_type_hints(group, localns=names, include_extras=True)
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in (defaults(group) or {}).items()
    ]
