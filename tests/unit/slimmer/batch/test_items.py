"""Lists, compose files and manifests as items of a batch; and what strangers may have written there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cntr_slimmer.batch.documents import LARGEST_FILE, documents
from cntr_slimmer.batch.items import read_items

from cntr_core.errors import UsageError


def _words(path: Path) -> list[tuple[str, ...]]:
    return [item.words for item in read_items(str(path))]


def _file(place: Path, name: str, text: str) -> Path:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_list_has_an_image_and_its_options_on_each_line(tmp_path: Path) -> None:
    path = _file(tmp_path, "images", "# all\nweb.tar --probe 'exec:a b'\n\n  web.tar\tsh -c 'x # y' # why\n")
    assert _words(path) == [("web.tar", "--probe", "exec:a b"), ("web.tar", "sh", "-c", "x # y")]
    assert [item.where for item in read_items(str(path))] == [f"{path}:2", f"{path}:4"]


def test_what_is_said_twice_is_done_once(tmp_path: Path) -> None:
    path = _file(tmp_path, "images", "web.tar -e A=1\nweb.tar   -e 'A=1'\nweb.tar\n")
    assert _words(path) == [("web.tar", "-e", "A=1"), ("web.tar",)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "web.tar 'x\n", "--probe exit web.tar\n", "web.tar \\"])
def test_a_list_that_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"images(:1| names no image)"):
        read_items(str(_file(tmp_path, "images", text)))


COMPOSE = """\
x-shared: &shared {environment: {A: "${VALUE:-x}", B: 0644, C: no}}
services:
  web:
    <<: *shared
    image: "shop/web:${TAG}"
    entrypoint: [/run, --now]
    command: --port 80 'a b'
    user: "1000"
    working_dir: /srv
    x-cntr: --probe http:80/
  database: {image: postgres, environment: [X=$$1, CNTR_TEST_UNSET], command: }
  built: {build: .}
"""


def test_a_compose_file_gives_each_service_with_an_image(tmp_path: Path) -> None:
    _file(tmp_path, ".env", "# tags\nexport TAG='1.2'\n")
    assert _words(_file(tmp_path, "compose.yaml", COMPOSE)) == [
        (
            *("--probe", "http:80/", "--env=A=x", "--env=B=0644", "--env=C=no", "--user=1000", "--workdir=/srv"),
            *("--entrypoint=/run", "shop/web:1.2", "--", "--now", "--port", "80", "a b"),
        ),
        ("--env=X=$1", "postgres"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "a"),
        ("$A-$A", "a-a"),
        ("${EMPTY:-b}", "b"),
        ("x${EMPTY-b}", "x"),
        ("x${NONE}", "x"),
        ("${A:+c}", "c"),
        ("x${NONE+c}", "x"),
        ("$$A", "$A"),
    ],
)
def test_variables_are_those_of_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.setenv("A", "a")
    monkeypatch.setenv("EMPTY", "")
    assert _words(_file(tmp_path, "c.yml", f"services: {{web: {{image: '{text}'}}}}")) == [(expected,)]


def test_a_variable_that_must_be_set_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, "c.yml", "services: {web: {image: 'web:${NO_SUCH_TAG:?say which}'}}")
    with pytest.raises(UsageError, match="service web: NO_SUCH_TAG is not set: say which"):
        read_items(str(path))


def test_manifests_give_each_container(tmp_path: Path) -> None:
    _file(
        tmp_path,
        "k/deployment.yaml",
        "kind: ConfigMap\ndata: {containers: '[]'}\n---\n---\n"
        "kind: Deployment\nmetadata: {name: web}\n"
        "spec: {template: {metadata: {annotations: {cntr/options: --probe tcp:80}}, "
        "spec: {securityContext: {runAsUser: 7}, initContainers: [{name: init, image: a}], "
        "containers: [{name: main, image: b, command: [/x, -y], args: [z], workingDir: /w, "
        "env: [{name: N, value: v}, {name: S, valueFrom: {}}]}]}}}\n",
    )
    _file(
        tmp_path,
        "k/deeper/job.json",
        '{"kind": "List", "items": [{"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": '
        '{"spec": {"containers": [{"image": "c", "args": ["-v"]}]}}}}}},'
        ' {"kind": "Pod", "spec": {"containers": [{"image": "d"}]}}]}',
    )
    _file(tmp_path, "k/.git/x.yaml", "{{ no yaml")
    _file(tmp_path, "k/notes.txt", "{{ no yaml")
    assert sorted(_words(tmp_path / "k")) == sorted(
        [
            ("--probe", "tcp:80", "--user=7", "a"),
            (
                *("--probe", "tcp:80", "--env=N=v", "--user=7", "--workdir=/w"),
                *("--entrypoint=/x", "b", "--", "-y", "z"),
            ),
            ("c", "--", "-v"),
            ("d",),
        ]
    )


HOSTILE = {
    "laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "merges": "a: &a {x: 1, y: 2}\n"
    + "".join(
        f"{c}: &{c} {{<<: [{','.join([f'*{p}'] * 9)}], {c}1: 1}}\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "circle": "a: &a [*a]",
    "circle of merges": "a: &a {<<: *a}",
    "depth": "[" * 100_000,
    "closed depth": "[" * 500 + "]" * 500,
    "depth of mappings": "{a: " * 100_000,
    "large": "# " + "x" * LARGEST_FILE,
    "python": "!!python/object/apply:os.system [touch /tmp/cntr-owned]",
    "number": "!!int x",
    "time": "!!timestamp 2020-99-99",
    "unhashable": "{[a]: b}",
    "unknown alias": "*x",
    "template": "image: {{ .Values.image }}",
    "tab": "a:\n\t- b",
    "control": "a: \x01",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = _file(tmp_path, "compose.yaml", HOSTILE[kind])
    began = time.process_time()
    with pytest.raises(UsageError, match=r"compose\.yaml (cannot be understood|has more than)"):
        list(documents(str(path)))
    assert time.process_time() - began < 20, "it was worked on"


@pytest.mark.parametrize(
    "text",
    [
        "services: []",
        "services: {web: 7}",
        "services: {web: {image: [a]}}",
        "services: {web: {image: --help}}",
        "services: {web: {image: a, command: {a: b}}}",
        'services: {web: {image: a, command: "\'"}}',
        "services: {web: {image: a, environment: {A: [b]}}}",
        "kind: Pod\nspec: {containers: {image: a}}",  # and so it names no image
        "kind: Pod\nspec: {containers: [{image: [a]}]}",
        "kind: Pod\nspec: {containers: [{image: -x}]}",
        "kind: Pod\nspec: {containers: [{image: a, command: [[b]]}]}",
        "- a",
        "a",
        "",
    ],
)
def test_other_forms_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read_items(str(_file(tmp_path, "compose.yaml", text)))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "images", tmp_path / "missing", tmp_path):
        with pytest.raises(UsageError):
            read_items(str(path))
