"""The configuration of an OCI bundle (runtime-spec 1.0, config.json) for an image: what docker gives by default."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError
from ..images import ImageConfig
from ..kernel.process import DEFAULT_PATH
from .confinement import Confinement
from .image_user import ImageUser

CAPABILITIES = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE"
)
MASKED = (
    "/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list "
    "/proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap"
)
READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What the user says about a container beside the image's configuration, from the command line to config.json."""

    command: tuple[str, ...] = ()
    host_network: bool = False
    read_only: bool = False
    terminal: bool = False
    user: str = ""
    """In place of the image's USER; empty for that."""
    working_dir: str = ""
    env: tuple[str, ...] = ()
    """``NAME=VALUE``, or ``NAME`` to leave a variable of the image's out."""
    confinement: Confinement = field(default_factory=Confinement)


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What the user, this machine and the unpacked root say, beside the image's configuration.

    `files` are paths in the container and what is bound there, `volumes` paths and options of the tmpfs there,
    `capabilities` those that we have to give away.
    """

    name: str
    cgroup: str
    identity: ImageUser
    capabilities: Collection[str]
    options: RuntimeOptions = field(default_factory=RuntimeOptions)
    files: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def arguments(config: ImageConfig, command: tuple[str, ...]) -> tuple[str, ...]:
    """What the container executes: the entrypoint, then `command` or the image's own.

    :raises UsageError: there is nothing to execute.
    """
    line = (*config.entrypoint, *(command or config.cmd))
    if not line:
        raise UsageError("the image has no command", "give one after the image")
    return line


def environment(config: ImageConfig, spec: ContainerSpec) -> list[str]:
    """The image's variables and the user's, over docker's defaults, without doubles: the last one counts."""
    defaults = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={spec.name}", f"HOME={spec.identity.home}"]
    defaults += ["TERM=xterm"] if spec.options.terminal else []
    image = [line for line in config.env if "=" in line]
    variables = {line.partition("=")[0]: line for line in (*defaults, *image, *spec.options.env)}
    return [line for line in variables.values() if "=" in line]


def bundle(config: ImageConfig, spec: ContainerSpec) -> dict[str, Any]:
    """The whole config.json; the root directory is ``rootfs`` beside it."""
    return {
        "ociVersion": "1.0.2",
        "hostname": spec.name,
        "root": {"path": "rootfs", "readonly": spec.options.read_only},
        "process": _process(config, spec),
        "mounts": _mounts(spec),
        "linux": _linux(spec),
    }


def _process(config: ImageConfig, spec: ContainerSpec) -> dict[str, Any]:
    identity, given = spec.identity, _given(spec)
    # As docker has it: another user keeps the bounding set, and gets nothing from it without set-user-id programs.
    effective = given if identity.uid == 0 else []
    return {
        "terminal": spec.options.terminal,
        "user": {"uid": identity.uid, "gid": identity.gid, "additionalGids": list(identity.groups)},
        "args": list(arguments(config, spec.options.command)),
        "env": environment(config, spec),
        "cwd": spec.options.working_dir or config.working_dir or "/",
        "capabilities": {"bounding": given, "effective": effective, "permitted": effective},
        "noNewPrivileges": spec.options.confinement.no_new_privileges,
    }


def _given(spec: ContainerSpec) -> list[str]:
    return [name for name in (f"CAP_{word}" for word in CAPABILITIES.split()) if name in spec.capabilities]


def _linux(spec: ContainerSpec) -> dict[str, Any]:
    kinds = ["pid", "ipc", "uts", "mount", "cgroup"] + ([] if spec.options.host_network else ["network"])
    limits = spec.options.confinement
    seccomp = limits.filter(_given(spec))
    return {
        **({"cgroupsPath": spec.cgroup} if spec.cgroup else {}),
        **({"seccomp": seccomp} if seccomp else {}),
        "namespaces": [{"type": kind} for kind in kinds],
        # The runtime itself adds the devices that every container has: null, zero, tty …
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            **(limits.resources() if spec.cgroup else {}),
        },
        "maskedPaths": MASKED.split(),
        "readonlyPaths": READ_ONLY.split(),
    }


def _mounts(spec: ContainerSpec) -> list[dict[str, Any]]:
    quiet = ["nosuid", "noexec", "nodev"]
    return [
        _mount("/proc", "proc", quiet),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        _mount("/sys", "sysfs", [*quiet, "ro"]),
        _mount("/sys/fs/cgroup", "cgroup", [*quiet, "relatime", "ro"]),
        _mount("/dev/mqueue", "mqueue", quiet),
        _mount("/dev/shm", "tmpfs", [*quiet, "mode=1777", "size=65536k"]),
        # tmpcopyup, known to runc and crun: a volume starts with what the image has there.
        *(_mount(path, "tmpfs", ["nosuid", "nodev", "tmpcopyup", *more]) for path, more in spec.volumes.items()),
        *(_mount(path, "bind", ["rbind", "rprivate"], source) for path, source in spec.files.items()),
    ]


def _mount(path: str, kind: str, options: list[str], source: str = "") -> dict[str, Any]:
    return {"destination": path, "type": kind, "source": source or kind, "options": options}
