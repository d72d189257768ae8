#!/usr/bin/env bash
# Shows cntr on a small nginx that has neither ps nor curl nor a debugger. Installs what is missing, makes the image
# from Debian packages, runs it without a daemon, looks into it with this machine's tools; splits it into a slim and a
# fat image, and looks into the slim one with the fat one; cleans up.
#
#   evaluation/demo.sh          (as root, on Debian 12 or newer)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=evaluation/setup.sh
. evaluation/setup.sh
setup demo

PROJECT=$PWD
name="cntr-demo-$$"
work=$(mktemp -d /var/tmp/cntr-demo.XXXXXX)
cleanup() {
    trap - EXIT INT TERM HUP
    cntr stop --timeout 2 "$name" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Whatever containers and images this machine has, the demo's are apart.
export CNTR_STATE_DIR="$work/state" CNTR_CACHE_DIR="$work/cache"

bold="" plain=""
[ ! -t 1 ] || bold=$'\033[1m' plain=$'\033[0m'
show() { # a command as one would type it, then what it says
    local word
    printf '\n%s$' "$bold"
    for word in "$@"; do
        case "$word" in
            *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '%s\n' "$plain"
    "$@" 2>&1
}

say "Making an image of nginx from Debian packages"
python3 evaluation/corpus/build.py nginx "$work/nginx.tar"

say "Running it: no daemon, no registry"
show cntr run --detach --name "$name" "$work/nginx.tar"
show cntr list

say "The image has none of these tools"
for tool in ps curl strace gdb; do
    cntr attach "oci://$name" -- test ! -e "/var/lib/cntr/usr/bin/$tool" || die "the image has $tool"
    echo "no $tool"
done

say "Attaching with this machine's tools"
show cntr attach "oci://$name" -- ps -ef
until cntr attach "oci://$name" -- curl --silent --fail --output /dev/null http://127.0.0.1/; do sleep 0.2; done
show cntr attach "oci://$name" -- curl --silent http://127.0.0.1/
show cntr attach "oci://$name" -- ls /var/lib/cntr/etc/nginx
show cntr attach "oci://$name" -- gdb -batch -iex 'set sysroot /var/lib/cntr' -p 1 -ex backtrace
say "Reloading nginx and asking it for a page, while strace watches"
show cntr attach "oci://$name" -- sh -c '
    (sleep 1; kill -HUP 1; sleep 1; curl --silent --output /dev/null http://127.0.0.1/) &
    timeout --signal=INT 4 strace -q -f -p 1 -e trace=accept4,sendfile,writev || test $? = 124'

say "Stopping it"
show cntr stop "$name"

say "Splitting the image: what nginx uses, and the rest"
cd "$work"
show cntr slim nginx.tar --output pair.tar
show cntr verify pair.tar:nginx:slim
[ -s nginx-report/report.html ] || die "there is no report"
show cntr why nginx-report /bin/sh || true # not kept

say "Running the slim image, which has no shell"
show cntr run --detach --name "$name" pair.tar:nginx:slim
until cntr attach "oci://$name" -- curl --silent --fail --output /dev/null http://127.0.0.1/; do sleep 0.2; done
show cntr attach "oci://$name" -- curl --silent http://127.0.0.1/
cntr attach "oci://$name" -- test ! -e /var/lib/cntr/usr/bin/bash || die "the slim image has a shell"
echo "no shell"

say "Attaching with its fat image: the shell and the package manager are back"
show cntr attach "oci://$name" --fat -- bash -c 'dpkg --list | grep nginx; readlink /proc/1/exe'
show cntr stop "$name"
[ ! -e "$CNTR_STATE_DIR" ] || die "something was left in $CNTR_STATE_DIR"
echo
echo "Nothing is left. Try it on your own: $PROJECT/.venv/bin/cntr attach NAME, or cntr slim IMAGE"
