"""A container engine that speaks Docker's API: Docker, or podman's service."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.images.bases import untagged
from ci.images.ssh import is_far, machine_of, reached

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ci.images.recipes import Recipe

RECIPE_LABEL = "mlops.recipe"
CONTAINERFILE = "Containerfile"
DEFAULT_HOST = "unix:///var/run/docker.sock"
ANSWER_SECONDS = 1800
FILE_MODE = 0o644
TAIL_CHARACTERS = 20_000
NO_ENGINE = (
    "No container engine answers at {host}: start Docker, or type `podman system service --time=0 "
    "unix:///tmp/engine.sock &` and `export DOCKER_HOST=unix:///tmp/engine.sock`; then try again."
)


class Engine:
    """The engine at ``host``; without it, the one that DOCKER_HOST names, else Docker's own."""

    def __init__(self, client: Any, host: str | None = None) -> None:
        self._client, self._host = client, host

    def find(self, recipe: Recipe) -> Any | None:
        """The image that was built from exactly this recipe."""
        with answering(host=self._host):
            label = f"{RECIPE_LABEL}={recipe.key}"
            images = self._client.images.list(filters={"label": label})
            if not images:
                return None
            self._tag(images[0], recipe.tag)
            return self._client.images.get(images[0].id)

    def build(self, recipe: Recipe, log: Path) -> Any:
        """The image of ``recipe``; what the engine says of it goes to ``log``.

        Raises:
            MlopsError: ``image_failed`` where a step fails, ``no_engine``.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with answering(host=self._host), tempfile.TemporaryFile() as context, log.open("w") as file:
            write_context(context, recipe)
            context.seek(0)
            said = self._client.api.build(
                fileobj=context,
                custom_context=True,
                dockerfile=CONTAINERFILE,
                tag=recipe.tag,
                rm=True,
                forcerm=True,
                decode=True,
            )
            problem = _follow(said, file)
            if problem:
                raise MlopsError(
                    "image_failed",
                    f"The image {recipe.name} could not be built: {problem}; all that was said is "
                    f"in {log}.",
                )
            return self._client.images.get(recipe.tag)

    def output(self, image: Any, command: Sequence[str]) -> bytes:
        """What ``command`` prints in a container of ``image`` that is cut off and thrown away.

        Raises:
            MlopsError: ``image_failed`` where it fails, ``no_engine`` or ``engine_refused``.
        """
        entry, *arguments = command
        with answering(host=self._host):
            printed = self._client.containers.run(
                image.id, arguments, entrypoint=[entry], network_mode="none", remove=True
            )
        return bytes(printed)

    def digest_of(self, name: str) -> str:
        """The digest that ``name`` has in its registry now.

        Raises:
            MlopsError: ``no_engine``, or ``engine_refused`` where the registry can't be asked or
                does not know it.
        """
        with answering(f"look up {name}", self._host):
            return self._registry_digest(name)

    def push(self, image_id: str, name: str, login: tuple[str, str]) -> str:
        """Push an image as ``name`` (REGISTRY/PATH:TAG); returns the digest the registry gave it.

        Args:
            image_id: the engine's id of the image.
            name: what it is called there.
            login: user and password; an engine keeps neither.

        Raises:
            MlopsError: ``push_refused`` in the registry's own words; ``no_engine``.
        """
        repository, tag = name.rsplit(":", 1)
        digest, problem = "", ""
        with answering(f"push {name}", self._host):
            self._client.images.get(image_id).tag(repository, tag)
            auth = dict(zip(("username", "password"), login, strict=True))
            push = self._client.api.push
            for message in push(repository, tag, stream=True, auth_config=auth, decode=True):
                problem = message.get("error") or problem
                digest = _digest_in(message) or digest
        if problem or not digest:
            words = " ".join(problem.split()).rstrip(".") or "it named no digest"
            raise MlopsError("push_refused", f"The registry did not take {name}: {words}.")
        return digest

    def _registry_digest(self, name: str) -> str:
        from docker.errors import APIError

        try:
            return str(self._client.images.get_registry_data(name).id)
        except APIError:  # podman has no such call
            tag = name.removeprefix(untagged(name)).removeprefix(":")
            repository = untagged(name)
            image = self._client.images.pull(repository, tag or "latest")
            found = [each.partition("@") for each in image.attrs["RepoDigests"]]
            return str(next(digest for name, _, digest in found if name.endswith(repository)))

    def _tag(self, image: Any, tag: str) -> None:
        if tag not in image.tags:
            image.tag(*tag.rsplit(":", 1))


def connect() -> Engine:
    """The engine.

    Raises:
        MlopsError: ``no_engine`` where none answers.
    """
    import docker

    host = _host()
    with answering():
        if is_far(host):
            client = docker.DockerClient(base_url=reached(host), timeout=ANSWER_SECONDS)
        else:
            client = docker.from_env(timeout=ANSWER_SECONDS)
        client.ping()
        return Engine(client)


@contextmanager
def answering(what: str = "do it", host: str | None = None) -> Iterator[None]:
    """Say in one sentence that the engine at ``host`` does not answer, or did not ``what``."""
    import requests
    import urllib3
    from docker.errors import APIError, ContainerError, DockerException

    try:
        yield
    except ContainerError as error:
        lines = bytes(error.stderr or b"").decode(errors="replace").strip().splitlines()
        text = lines[-1] if lines else f"exit code {error.exit_status}"
        raise MlopsError("image_failed", f"A program failed in an image: {text}") from None
    except APIError as error:
        raise MlopsError(
            "engine_refused", f"The container engine could not {what}: {_words(error)}."
        ) from None
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _no_engine(host or _host()) from error


def _no_engine(host: str) -> MlopsError:
    if is_far(host):
        return MlopsError(
            "no_engine",
            f"No container engine answers at {host}: start Docker, or podman's service, on that "
            f"machine, and make sure that {machine_of(host)} may open its socket.",
        )
    return MlopsError("no_engine", NO_ENGINE.format(host=host))


def write_context(target: Any, recipe: Recipe) -> None:
    """Write the tar that the engine builds from: the same files give the same bytes."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, CONTAINERFILE, _labelled(recipe).encode())
        for name, content in sorted(recipe.files.items()):
            if isinstance(content, bytes):
                _add(archive, name, content)
                continue
            for path in sorted(p for p in content.rglob("*") if p.is_file()):
                _add(archive, f"{name}/{path.relative_to(content).as_posix()}", path.read_bytes())


