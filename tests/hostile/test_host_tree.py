"""What a container reads of the host while somebody is attached to it: nothing but what tools need."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cntr import PROGRAM, UNMEASURED, descendants, docker_exec, docker_pid, environment, running
from tests.support.images import DockerRun

pytestmark = pytest.mark.requires("root", "docker", "fuse", "overlayfs")

_REPOSITORY = Path(__file__).resolve().parents[2]
MARKER = "planted-secret"

# ruff: noqa: SIM905 - paths are easier to read without quotes
SECRETS = """
/etc/shadow /etc/shadow- /etc/gshadow /etc/sudoers /etc/sudoers.d/ops /etc/krb5.keytab /etc/environment
/etc/ssh/ssh_host_ed25519_key /etc/ssl/private/web.key /etc/ssl/web.key /etc/ssl/certs/web.key
/etc/ssl/certs/web-key.pem /etc/pki/tls/private/web.key /etc/pki/tls/certs/web.key /etc/wireguard/wg0.conf
/etc/openvpn/client.ovpn /etc/NetworkManager/system-connections/office /etc/wpa_supplicant/wpa_supplicant.conf
/etc/ipsec.secrets /etc/kubernetes/admin.conf /etc/rancher/k3s/k3s.yaml /etc/letsencrypt/live/web/privkey.pem
/etc/docker/daemon.json /etc/containers/auth.json /etc/apt/auth.conf /etc/apt/auth.conf.d/mirror.conf
/etc/yum.repos.d/private.repo /etc/mysql/debian.cnf /etc/my.cnf /etc/postgresql/15/main/pg_hba.conf
/etc/redis/redis.conf /etc/mongod.conf /etc/vault.d/token /etc/consul.d/encrypt.json /etc/nomad.d/acl.hcl
/etc/grafana/grafana.ini /etc/msmtprc /etc/exim4/passwd.client /etc/postfix/sasl_passwd /etc/default/app
/etc/sysconfig/app /etc/systemd/system/app.service.d/env.conf /etc/cron.d/backup /etc/fstab /etc/crypttab
/etc/cifs-credentials /etc/ldap/ldap.conf /etc/sssd/sssd.conf /etc/gitconfig /etc/npmrc /etc/pip.conf
/etc/profile.d/tokens.sh /etc/java-17-openjdk/management/jmxremote.password /etc/wgetrc /etc/machine-id
/root/.ssh/id_ed25519 /root/.bash_history /root/.bashrc /root/.netrc /root/.my.cnf /root/.pgpass /root/.npmrc
/root/.pypirc /root/.vault-token /root/.git-credentials /root/.gitconfig /root/.cargo/credentials
/root/.cargo/credentials.toml /root/.aws/credentials /root/.azure/token.json /root/.kube/config
/root/.docker/config.json /root/.gnupg/secring.gpg /root/.config/gcloud/token.json /root/.config/gh/hosts.yml
/root/.config/containers/auth.json /root/.config/rclone/rclone.conf /root/.config/sops/age/keys.txt
/root/.config/hub /root/.config/nvim/secrets.lua /root/.terraform.d/credentials.tfrc.json
/root/.local/share/keyrings/login.keyring /root/.mozilla/firefox/x/logins.json /root/.m2/settings.xml /root/.env
/root/.composer/auth.json /root/.gem/credentials /root/.databrickscfg /root/.s3cfg /root/.boto /root/.viminfo
/root/bin/.env /root/dump.sql /home/ann/.ssh/id_rsa /home/ann/notes.txt /home/bob/.local/bin/.token
/home/ann/venv/.env /var/lib/docker/containers/1/config.v2.json /var/lib/docker/volumes/db/_data/x
/var/lib/kubelet/pods/1/token /var/lib/etcd/member/snap/db /var/lib/containerd/x /var/lib/containers/storage/x
/var/lib/postgresql/15/main/base /var/lib/mysql/ibdata1 /var/lib/redis/dump.rdb /var/lib/jenkins/secrets/master.key
/var/lib/cloud/instance/user-data.txt /var/lib/NetworkManager/secret_key /var/lib/rancher/k3s/server/token
/var/lib/libvirt/secrets/x /var/lib/systemd/credential.secret /var/cache/debconf/passwords.dat
/var/backups/shadow.bak /var/log/auth.log /var/log/app.log /var/mail/root /var/spool/cron/crontabs/root
/var/www/html/wp-config.php /var/opt/app/token /srv/app/.env /srv/git/config /opt/app/etc/app.conf /opt/app/.env
/opt/tomcat/conf/tomcat-users.xml /opt/secret /usr/local/etc/npmrc /usr/local/nagios/etc/private.cfg
/usr/local/src/.env /usr/local/backup.key /mnt/backup/key /media/usb/key /boot/grub/grub.cfg /boot/initrd.img-6
/data/key /backup.sql /vault/token /secrets/x
""".split()
"""Where machines have secrets. Each is readable by all, so no mode protects it."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is laid over the host's tree."""
    top = tmp_path_factory.mktemp("planted")
    top.chmod(0o755)
    for secret in SECRETS:
        path = top / secret.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{MARKER}\n")
        path.chmod(0o644)
    # Readable by its owner alone, in a directory that is shown.
    hidden = top / "etc/ssl/certs/combined.pem"
    hidden.write_text(f"{MARKER}\n")
    hidden.chmod(0o600)
    _programs(top)
    return top


