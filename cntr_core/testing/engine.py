"""What every engine does, as tests."""

from __future__ import annotations

import os
import pickle
import select
from collections.abc import Iterator
from typing import ClassVar

import pytest

from ..engine import Engine, pin, resolve
from ..engine.query import query
from ..errors import CntrError, EngineError
from ..kernel.procfs import open_process, read_status
from ..types import Container, ContainerRef, ContainerState, EngineStatus
from .processes import PATIENCE


class EngineContract:
    """What every engine does. Override `engine` and `running`; and `absent`, if its manager can be away."""

    lists: ClassVar[bool] = True
    """Whether :meth:`Engine.containers` lists what :meth:`Engine.find` finds; a bare PID does not."""

    @pytest.fixture
    def engine(self) -> Engine:
        """The engine, with its container manager at work."""
        raise NotImplementedError("override the fixture `engine`")

    @pytest.fixture
    def running(self) -> str:
        """The name of a container that runs while the test does."""
        raise NotImplementedError("override the fixture `running`")

    @pytest.fixture
    def absent(self) -> Engine | None:
        """The engine in a place where its container manager is not there; None where it always is."""
        return None

    @pytest.fixture(autouse=True)
    def _nothing_is_left_open(self, engine: Engine) -> Iterator[None]:  # noqa: ARG002 - made first, so not counted
        before = set(os.listdir("/proc/self/fd"))
        yield
        assert set(os.listdir("/proc/self/fd")) <= before, "descriptors were left open"

    def test_its_name_makes_references(self, engine: Engine) -> None:
        assert ContainerRef.parse(f"{engine.name}://some name") == ContainerRef("some name", engine.name)

    def test_its_status_is_one_line(self, engine: Engine) -> None:
        status = engine.status()
        assert isinstance(status, EngineStatus)
        assert status.available, status.detail
        assert status.detail and "\n" not in status.detail

    def test_the_running_container_is_found_by_its_name(self, engine: Engine, running: str) -> None:
        [found] = engine.find(running)
        assert isinstance(found, Container)
        assert (found.engine, found.state) == (engine.name, ContainerState.RUNNING)
        assert found.name == running
        assert found.id

    def test_its_process_is_alive_and_no_thread(self, engine: Engine, running: str) -> None:
        [found] = engine.find(running)
        assert found.pid is not None
        directory = open_process(found.pid)
        status = read_status(directory)
        os.close(directory)
        assert status.pid == status.tgid
        assert status.state not in "ZX"

    def test_it_is_found_by_its_id_and_its_reference_too(self, engine: Engine, running: str) -> None:
        [found] = engine.find(running)
        assert [c.id for c in engine.find(found.id)] == [found.id]
        assert [c.id for c in engine.find(found.ref.name)] == [found.id]

    def test_lists_have_each_container_once(self, engine: Engine, running: str) -> None:
        listed = list(engine.containers())
        assert all(isinstance(c, Container) and c.engine == engine.name for c in listed)
        assert len({c.id for c in listed}) == len(listed)
        if self.lists:
            assert [c.state for c in listed if c.name == running] == [ContainerState.RUNNING]

    def test_a_name_that_nobody_has_finds_nothing(self, engine: Engine) -> None:
        try:
            assert list(engine.find("no-container-has-such-a-name")) == []
        except CntrError as error:
            assert error.message  # or it says why the name cannot be one of its own

    def test_it_answers_from_a_process_of_its_own(self, engine: Engine, running: str) -> None:
        """cntr asks in a forked process, so that answers travel through a pipe."""
        [answer] = query([engine], lambda asked: list(asked.find(running)), PATIENCE)
        assert answer.error is None
        assert answer.value == list(engine.find(running))
        assert pickle.loads(pickle.dumps(engine.status())) == engine.status()

    def test_a_reference_leads_to_a_process_that_can_be_held(self, engine: Engine, running: str) -> None:
        with pin(resolve(ContainerRef(running, engine.name), [engine])) as pidfd:
            assert select.select([pidfd], [], [], 0) == ([], [], [])

    def test_without_its_manager_it_says_what_to_do(self, absent: Engine | None) -> None:
        if absent is None:
            pytest.skip("its container manager is never absent")
        status = absent.status()
        assert not status.available
        assert status.detail and status.hint
        with pytest.raises(EngineError) as caught:
            list(absent.containers())
        assert caught.value.hint
