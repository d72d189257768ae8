"""The configuration of an OCI bundle (runtime-spec 1.0, config.json) for an image: what docker gives by default."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..dataclass import dataclass, field
from ..errors import UsageError
from ..images import ImageConfig
from ..kernel.process import DEFAULT_PATH
from .confinement import Confinement
from .container_mounts import ContainerMount, in_order, mount_entry
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
    entrypoint: tuple[str, ...] | None = None
    """In place of the image's ENTRYPOINT, which leaves out its CMD, too; None for the image's."""
    mounts: tuple[ContainerMount, ...] = ()
    volumes: tuple[str, ...] = ()
    """Places of volumes beside the image's own."""
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


def arguments(config: ImageConfig, options: RuntimeOptions) -> tuple[str, ...]:
    """What the container executes: the entrypoint, then the command, each the user's or the image's own.

    :raises UsageError: there is nothing to execute.
    """
    if options.entrypoint is None:
        line = (*config.entrypoint, *(options.command or config.cmd))
    else:
        line = (*options.entrypoint, *options.command)
    if not line:
        raise UsageError("the image has no command", "give one after the image")
    return line


def variables(config: ImageConfig, options: RuntimeOptions, defaults: Sequence[str] = ()) -> list[str]:
    """The image's variables and the user's, over `defaults`, without doubles: the last one counts."""
    image = [line for line in config.env if "=" in line]
    found = {line.partition("=")[0]: line for line in (*defaults, *image, *options.env)}
    return [line for line in found.values() if "=" in line]


def environment(config: ImageConfig, spec: ContainerSpec) -> list[str]:
    """The image's variables and the user's, over docker's defaults, without doubles: the last one counts."""
    defaults = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={spec.name}", f"HOME={spec.identity.home}"]
    defaults += ["TERM=xterm"] if spec.options.terminal else []
    return variables(config, spec.options, defaults)


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
        "args": list(arguments(config, spec.options)),
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
    given = [
        mount_entry("/proc", "proc", quiet),
        mount_entry("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount_entry("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        mount_entry("/sys", "sysfs", [*quiet, "ro"]),
        mount_entry("/sys/fs/cgroup", "cgroup", [*quiet, "relatime", "ro"]),
        mount_entry("/dev/mqueue", "mqueue", quiet),
        mount_entry("/dev/shm", "tmpfs", [*quiet, "mode=1777", "size=65536k"]),
        # tmpcopyup, known to runc and crun: a volume starts with what the image has there.
        *(mount_entry(path, "tmpfs", ["nosuid", "nodev", "tmpcopyup", *more]) for path, more in spec.volumes.items()),
        *(mount_entry(path, "bind", ["rbind", "rprivate"], source) for path, source in spec.files.items()),
    ]
    return in_order([*given, *(mount.entry() for mount in spec.options.mounts)])
