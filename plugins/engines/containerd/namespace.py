"""containerd's services as one of its namespaces has them.

Messages: api/services/{containers,content,diff,images,leases,namespaces,snapshots,tasks,version}/v1/*.proto and
api/types/*.proto of containerd 1.6 and 2, and google.protobuf's Any and FieldMask.
"""

from __future__ import annotations

import datetime
import functools
import logging
from typing import Any

from cntr_core.errors import EngineError
from cntr_core.timing import timed

from ..processes import is_ours
from .grpc import Client, Refused

_log = logging.getLogger(__name__)

_LEASE = datetime.timedelta(hours=1)
"""How long what is being made is safe from containerd's garbage collection, should we die."""

_TABLE = {
    "Empty": (),
    "VersionResponse": ("string version = 1", "string revision = 2"),
    "Namespace": ("string name = 1",),
    "ListNamespacesResponse": ("repeated Namespace namespaces = 1",),
    "Any": ("string type_url = 1", "bytes value = 2"),
    "FieldMask": ("repeated string paths = 1",),
    "Descriptor": ("string media_type = 1", "string digest = 2", "int64 size = 3"),
    "Image": ("string name = 1", "Descriptor target = 3"),
    "ByName": ("string name = 1",),
    "OneImage": ("Image image = 1",),
    "ListImagesResponse": ("repeated Image images = 1",),
    "DeleteImageRequest": ("string name = 1", "bool sync = 2"),
    "ByDigest": ("string digest = 1",),
    "ContentInfo": ("string digest = 1", "int64 size = 2", "map<string, string> labels = 5"),
    "UpdateContentRequest": ("ContentInfo info = 1", "FieldMask update_mask = 2"),
    "ReadContentRequest": ("string digest = 1", "int64 offset = 2", "int64 size = 3"),
    "ReadContentResponse": ("int64 offset = 1", "bytes data = 2"),
    "WriteContentRequest": (
        "int32 action = 1",
        "string ref = 2",
        "int64 total = 3",
        "string expected = 4",
        "int64 offset = 5",
        "bytes data = 6",
        "map<string, string> labels = 7",
    ),
    "Lease": ("string id = 1", "map<string, string> labels = 3"),
    "DeleteLeaseRequest": ("string id = 1", "bool sync = 2"),
    "Mount": ("string type = 1", "string source = 2", "string target = 3", "repeated string options = 4"),
    "ApplyRequest": ("Descriptor diff = 1", "repeated Mount mounts = 2"),
    "ApplyResponse": ("Descriptor applied = 1",),
    "Snapshot": ("string snapshotter = 1", "string key = 2"),
    "PrepareRequest": ("string snapshotter = 1", "string key = 2", "string parent = 3"),
    "CommitRequest": ("string snapshotter = 1", "string name = 2", "string key = 3"),
    "Mounts": ("repeated Mount mounts = 1",),
    "Runtime": ("string name = 1",),
    "Container": (
        "string id = 1",
        "map<string, string> labels = 2",
        "string image = 3",
        "Runtime runtime = 4",
        "Any spec = 5",
        "string snapshotter = 6",
        "string snapshot_key = 7",
    ),
    "OneContainer": ("Container container = 1",),
    "ListContainersResponse": ("repeated Container containers = 1",),
    "Task": ("string id = 2", "uint32 pid = 3", "int32 status = 4"),
    "ListTasksResponse": ("repeated Task tasks = 1",),
    "ById": ("string id = 1",),
    "Process": ("string container_id = 1", "string exec_id = 2"),
    "CreateTaskRequest": (
        "string container_id = 1",
        "repeated Mount rootfs = 3",
        "string stdout = 5",
        "string stderr = 6",
    ),
    "CreateTaskResponse": ("string container_id = 1", "uint32 pid = 2"),
    "ExecRequest": (
        "string container_id = 1",
        "string stdout = 3",
        "string stderr = 4",
        "Any spec = 6",
        "string exec_id = 7",
    ),
    "StartResponse": ("uint32 pid = 1",),
    "KillRequest": ("string container_id = 1", "string exec_id = 2", "uint32 signal = 3"),
    "WaitResponse": ("uint32 exit_status = 1",),
    "DeleteResponse": ("uint32 exit_status = 3",),
}


class ContainerdNamespace:
    """Calls at `client` in the namespace `name`; "" is for those that have nothing to do with one."""

    def __init__(self, client: Client, name: str = "") -> None:
        self.name = name
        self._client = client
        self._metadata = {"containerd-namespace": name} if name else {}

    def call(self, method: str, request: str, reply: str = "Empty", **fields: Any) -> Any:
        """The answer to one request: `method` is ``SERVICE/METHOD``, and `fields` those of the message `request`.

        :raises Refused: containerd says no.
        :raises EngineError: any other failure.
        """
        types = _types()
        with timed(_log, "%s in namespace %s", method, self.name):
            return self._client.call(_full(method), types[request](**fields), types[reply], self._metadata)

    def stream(self, method: str, request: str, reply: str, **fields: Any) -> list[Any]:
        """All answers to one request; else as :meth:`call`."""
        types = _types()
        return self._client.stream(_full(method), types[request](**fields), types[reply], self._metadata)

    def exchange(self, method: str, request: str, **fields: Any) -> None:
        """One request of a method that would take several, whose answer does not matter; else as :meth:`call`."""
        types = _types()
        self._client.exchange(_full(method), types[request](**fields), types["Empty"], self._metadata)

    def done(self, method: str, request: str, refusal: str, **fields: Any) -> bool:
        """As :meth:`call`, but gives whether it was done; nothing happens where the status `refusal` answers."""
        try:
            self.call(method, request, **fields)
        except Refused as error:
            if error.status != refusal:
                raise
            return False
        return True

    def knows(self, method: str, request: str, **fields: Any) -> bool:
        """As :meth:`call`, but gives whether what is meant is known; nothing happens where it is not."""
        return self.done(method, request, "NOT_FOUND", **fields)

    def begin_lease(self, name: str) -> None:
        """Nothing that is made from now on is collected before the end of the lease `name`."""
        expires = (datetime.datetime.now(datetime.UTC) + _LEASE).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.call("leases.v1.Leases/Create", "Lease", id=name, labels={"containerd.io/gc.expire": expires})
        self._metadata["containerd-lease"] = name

    def end_lease(self, name: str, *, collect: bool = False) -> None:
        """End the lease, also another process's; with `collect` what nothing holds any more is gone afterwards."""
        self._metadata.pop("containerd-lease", None)
        self.knows("leases.v1.Leases/Delete", "DeleteLeaseRequest", id=name, sync=collect)


def check_pid(pid: int, identifier: str, name: str) -> None:
    """:raises EngineError: process `pid` is not of the container `name` with that id, but another machine's."""
    if not is_ours(pid, identifier):
        raise EngineError(
            f"containerd reports process {pid} for {name}, which is another process here",
            "run cntr where containerd runs: on its machine, outside of any container",
        )


def _full(method: str) -> str:
    return f"/containerd.services.{method}"


@functools.cache
def _types() -> dict[str, Any]:
    from .messages import message_types

    return message_types(_TABLE)
