"""The image: built on a bare Debian, and what contrib/compose.yaml starts runs over a root without writes."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contrib.test_compose import BESIDE, SERVING, composed
from tests.programs import required
from tests.system.bare_machine import ROOT, run
from tests.system.clusters import Cluster, Database, a_cluster
from tests.system.debian import Debian
from tests.system.postgres import until

pytestmark = pytest.mark.system

USER: Final = 10001
MEGABYTES: Final = 180  # that docs/deployment.md promises
UNCHECKED: Final = (1).to_bytes(4, "little")  # https://peps.python.org/pep-0552/
SECRETS: Final = {name: secrets.token_urlsafe(48) for name in ("secret-key", "key-pepper")}

Command = Callable[[str], tuple[str, dict[str, str]]]


@dataclass(frozen=True)
class Buildah:
    """With images of its own below a directory. `driver`: how it keeps them."""

    place: Path
    driver: str

    def run(self, *arguments: str | Path) -> str:
        own = ("--root", self.place / "storage", "--runroot", self.place / "run")
        return run("buildah", *own, "--storage-driver", self.driver, *arguments)


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    required("buildah")
    place = tmp_path_factory.mktemp("buildah")
    place.chmod(0o755)
    made = Buildah(place, "overlay" if has_overlays(place) else "vfs")
    yield made
    made.run("umount", "--all")
    run("rm", "-rf", place)


def has_overlays(place: Path) -> bool:
    """Whether one can lie over what is here, which saves a copy of all files for each step of a build."""
    for name in ("lower", "upper", "work", "merged"):
        (place / name).mkdir()
    options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
    mount = ("unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, place / "merged")
    return subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="module")
def image(buildah: Buildah, bare_debian: Debian) -> str:
    """Its name."""
    base = buildah.run("from", "scratch").strip()
    buildah.run("copy", "--quiet", base, bare_debian.root, "/")
    buildah.run("commit", "--quiet", "--rm", base, "localhost/base")
    how = ("--isolation", "chroot", "--format", "docker", "--build-arg", "BASE=localhost/base")
    file = ROOT / "contrib/image/Containerfile"
    buildah.run("bud", "--quiet", *how, "-t", "localhost/lookout", "-f", file, ROOT)
    return "localhost/lookout"


@pytest.fixture(scope="module")
def configuration(buildah: Buildah, image: str) -> dict[str, Any]:
    """What the image says of itself."""
    told = json.loads(buildah.run("inspect", "--type", "image", image))
    return dict(told["Docker"]["config"])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with a_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Database:
    return cluster.database("contained", "ENCODING 'UTF8' LOCALE 'C.UTF-8'")


@pytest.fixture(scope="module")
def container(buildah: Buildah, image: str, database: Database) -> Debian:
    """One of the image, with the secrets of contrib/compose.yaml in place; only /tmp can be written."""
    made = buildah.run("from", image).strip()
    root = Path(buildah.run("mount", made).strip())
    place = root / "run/secrets"
    place.mkdir(parents=True, exist_ok=True)
    urls = {"database-url": database.url("lookout"), "database-owner-url": database.url("lookout_owner")}
    for name, text in (SECRETS | urls).items():
        (place / name).write_text(text)
        (place / name).chmod(0o444)
    return Debian(root, shown=(database.home,), read_only=True)


@pytest.fixture
def command(configuration: dict[str, Any]) -> Command:
    """What a container of this service runs, and its environment."""
    own = dict(each.split("=", 1) for each in configuration["Env"])

    def of(service: str) -> tuple[str, dict[str, str]]:
        told = composed()[service]
        return shlex.join([*configuration["Entrypoint"], *told["command"]]), own | told["environment"]

    return of


def test_what_the_image_says_of_itself(configuration: dict[str, Any]) -> None:
    assert configuration["User"] == "10001:10001"
    assert configuration["Entrypoint"] == ["tini", "--", "lookout"]
    assert configuration["Healthcheck"]["Test"] == ["CMD", "healthy"]


def test_it_adds_little_to_its_base(container: Debian) -> None:
    assert int(run("du", "-sm", container.root / "opt/lookout").split()[0]) < MEGABYTES


def test_python_finds_everything_compiled_and_does_not_look_at_the_sources(container: Debian) -> None:
    """So that a process starts in half the time, over a root without writes."""
    for source in (container.root / "opt/lookout/site").rglob("*.py"):
        (compiled,) = source.parent.glob(f"__pycache__/{source.stem}.*.pyc")
        assert compiled.read_bytes()[4:8] == UNCHECKED


def test_it_migrates_and_prints_the_first_code(container: Debian, command: Command) -> None:
    line, environment = command("migrate")
    assert "Applying devices.0001" in container.run(line, USER, environment)
    line, environment = command("first-code")
    assert len(container.run(line, USER, environment).split()[-1]) > 4
    check = "tini -- lookout check --deploy --database default --fail-level WARNING"
    assert "no issues" in container.run(check, USER, environment | {"SSL_REDIRECT": "1"})


@pytest.mark.parametrize("service", SERVING)
def test_it_serves_is_healthy_and_ends(container: Debian, command: Command, service: str) -> None:
    line, environment = command(service)
    steps = (
        f"{line} & served=$!",
        "for _ in $(seq 120); do healthy 2>/dev/null && break; kill -0 $served || exit 1; sleep 0.5; done",
        "healthy || exit 1; kill $served; wait $served; [ $? = 143 ] || [ $? = 0 ]",
    )
    container.run("\n".join(steps), USER, environment)


@pytest.mark.parametrize("service", BESIDE)
def test_what_runs_beside_finds_its_database(
    container: Debian, command: Command, cluster: Cluster, service: str
) -> None:
    line, environment = command(service)
    busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'lookout'"
    with subprocess.Popen(container.inside(f"exec {line}", USER, environment)) as process:
        try:
            until(lambda: cluster.value(busy) != 0)
        finally:
            process.kill()
            process.wait(60)
    until(lambda: cluster.value(busy) == 0)
