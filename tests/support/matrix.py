"""Which tests of the contract of sessions run: some for all kinds of containers, all for a few, all with ``--matrix``.

What a session does is mostly the same code whatever the engine. What differs (who resolves the container, its ids,
cgroups and namespaces) is in SMOKE; the containers that differ most run the whole contract.
"""

from __future__ import annotations

import pytest

from cntr_core.testing import SessionContract

SMOKE = frozenset(
    {
        "test_tools_of_the_host",
        "test_exec_runs_a_program_of_the_container",
        "test_ids",
        "test_cgroups",
        "test_namespaces",
        "test_files_of_the_container_both_ways",
        "test_nothing_is_left[SIGKILL]",
    }
)
IN_FULL = frozenset({"docker", "lxc, in a user namespace", "podman, rootless, by its user"})
"""Containers of the contract: root's ordinary one, one in a user namespace, and an ordinary user's."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", action="store_true", help="the whole contract of sessions for every kind of container")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("matrix") or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if is_of_contract(item) and not _is_kept(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def is_of_contract(item: pytest.Item) -> bool:
    kind = getattr(item, "cls", None)
    return kind is not None and issubclass(kind, SessionContract)


def container_of(item: pytest.Item) -> str:
    """What the container is in whose sessions a test of the contract looks."""
    kind = getattr(item, "cls", None)
    assert kind is not None and kind.container, f"{item.nodeid} does not say what its container is"
    return str(kind.container)


def _is_kept(item: pytest.Item) -> bool:
    return item.name in SMOKE or container_of(item) in IN_FULL
