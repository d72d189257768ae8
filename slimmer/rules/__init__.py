"""The built-in rules of slimming: what an application needs although no trace of it can show that.

This module is imported at every start of cntr, so it is nearly empty; :mod:`.builtin` has the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cntr_core import hookimpl

if TYPE_CHECKING:
    from cntr_core import Rule


@hookimpl
def cntr_slim_rules() -> Sequence[Rule]:
    from .builtin import RULES

    return RULES
