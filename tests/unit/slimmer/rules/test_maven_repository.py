"""What Maven resolves in a local repository when another phase comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cntr_slimmer.rules.maven_repository import MavenRepository

from tests.unit.slimmer.rules.trees import ask, plant

REPOSITORY = "root/.m2/repository"
PLUGINS = "org.apache.maven.plugins"
JUNIT = "<groupId>x</groupId><artifactId>junit</artifactId>"
TEST_ONLY = f"<dependency>{JUNIT}<scope>test</scope></dependency>"
ENTITIES = "<!DOCTYPE p [<!ENTITY a 'b'>]><project>&a;</project>"


def pom(group: str, name: str, *needs: str, extra: str = "") -> dict[str, str]:
    """A POM with its JARs; what it needs are names in the same group, the first of them its parent."""
    fields = [f"<groupId>{group}</groupId><artifactId>{other}</artifactId>" for other in needs]
    text = f"<parent>{fields[0]}</parent>" if fields else f"<groupId>{group}</groupId>"
    text += "<dependencies>" + "".join(f"<dependency>{each}</dependency>" for each in fields[1:]) + extra
    place = f"{REPOSITORY}/{group.replace('.', '/')}/{name}/1/{name}-1"
    project = f'<project xmlns="http://maven.apache.org/POM/4.0.0">{text}</dependencies></project>'
    return {f"{place}.pom": project, f"{place}.jar": "", f"{place}-native.jar": "", f"{place}-sources.jar": ""}


def test_the_plugins_of_mavens_other_phases(tmp_path: Path) -> None:
    wanted = {
        **pom(PLUGINS, "maven-jar-plugin", "maven-plugins", "archiver", extra=TEST_ONLY),
        **pom(PLUGINS, "maven-plugins"),
        **pom(PLUGINS, "archiver", "maven-plugins"),
    }
    plant(tmp_path, {**wanted, **pom("example", "used"), **pom("x", "junit"), **pom("example", "other")})
    kept = ask(tmp_path, [MavenRepository()], [f"/{REPOSITORY}/example/used/1/used-1.pom"])
    assert set(kept) == {f"/{path}" for path in wanted if not path.endswith("-sources.jar")}
    assert not ask(tmp_path, [MavenRepository()], [f"/{REPOSITORY}/example/used/1/used-1.jar"])


def test_a_dependency_may_lie_in_another_group(tmp_path: Path) -> None:
    needs = "<dependency><groupId>a.b</groupId><artifactId>c</artifactId></dependency>"
    other = pom("a.b", "c")
    plant(tmp_path, {**pom(PLUGINS, "x", extra=needs), **other, "a/b/c/elsewhere.pom": "<project/>"})
    used = ["/a/b/c/elsewhere.pom", f"/{REPOSITORY}/org/apache/maven/plugins/x/1/x-1.pom"]
    kept = ask(tmp_path, [MavenRepository()], used)
    assert {f"/{path}" for path in other if not path.endswith("-sources.jar")} <= set(kept)


@pytest.mark.parametrize("text", ["<project", ENTITIES, "<a>" * 100_000, "\0", ""])
def test_a_hostile_pom_names_nothing(tmp_path: Path, text: str) -> None:
    hostile = f"{REPOSITORY}/org/apache/maven/plugins/x/1/x-1.pom"
    plant(tmp_path, {**pom("example", "used"), hostile: text})
    assert set(ask(tmp_path, [MavenRepository()], [f"/{REPOSITORY}/example/used/1/used-1.pom"])) == {f"/{hostile}"}
    assert not ask(tmp_path, [MavenRepository()], [f"/{hostile}"])