def _programs(top: Path) -> None:
    """Ann's own: a virtual environment, and a program that is a link into another one; and bait."""
    for name in ("venv", ".local/share/apps/tool"):
        place = top / "home/ann" / name
        (place / "bin").mkdir(parents=True)
        (place / "lib/python3/site-packages").mkdir(parents=True)
        (place / "lib/python3/site-packages/module.py").write_text("own\n")
        (place / "pyvenv.cfg").write_text("home = /usr/bin\n")
        program = place / "bin/tool"
        program.write_text('#!/bin/sh\ncat "$(dirname "$(readlink -f "$0")")/../pyvenv.cfg"\n')
        program.chmod(0o755)
    own = top / "home/ann/.local/bin"
    own.mkdir(parents=True)
    (own / "linked").symlink_to("/home/ann/.local/share/apps/tool/bin/tool")
    (own / "bait").symlink_to("/root/.ssh/id_ed25519")
    (own / "bait-directory").symlink_to("/root/.ssh")
    script = top / "home/ann/check.sh"
    script.write_text("#!/bin/sh\necho checked\n")
    script.chmod(0o755)


_ROOT = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
cp -a "$2/." "$1/upper"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" none "$1/root"
for place in proc sys dev run tmp "$3"; do mount --rbind "/${place#/}" "$1/root/${place#/}"; done
shift 3
exec chroot "$0" "$@"
"""


@contextmanager
def _attached(planted: Path, place: Path, container: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """``cntr attach`` on a host whose tree has all that is planted."""
    place.mkdir()
    line = [
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", _ROOT, str(place / "root")),
        *(str(place), str(planted), str(_REPOSITORY)),
        *(PROGRAM, "attach", f"pid://{container}", *words),
    ]
    path = f"{os.environ['PATH']}:/root/bin:/home/ann/venv/bin:/home/ann/.local/bin:/root:/etc:/var/lib"
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment({"PATH": path})
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _run(planted: Path, place: Path, container: int, *words: str) -> str:
    with _attached(planted, place, container, *words) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    return output.decode()


@pytest.mark.parametrize("fs", ["pyfuse3", "direct", "kernel"])
def test_root_of_a_container_that_may_trace_reads_no_secret(
    planted: Path, tmp_path: Path, docker_run: DockerRun, fs: str
) -> None:
    name = docker_run("debian", "--cap-add", "SYS_PTRACE", "--cap-add", "DAC_READ_SEARCH", command=("sleep", "1000"))
    words = ("--fs", fs, "--", "sh", "-c", "echo $$; cat")
    with _attached(planted, tmp_path / "t", docker_pid(name), *words) as session:
        assert session.stdout is not None
        number = session.stdout.readline().decode().strip()
        assert number, session.stderr and session.stderr.read().decode()
        root = f"/proc/{number}/root"
        assert docker_exec(name, "cat", f"{root}/proc/1/comm") == "sleep\n", "it can look there"
        assert docker_exec(name, "sh", "-c", f"head -c4 {root}/usr/bin/env | tail -c3") == "ELF"
        script = 'root=$1; shift; for path; do if cat "$root$path"; then echo "$path"; fi; done 2>/dev/null; true'
        assert docker_exec(name, "sh", "-c", script, "sh", root, *SECRETS) == ""
        # By whatever other name, and what only its mode hides.
        search = f"cd {root} && grep -rslI {MARKER} etc home srv opt/app opt/tomcat boot mnt data; true"
        assert docker_exec(name, "sh", "-c", search) == ""


@pytest.mark.parametrize("fs", ["pyfuse3", "direct", "kernel"])
def test_the_callers_own_programs_work(planted: Path, tmp_path: Path, docker_run: DockerRun, fs: str) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    script = "tool; linked; cat ~ann/venv/lib/python3/site-packages/module.py; ls -A ~ann; bait || echo baited"
    script = script.replace("~", "/home/")
    printed = _run(planted, tmp_path / "t", docker_pid(name), "--fs", fs, "--", "sh", "-c", script)
    assert printed.split("\n") == ["home = /usr/bin"] * 2 + ["own", ".local", "venv", "baited", ""]
    assert _run(planted, tmp_path / "u", docker_pid(name), "--fs", fs, "--", "/home/ann/check.sh") == "checked\n"


def test_everything_is_shown_to_who_asks_for_it(planted: Path, tmp_path: Path, docker_run: DockerRun) -> None:
    name = docker_run("debian", command=("sleep", "1000"))
    words = ("--tools", "dir:/", "--", "cat", "/root/dump.sql", "/etc/shadow")
    assert _run(planted, tmp_path / "t", docker_pid(name), *words) == f"{MARKER}\n" * 2


_TOOLS = {
    "python3": "import ssl, hashlib, json; assert ssl.create_default_context().cert_store_stats()['x509_ca']",
    "perl": "use POSIX; use Socket; getservbyname('http', 'tcp') or die",
    "bash": "getent services https && getent protocols tcp && shopt -q extglob; man -w ls >/dev/null || true",
}
"""Interpreters that say whether they have what they need."""


@pytest.mark.requires("gdb", "strace")
@pytest.mark.parametrize("fs", ["pyfuse3", "direct", "kernel"])
def test_programs_of_the_host_work(docker_run: DockerRun, fs: str) -> None:
    name = docker_run("debian", "--cap-add", "SYS_PTRACE", command=("sleep", "1000"))
    flags = {"perl": "-e"}
    checks = [f"{program} {flags.get(program, '-c')} {shlex.quote(code)}" for program, code in _TOOLS.items()]
    checks += [
        "gdb -batch -p 1 -ex 'info proc' | grep -q 'process 1'",
        "timeout -s INT 1 strace -p 1 2>&1 | grep -q attached",
        "dpkg -S /bin/ls | grep -q coreutils",
        "git init -q /tmp/g && git -C /tmp/g status -s",
        "file -L /bin/ls | grep -q ELF || ! command -v file",
        "ldconfig -p | grep -q libc.so.6",
        "ls -l /etc/alternatives | grep -q /usr/bin",
    ]
    script = "set -e\n" + "\n".join(f"{check} || exit {number + 1}" for number, check in enumerate(checks))
    command = [PROGRAM, "attach", f"pid://{docker_pid(name)}", "--fs", fs, "--", "bash", "-c", script]
    result = subprocess.run(command, capture_output=True, env=environment(), timeout=120)
    assert result.returncode == 0, (result.returncode, result.stderr.decode())


_MANY_HOMES = """
set -e
mount -t tmpfs none /home
cp /etc/passwd /home/passwd
for n in $(seq 1000); do mkdir "/home/user$n"; echo "user$n:x:$n:1::/home/user$n:/bin/sh"; done >> /home/passwd
mount --bind /home/passwd /etc/passwd
exec strace -f -qq -o "$1" -e trace=file,openat2 "$0" attach "pid://$2" -- true
"""


@pytest.mark.requires("strace")
def test_nobody_elses_home_is_looked_at(docker_run: DockerRun, tmp_path: Path) -> None:
    """Attaching took seconds where passwd(5) names thousands of homes."""
    pid = docker_pid(docker_run("debian", command=("sleep", "1000")))
    line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MANY_HOMES, PROGRAM]
    subprocess.run([*line, str(tmp_path / "trace"), str(pid)], check=True, env=environment(UNMEASURED), timeout=120)
    trace = (tmp_path / "trace").read_text()
    assert "openat2" in trace, "it has looked for something"
    assert not re.search(r"home/user\d", trace)


_HANDLES = """
import ctypes, os, struct, sys
class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("id", ctypes.c_ubyte * 128)]
libc, root = ctypes.CDLL(None), os.open(sys.argv[1], os.O_RDONLY)
for kind, form in ((1, "=II"), (0x81, "=IQ"), (0x81, "=QI")):
    for ino in map(int, sys.argv[2:]):
        for values in ((ino, 0), (0, ino)):
            data = struct.pack(form, *values)
            handle = Handle(len(data), kind, (ctypes.c_ubyte * 128)(*data))
            fd = libc.open_by_handle_at(root, ctypes.byref(handle), os.O_RDONLY)
            if fd >= 0:
                print(os.readlink(f"/proc/self/fd/{fd}"))
"""


@pytest.mark.parametrize("fs", ["pyfuse3", "direct", "kernel"])
def test_no_file_handle_opens_what_is_hidden(docker_run: DockerRun, fs: str) -> None:
    """With CAP_DAC_READ_SEARCH a file can be opened by its number, where a filesystem lets (open_by_handle_at(2))."""
    name = docker_run("debian", command=("sleep", "1000"))
    hidden = ("/etc/shadow", "/etc/gshadow", "/var/log", "/var/cache", "/srv", "/etc/fstab")
    numbers = [str(os.stat(path).st_ino) for path in hidden if os.path.exists(path)]
    with running("attach", name, "--fs", fs, "--", "sh", "-c", "ls -lR /etc /var/lib >/dev/null; echo; cat") as session:
        assert session.stdout is not None
        assert session.stdout.readline()
        inside = descendants(session.pid)[-1]
        assert not os.path.exists(f"/proc/{inside}/root/etc/shadow"), "that is the session's root"
        command = ["python3", "-c", _HANDLES, f"/proc/{inside}/root", *numbers]
        opened = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert not [path for path in opened if path.startswith(hidden)]
