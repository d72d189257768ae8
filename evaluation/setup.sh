# Sourced by evaluation/demo.sh and tests/run.sh: installs what they need on Debian 12 or newer, or Ubuntu 24.04 or
# newer, as root. What is there already is left alone, so a second run needs no network.
#
#   setup demo|tests|corpus|filesystem     Debian packages, and the virtual environment .venv with cntr in it

# Each line: what tells that it is there (a command, or a file), and the package that brings it.
PACKAGES_DEMO="
/usr/bin/python3                    python3
busybox                             busybox-static
curl                                curl
gdb                                 gdb
mmdebstrap                          mmdebstrap
ps                                  procps
runc                                runc
strace                              strace
"
PACKAGES_TESTS="
/usr/include/fuse3/fuse.h           libfuse3-dev
apparmor_parser                     apparmor
attr                                attr
/usr/share/bash-completion/bash_completion bash-completion
btrfs                               btrfs-progs
catatonit                           catatonit
chromium                            chromium
containerd                          containerd
crun                                crun
dbus-daemon                         dbus
docker                              docker.io
docker-compose                      docker-compose
docker-registry                     docker-registry
dockerd                             docker.io
getfacl                             acl
gcc                                 gcc
git                                 git
htpasswd                            apache2-utils
iptables                            iptables
lxc-start                           lxc
lxd                                 lxd
lxc                                 lxd-client
kubectl                             kubernetes-client
man                                 man-db
fish                                fish
/usr/lib/podman/netavark            netavark
script                              bsdutils
newuidmap                           uidmap
nsenter                             util-linux
unshare                             util-linux
objdump                             binutils
openssl                             openssl
pkg-config                          pkg-config
podman                              podman
qemu-aarch64                        qemu-user
setpriv                             util-linux
stress-ng                           stress-ng
systemd-nspawn                      systemd-container
tar                                 tar
tc                                  iproute2
umoci                               umoci
zsh                                 zsh
xz                                  xz-utils
"
# The clients that use the images of evaluation/corpus, and what builds them.
PACKAGES_CORPUS="
/usr/include/fuse3/fuse.h           libfuse3-dev
ab                                  apache2-utils
docker                              docker.io
docker-registry                     docker-registry
dockerd                             docker.io
etcdctl                             etcd-client
gcc                                 gcc
ldd                                 libc-bin
mariadb                             mariadb-client
mariadbd                            mariadb-server-core
mosquitto_pub                       mosquitto-clients
nc                                  netcat-openbsd
npm                                 npm
openssl                             openssl
pgbench                             postgresql
pkg-config                          pkg-config
psql                                postgresql-client
redis-cli                           redis-tools
tc                                  iproute2
unzip                               unzip
"
# What measures the filesystem.
PACKAGES_FILESYSTEM="
ab                                  apache2-utils
dbench                              dbench
fio                                 fio
fs_mark                             fsmark
gcc                                 gcc
git                                 git
mkfs.ext4                           e2fsprogs
pgbench                             postgresql
postmark                            postmark
sqlite3                             sqlite3
"

say() { printf '\n== %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

setup() {
    [ "$(id -u)" = 0 ] || die "run it as root: it installs packages, and starts containers"
    command -v apt-get >/dev/null || die "it installs its needs by apt-get; on other systems see CONTRIBUTING.md"
    # Debian keeps daemons and administration tools out of the PATH of some ways to become root.
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
    case "$1" in
        demo)
            install_packages "$PACKAGES_DEMO"
            make_environment ""
            ;;
        tests)
            install_packages "$PACKAGES_DEMO$PACKAGES_TESTS"
            make_environment "[dev]"
            ;;
        corpus)
            install_packages "$PACKAGES_DEMO$PACKAGES_CORPUS"
            make_environment "[dev]"
            ;;
        filesystem)
            install_packages "$PACKAGES_DEMO$PACKAGES_FILESYSTEM"
            make_environment "[dev]"
            ;;
        *) die "unknown part $1" ;;
    esac
}

install_packages() {
    local missing
    missing=$(printf '%s' "$1" | while read -r there package; do
        [ -z "$there" ] || is_there "$there" || printf '%s ' "$package"
    done)
    python_is_complete || missing="$missing python3-dev python3-venv"
    [ -n "$missing" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    missing=$(for package in $missing; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            printf '%s ' "$package"
        else
            say "Not in this distribution: $package" >&2 # as lxd in Ubuntu 24.04; its tests are skipped
        fi
    done)
    say "Installing: $missing"
    # The words are package names.
    # shellcheck disable=SC2086
    without_services apt-get install -y -qq --no-install-recommends $missing </dev/null
}

# Runs a command in which no package starts its service: the tests start what they need, and end it.
without_services() (
    policy=/usr/sbin/policy-rc.d # invoke-rc.d(8)
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    "$@"
)

is_there() {
    case "$1" in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# Debian's own interpreter: another one that comes first in PATH may lack headers, or be deleted tomorrow.
PYTHON=/usr/bin/python3

python_is_complete() {
    [ -x "$PYTHON" ] && "$PYTHON" -c 'import ensurepip, sysconfig, os, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null
}

# Makes .venv with the project in it ("editable": a changed file counts at once), unless it is there for the same
# requirements and interpreter. One that somebody made by hand is left alone.
make_environment() {
    local extra="$1" stamp
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$PYTHON is $("$PYTHON" -V); cntr needs Python 3.11 or newer"
    stamp="$extra $("$PYTHON" -V) $(sha256sum <pyproject.toml)"
    if [ -x .venv/bin/cntr ] && [ ! -e .venv/stamp ]; then
        say "Using the virtual environment .venv as it is: it was made by hand"
    elif [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ] && [ "$(cat .venv/stamp 2>/dev/null)" != "[dev]$stamp" ]; then
        say "Making the virtual environment .venv"
        rm -rf .venv
        "$PYTHON" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extra"
        printf '%s' "$stamp" >.venv/stamp
    fi
    PATH="$PWD/.venv/bin:$PATH"
}
