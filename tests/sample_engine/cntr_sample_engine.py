"""Containers named by files: the directory of SAMPLE_ENGINE_DIR holds a file NAME.pid for each."""

import os
from collections.abc import Iterable

from cntr_core import Container, ContainerState, Engine, EngineError, EngineStatus, hookimpl


class SampleEngine(Engine):
    name = "sample"

    def status(self) -> EngineStatus:
        try:
            count = len(_files())
        except EngineError as error:
            return EngineStatus(available=False, detail=error.message, hint=error.hint)
        return EngineStatus(available=True, detail=f"{count} PID files", endpoint=_directory())

    def containers(self) -> Iterable[Container]:
        return [_container(name.removesuffix(".pid")) for name in _files()]


def _directory() -> str:
    return os.environ.get("SAMPLE_ENGINE_DIR", "/run/sample")


def _files() -> list[str]:
    try:
        return sorted(name for name in os.listdir(_directory()) if name.endswith(".pid"))
    except OSError as error:
        raise EngineError(f"cannot read {_directory()}: {error.strerror}", "set SAMPLE_ENGINE_DIR") from None


def _container(name: str) -> Container:
    with open(f"{_directory()}/{name}.pid") as file:
        pid = int(file.read())
    alive = os.path.exists(f"/proc/{pid}")
    state = ContainerState.RUNNING if alive else ContainerState.EXITED
    return Container("sample", id=f"sample-{name}", name=name, state=state, pid=pid if alive else None)


@hookimpl
def cntr_register_engine() -> Engine:
    return SampleEngine()
