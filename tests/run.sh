#!/usr/bin/env bash
# Installs what the tests need, starts docker if none answers, and runs all checks: ruff, mypy, pytest with coverage.
#
#   tests/run.sh [PYTEST ARGUMENTS]          (as root, on Debian 12 or newer)
#
# Without arguments all tests run, in two processes side by side. With CNTR_CI=1 a missing requirement is a failure;
# without, the tests that need it are skipped, and say why.
set -euo pipefail
umask 022 # ordinary users run what is installed here, too
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=evaluation/setup.sh
. evaluation/setup.sh
setup tests

work=$(mktemp -d /var/tmp/cntr-tests-run.XXXXXX)
chmod 755 "$work" # programs under test run as ordinary users, too
dockerd=""
rest=""
cleanup() {
    trap - EXIT INT TERM HUP
    if [ -n "$rest" ]; then
        kill -INT "$rest" 2>/dev/null || true
        wait "$rest" 2>/dev/null || true
    fi
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

# What runs beside all the others: half of the time. In one half alone are: the ordinary user, what serves filesystems
# in the tests' own mount namespace or looks for what sessions left there, and what asks docker for all that runs of cntr
# have left.
BESIDE="
tests/docs
tests/fs_api
tests/integration/engines
tests/integration/filesystems
tests/integration/oci/test_rootless.py
tests/integration/probes
tests/integration/releases
tests/integration/session
tests/integration/slim/test_rootless.py
tests/integration/toolbox
tests/mounted
tests/unit
"

half() { # NAME ARGUMENTS
    mkdir "$work/$1"
    export COVERAGE_FILE="$work/$1/.coverage" CNTR_TESTS_LOCK="$work/lock"
    shift
    exec pytest --once-more --cov --cov-report= "$@" </dev/null
}

both_halves() {
    # The words are paths.
    # shellcheck disable=SC2046,SC2086
    (half rest tests $(printf -- '--ignore=%s ' $BESIDE)) >"$work/rest.log" 2>&1 &
    rest=$!
    # shellcheck disable=SC2086
    (half beside $BESIDE) | tee "$work/beside.log" || failed="$failed pytest"
    wait "$rest" || failed="$failed pytest"
    rest=""
    cat "$work/rest.log"
    coverage combine --quiet "$work/beside/.coverage" "$work/rest/.coverage"
    coverage report --show-missing --skip-covered
    grep -hE '^(=.* in .*=|FLAKY .*)$' "$work/beside.log" "$work/rest.log" || true
}

say "pytest"
if [ $# = 0 ]; then
    both_halves
else
    pytest --once-more --cov --cov-report=term-missing:skip-covered "$@" </dev/null || failed="$failed pytest"
fi
[ -z "$failed" ]
