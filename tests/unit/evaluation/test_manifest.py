"""The manifest of the corpus: complete, made of probes, and each image has a recipe that can be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cntr_slimmer.probes.spec import Script

from evaluation.corpus.recipes import lineage, read
from evaluation.groups import BEYOND, Group, group_of
from evaluation.manifest import ORIGINS, Entry, entries, probes

_ALL = entries(group=Group.ALL)
_FIFTY = """
    nginx alpine busybox ubuntu redis python postgres httpd memcached node mongo traefik mysql mariadb docker rabbitmq
    hello-world registry openjdk golang centos wordpress consul influxdb nextcloud php haproxy debian ruby elasticsearch
    sonarqube eclipse-mosquitto telegraf maven tomcat vault adminer amazonlinux ghost bash buildpack-deps perl logstash
    neo4j couchdb zookeeper cassandra swarm kibana jenkins
"""


def _workloads(entry: Entry) -> Iterator[tuple[str, ...]]:
    yield from (entry.minimal, entry.broad, entry.check)
    for variant in entry.variants:
        yield variant.broad
        yield variant.check


def test_the_corpus_is_the_fifty() -> None:
    assert sorted(entry.name for entry in entries()) == sorted(_FIFTY.split())


def test_a_group_beyond_the_fifty_is_counted_by_itself() -> None:
    found = {group: [entry.name for entry in entries(group=group)] for group in Group}
    assert (len(found[Group.ML]), len(found[Group.FUNCTIONS])) == (4, 10)
    apart = [name for group in (Group.FIFTY, *BEYOND) for name in found[group]]
    assert sorted(apart) == sorted(found[Group.ALL])
    assert [entry.name for entry in entries(["pytorch", "nginx"])] == ["pytorch", "nginx"], "names are of all groups"


@pytest.mark.parametrize("entry", _ALL, ids=lambda entry: entry.name)
def test_each_step_is_a_probe(entry: Entry, tmp_path: Path) -> None:
    for workload in _workloads(entry):
        for probe in probes(workload, str(tmp_path)):
            assert not isinstance(probe, Script) or os.access(probe.file, os.X_OK), probe


@pytest.mark.parametrize("entry", _ALL, ids=lambda entry: entry.name)
def test_what_is_checked_was_never_asked_before(entry: Entry) -> None:
    assert entry.minimal
    assert not set(entry.check) & {*entry.minimal, *entry.broad}
    # A program that only greets has nothing more to check than other ways to start it.
    assert sum(len(workload) for workload in list(_workloads(entry))[2:]) >= (2 if entry.name == "hello-world" else 5)
    assert len(entry.broad) >= (0 if entry.name == "hello-world" else 2)


@pytest.mark.parametrize("entry", _ALL, ids=lambda entry: entry.name)
def test_each_image_says_what_it_is_and_has_a_recipe(entry: Entry) -> None:
    place = "library" if group_of(entry.kind) is Group.FIFTY else entry.kind
    assert entry.official == f"{place}/{entry.name}"
    assert entry.origin in ORIGINS and entry.software
    for name in lineage(entry.recipe):
        assert read(name).layers or read(name).parent or read(name).base == "debian"
        for layer in read(name).layers:
            assert not layer.copy or os.path.isdir(layer.copy)


def test_a_step_written_in_place_is_one_program(tmp_path: Path) -> None:
    first, second, other = probes(["sh:exit 0", "sh:exit 0", "sh:exit 1"], str(tmp_path))
    assert first == second != other
    assert len(list(tmp_path.iterdir())) == 2


def test_an_image_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="no image nothing"):
        entries(["nothing"])
