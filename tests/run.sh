#!/usr/bin/env bash
# Installs what the tests need, starts docker if none answers, and runs all checks: ruff, mypy, pytest with coverage.
#
#   tests/run.sh [PYTEST ARGUMENTS]          (as root, on Debian 12 or newer)
#
# With CNTR_CI=1 a missing requirement is a failure; without, the tests that need it are skipped, and say why.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=evaluation/setup.sh
. evaluation/setup.sh
setup tests

work=$(mktemp -d /var/tmp/cntr-tests-run.XXXXXX)
dockerd=""
cleanup() {
    trap - EXIT INT TERM HUP
    if [ -n "$dockerd" ]; then # ours alone, by its PID
        kill "$dockerd" 2>/dev/null || true
        wait "$dockerd" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

docker_answers() { docker version >/dev/null 2>&1; }

start_docker() {
    say "Starting dockerd"
    dockerd --pidfile "$work/dockerd.pid" >"$work/dockerd.log" 2>&1 </dev/null &
    dockerd=$!
    for _ in $(seq 120); do
        docker_answers && return
        kill -0 "$dockerd" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 20 "$work/dockerd.log" >&2
    echo "dockerd does not start; tests that need it will say so" >&2
}

failed=""
check() {
    say "$*"
    "$@" </dev/null || failed="$failed
$*"
}

docker_answers || start_docker
say "Making the images for the tests (kept in ${CNTR_TEST_CACHE:-/var/tmp/cntr-tests})"
python -m tests.support.images
check ruff check --no-cache .
check ruff format --no-cache --check .
check mypy cntr_core plugins slimmer
[ -z "$failed" ] || printf '\nThese checks failed, as will the whole run:%s\n' "$failed"
say "pytest"
# Last, so that its summary is the last word.
pytest --cov --cov-report=term-missing:skip-covered "$@" </dev/null || failed="$failed pytest"
[ -z "$failed" ]
