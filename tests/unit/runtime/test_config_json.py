"""What the engine makes of an image's configuration, before any container exists."""

from __future__ import annotations

import signal

import hypothesis.strategies as st
import pytest
from cntr_plugins.engines.oci.prepare import _base_name
from hypothesis import given

from cntr_core.errors import ImageError, UsageError
from cntr_core.images import ImageConfig, Platform
from cntr_core.runtime import stop_signal
from cntr_core.runtime.config_json import ContainerSpec, RuntimeOptions, arguments, bundle, environment
from cntr_core.runtime.image_user import ImageUser, resolve_user

PASSWD = b"""root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
1000:x:7:7:a user whose name is a number:/seven:
broken line
bad:x:one:1:::
app:x:1000:100:::/bin/sh
twice:x:1000:101::/twice:
"""
GROUP = b"root:x:0:\nusers:x:100:app,daemon\nextra:x:42:app\nbad:x:\nempty:x:43\nlarge:x:99999999999:app\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", ImageUser(0, 0, (0,), "/root")),
        ("root", ImageUser(0, 0, (0,), "/root")),
        ("daemon", ImageUser(1, 1, (1, 100), "/usr/sbin")),
        ("app", ImageUser(1000, 100, (100, 42), "/")),
        ("1000", ImageUser(7, 7, (7,), "/seven")),  # a name, though it looks like a number
        ("app:extra", ImageUser(1000, 42, (42,), "/")),
        ("app:5", ImageUser(1000, 5, (5,), "/")),
        ("4711", ImageUser(4711, 0, (0,), "/")),
        ("4711:users", ImageUser(4711, 100, (100,), "/")),
        (":users", ImageUser(0, 100, (100,), "/root")),
    ],
)
def test_users_are_found_as_docker_finds_them(user: str, expected: ImageUser) -> None:
    assert resolve_user(user, PASSWD, GROUP) == expected


@pytest.mark.parametrize("user", ["nobody", "bad", "app:nogroup", "large", "2147483648", "-1", "root:-1", "٣", "0x0"])
def test_users_that_make_no_sense_are_refused(user: str) -> None:
    with pytest.raises(ImageError, match="the image has no"):
        resolve_user(user, PASSWD, GROUP)


@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=10))
def test_no_content_of_the_files_crashes_us(passwd: bytes, group: bytes, user: str) -> None:
    try:
        identity = resolve_user(user, passwd, group)
    except ImageError:
        return
    assert identity.gid in identity.groups


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", signal.SIGTERM),
        ("SIGQUIT", signal.SIGQUIT),
        ("QUIT", signal.SIGQUIT),
        ("9", 9),
        ("RTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("sigterm", signal.SIGTERM),
        ("Quit", signal.SIGQUIT),
        ("15", 15),
        ("SIGRTMAX", signal.SIGRTMAX),
        ("SIGRTMAX-1", signal.SIGRTMAX - 1),
        ("rtmax-14", signal.SIGRTMAX - 14),
        ("sigrtmin+15", signal.SIGRTMIN + 15),
        ("SIGCLD", signal.SIGCHLD),
    ],
)
def test_stop_signals_are_names_or_numbers(text: str, number: int) -> None:
    assert stop_signal(text) == number


@pytest.mark.parametrize(
    "text", ["SIGNOTHING", "0", "65", "-1", "SIGRTMIN+99", "SIGRTMAX-99", "SIGRTMAX+1", "SIG", "SIGSIGTERM", "9 ", "٣"]
)
def test_stop_signals_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        stop_signal(text)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/tmp/nginx.tar", "nginx"),
        ("/tmp/nginx.tar.gz:latest", "nginx"),
        ("layouts/app/", "app"),
        ("registry.example:5000/team/web:1.2@sha256:abc", "web"),
        ("/tmp/ü .tar", "container"),
        ("x" * 200, "x" * 40),
    ],
)
def test_a_container_is_named_after_its_image(image: str, name: str) -> None:
    assert _base_name(image) == name


def _config(**fields: object) -> ImageConfig:
    return ImageConfig(Platform("linux", "amd64"), **fields)  # type: ignore[arg-type] - chosen by the test


def _spec(identity: ImageUser | None = None, **fields: object) -> ContainerSpec:
    root = ImageUser(0, 0, (0,), "/root")
    given_capabilities = {"capabilities": ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_KILL"]}
    return ContainerSpec("box", "/id", identity or root, **(given_capabilities | fields))  # type: ignore[arg-type]


def test_a_given_command_replaces_cmd_but_not_the_entrypoint() -> None:
    config = _config(entrypoint=("/entry",), cmd=("default",))
    assert arguments(config, RuntimeOptions()) == ("/entry", "default")
    assert arguments(config, RuntimeOptions(("a", "b"))) == ("/entry", "a", "b")
    with pytest.raises(UsageError, match="has no command"):
        arguments(_config(), RuntimeOptions())


def test_another_entrypoint_leaves_cmd_out() -> None:
    config = _config(entrypoint=("/entry",), cmd=("default",))
    assert arguments(config, RuntimeOptions(entrypoint=("other",))) == ("other",)
    assert arguments(config, RuntimeOptions(("a",), entrypoint=("other",))) == ("other", "a")
    assert arguments(config, RuntimeOptions(("a",), entrypoint=())) == ("a",)
    with pytest.raises(UsageError, match="has no command"):
        arguments(config, RuntimeOptions(entrypoint=()))


def test_the_images_variables_come_over_the_defaults_and_the_last_one_counts() -> None:
    config = _config(env=("A=1", "HOME=/elsewhere", "A=2", "nonsense"))
    variables = environment(config, _spec())
    assert sorted(variables) == ["A=2", "HOME=/elsewhere", "HOSTNAME=box", variables[0]]
    assert variables[0].startswith("PATH=/usr/local/sbin")


def test_a_user_gets_no_capability_and_root_none_that_we_lack() -> None:
    root = bundle(_config(cmd=("x",)), _spec())["process"]["capabilities"]
    assert root == {name: ["CAP_CHOWN", "CAP_KILL"] for name in ("bounding", "effective", "permitted")}
    user = bundle(_config(cmd=("x",)), _spec(ImageUser(5, 5, (5,))))["process"]["capabilities"]
    assert user == {"bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": [], "permitted": []}


def test_nothing_of_the_host_is_bound_but_what_was_asked_for() -> None:
    mounts = bundle(_config(cmd=("x",)), _spec(files={"/etc/hosts": "/state/hosts"}))["mounts"]
    assert [m["source"] for m in mounts if "bind" in m["type"]] == ["/state/hosts"]


def test_the_hosts_network_is_shared_only_where_asked() -> None:
    def kinds(**fields: bool) -> set[str]:
        made = bundle(_config(cmd=("x",)), _spec(options=RuntimeOptions(**fields)))
        return {namespace["type"] for namespace in made["linux"]["namespaces"]}

    assert kinds() == {"pid", "ipc", "uts", "mount", "cgroup", "network"}
    assert kinds(host_network=True) == kinds() - {"network"}
