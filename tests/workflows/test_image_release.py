"""With IMAGE_REGISTRY set, a release has an image in it; a registry that refuses stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.github.context import Context
from ci.release.image import login, registry
from tests.support.stand_in_engine import stand_in
from tests.workflows.test_merge import MODEL, deployment_issues, shrink, state
from tests.workflows.world import World

REGISTRY = "registry.example/kronkers/models"
# Images that the engine has: none is built here.
BASES = "bases:\n" + "".join(
    f"  {language}: sha256:{'0' * 64}\n" for language in ("python", "r", "julia")
)


@pytest.mark.long
def test_a_release_names_its_image_by_digest_and_a_refusal_leaves_the_old_version(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world.github.collaborators = {"alice": "admin"}
    folder = tmp_path_factory.mktemp("engine")
    with stand_in(folder) as engine:
        engine.passwords["robot"] = "right"
        world.runner.environment["DOCKER_HOST"] = engine.host
        world.variables.update(IMAGE_REGISTRY=REGISTRY, IMAGE_REGISTRY_USERNAME="robot")
        world.secrets.update(IMAGE_REGISTRY_PASSWORD=engine.passwords["robot"])
        world.commit({**shrink(0.01), "policies/images.yaml": BASES})
        (run,) = world.run_push()
        assert run.conclusion == "success", run.log
        release = state(world, f"released/{MODEL}.json")
        name = f"{REGISTRY}/{MODEL}"
        assert list(engine.pushed) == [name]
        assert release["image"] == f"{name}@{engine.pushed[name]}"
        (shown,) = [r for r in world.github.releases.values() if r["tag_name"] == f"{MODEL}/v1"]
        assert f"Image: `{release['image']}`" in shown["body"]

        engine.passwords["robot"] = "another"
        world.commit(shrink(0.02))
        (run,) = world.run_push()
        assert run.conclusion == "failure"
        assert state(world, f"released/{MODEL}.json")["version"] == 1
        (issue,) = deployment_issues(world)
        assert f"The registry did not take {name}" in issue["body"].replace("\\", "")
        assert "requested access to the resource is denied" in issue["body"]

        world.variables["IMAGE_REGISTRY"] = ""
        world.rerun(run)
        assert run.conclusion == "success", run.log
        assert state(world, f"released/{MODEL}.json")["version"] == 2
        assert state(world, f"released/{MODEL}.json")["image"] is None
        assert issue["state"] == "closed"


@pytest.mark.parametrize(
    ("into", "given", "said"),
    [
        ("ghcr.io/kronkers/models", {}, ("alice", "token")),
        ("ghcr.io/kronkers/models", {"IMAGE_REGISTRY_PASSWORD": "own"}, ("alice", "own")),
        ("ghcr.io.example/kronkers", {}, "is no registry of GitHub"),
        ("registry.example/kronkers", {}, "set the secret IMAGE_REGISTRY_PASSWORD"),
    ],
)
def test_the_runs_token_goes_to_githubs_registry_only(
    into: str,
    given: dict[str, str],
    said: tuple[str, str] | str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("IMAGE_REGISTRY_USERNAME", raising=False)
    monkeypatch.delenv("IMAGE_REGISTRY_PASSWORD", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    context = Context(
        repository="kronkers/mlops",
        api_url="",
        server_url="",
        token="token",  # noqa: S106 (none)
        event={},
        event_name="push",
        sha="",
        ref="",
        actor="alice",
        run_id=1,
        run_attempt=1,
        workspace=tmp_path,
        temp=tmp_path,
    )
    if isinstance(said, tuple):
        assert login(context, into) == said
    else:
        with pytest.raises(MlopsError, match=said):
            login(context, into)


@pytest.mark.parametrize(
    "name", ["ghcr.io", "https://ghcr.io/a", "ghcr.io/Kronkers", "a b/c", "/x"]
)
def test_a_registry_that_is_written_otherwise_is_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_REGISTRY", name)
    with pytest.raises(MlopsError, match="write it as ghcr"):
        registry()
    monkeypatch.setenv("IMAGE_REGISTRY", "ghcr.io/kronkers/models")
    assert registry() == "ghcr.io/kronkers/models"
    monkeypatch.setenv("IMAGE_REGISTRY", "")
    assert registry() is None