def _labelled(recipe: Recipe) -> str:
    """The text with its labels as one step: given as options, each would be a layer."""
    labels = {**recipe.labels, RECIPE_LABEL: recipe.key}
    # A Containerfile's quoted words end as JSON's do, and a dollar sign would begin a variable.
    words = [
        f"{name}={json.dumps(value, ensure_ascii=False)}".replace("$", "\\$")
        for name, value in sorted(labels.items())
    ]
    return f"{recipe.text}LABEL {' '.join(words)}\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), FILE_MODE
    archive.addfile(entry, io.BytesIO(content))


def _follow(said: Iterator[dict[str, Any]], log: Any) -> str | None:
    """Write down what the engine says; the cause of its error, if it ends with one."""
    problem, tail = "", ""
    for message in said:
        text = str(message.get("stream") or message.get("error") or "")
        log.write(text)
        tail = (tail + text)[-TAIL_CHARACTERS:]
        problem = message.get("error") or problem
    return " ".join((_cause(tail) or problem).split()).rstrip(".") if problem else None


def _digest_in(message: dict[str, Any]) -> str:
    """The digest that the last message of a push names."""
    aux = message.get("aux") or {}
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", str(message.get("status") or ""))
    return str(aux.get("Digest") or (found[1] if found else ""))


def _cause(tail: str) -> str | None:
    """The first line in which a program of the last step says what it could not do."""
    step = re.split(r"^STEP |^Step ", tail, flags=re.MULTILINE)[-1]
    found = re.search(r"^(E: |ERROR: |\w*Error: ).*$", step, re.MULTILINE)
    return found[0] if found else None


def _host() -> str:
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def _words(error: Any) -> str:
    text = str(error.explanation or error)
    with suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["message"]
    return " ".join(text.split()).rstrip(".")
