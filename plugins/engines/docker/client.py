"""Connections to docker's API, whose errors become sentences."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

from cntr_core.engine import SILENCE
from cntr_core.errors import EngineError
from cntr_core.reasons import reason
from cntr_core.timing import timed

from ..processes import is_ours
from ..sockets import LOCAL, NONSENSE, check_socket, not_understood, unanswered
from .questions import Questions, Refused, Unanswered

if TYPE_CHECKING:
    from docker import APIClient

_log = logging.getLogger(__name__)

_NOTICE = 1
"""Seconds within which a daemon notices that a container has ended."""


class ApiClient(ABC):
    """A unix socket where docker's API is spoken."""

    name: ClassVar[str]

    api_version: ClassVar[str | None] = None
    """The version to speak; None to agree on one, which costs a question."""

    variable: ClassVar[str]
    """What names the socket in the environment, for a hint."""

    def __init__(self) -> None:
        self._agreed: dict[str, str] = {}  # the version at each endpoint: a busy daemon takes seconds for that, too

    @abstractmethod
    def endpoint(self) -> AbstractContextManager[str]:
        """The URL of the socket, good for the block.

        :raises EngineError: it cannot be known, or is no socket of this machine.
        """

    @contextmanager
    def profile_value(self, profile: str) -> Iterator[str]:
        """How the engine takes a profile of system calls, good for a block: docker takes its text."""
        yield profile

    def ulimits(self) -> Mapping[str, tuple[int, int]]:
        """Limits that containers of ours must be given, soft and hard, by name."""
        return {}

    @contextmanager
    def connected(self, timeout: float = SILENCE) -> Iterator[APIClient]:
        """A client, wherever the socket is; as :meth:`client`."""
        with self.endpoint() as endpoint, self.client(endpoint, timeout) as client:
            yield client

    @contextmanager
    def asked(self, timeout: float = SILENCE) -> Iterator[Questions]:
        """Questions to the API, wherever the socket is; errors as :meth:`client`."""
        with self.endpoint() as endpoint, self.questions(endpoint, timeout) as questions:
            yield questions

    @contextmanager
    def questions(self, endpoint: str, timeout: float = SILENCE) -> Iterator[Questions]:
        """Questions to the API, whose errors become one sentence each."""
        path = endpoint.removeprefix(LOCAL)
        check_socket(self.name, path, f"start it, or set {self.variable}")
        try:
            with timed(_log, "%s at %s", self.name, endpoint):
                questions = Questions(endpoint, timeout, self.api_version or self._agreed.get(endpoint))
                self._agreed[endpoint] = questions.version
                yield questions
        except Refused as error:
            raise EngineError(f"{self.name} refused: {error.message}", "see the daemon's log") from None
        except Unanswered as error:
            raise unanswered(self.name, path, str(error)) from None
        except NONSENSE as error:
            raise not_understood(self.name, error) from None

    @contextmanager
    def client(self, endpoint: str, timeout: float = SILENCE) -> Iterator[APIClient]:
        """A client of the API, whose errors become one sentence each; `timeout` is in seconds of silence."""
        path = endpoint.removeprefix(LOCAL)
        check_socket(self.name, path, f"start it, or set {self.variable}")
        from docker import APIClient  # 150 ms; what is only looked up goes by `questions`
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            version = self.api_version or self._agreed.get(endpoint)
            client = APIClient(base_url=endpoint, version=version, timeout=int(timeout))
            self._agreed[endpoint] = client.api_version
            with closing(client), timed(_log, "%s at %s", self.name, endpoint):
                yield client
        except APIError as error:
            raise EngineError(f"{self.name} refused: {error.explanation or error}", "see the daemon's log") from None
        except (DockerException, RequestException) as error:
            raise self._unanswered(path, error) from None
        except NONSENSE as error:
            raise not_understood(self.name, error) from None

    def checked_pid(self, endpoint: str, pid: int, container: str, name: str) -> int | None:
        """The process `pid` that the daemon told of the container with that full id; None where that was 0, or the
        container has ended meanwhile.

        :raises EngineError: the container runs, and `pid` is something else on this machine.
        """
        if not pid or is_ours(pid, container):
            return pid or None
        from docker.errors import NotFound
        from requests.exceptions import RequestException

        with self.client(endpoint) as client:
            try:
                with suppress(NotFound):
                    client.wait(container, timeout=_NOTICE)
            except RequestException:  # it has not ended
                raise EngineError(
                    f"{self.name} reports process {pid} for {name}, which is another process on this machine",
                    "run cntr where the daemon runs: on its machine, outside of any container",
                ) from None
        return None

    def _unanswered(self, path: str, error: Exception) -> EngineError:
        """The innermost reason of a failed request, without the layers that wrap it."""
        innermost: BaseException = error
        while cause := innermost.__cause__ or innermost.__context__:
            if isinstance(cause, (KeyError, ValueError)):
                return not_understood(self.name, cause)
            innermost = cause
        return unanswered(self.name, path, reason(innermost))


def remove_container(client: APIClient, name: str) -> None:
    """End and remove a container with its nameless volumes; nothing happens where it is unknown."""
    from docker.errors import NotFound

    with suppress(NotFound):
        client.remove_container(name, v=True, force=True)
