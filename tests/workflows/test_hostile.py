"""Poisoned artifacts of a fork's pull request get a sentence."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

from markdown_it import MarkdownIt

from tests.support.handovers import zipped
from tests.workflows.conftest import MakeWorld
from tests.workflows.standin.actions import add_artifact

NASTY = (
    "@kronkers/everyone <img src=x onerror=alert(1)> ![x](https://evil.example/x.png) "
    "[click](javascript:alert(1)) https://evil.example `code` #1 </details> |cell| "
    "\u202eesrever\u202c \x1b[31m =HYPERLINK(1) <!-- kronkers verdict -->"
)


def manifest(model: str, head: str, base: str, **changes: Any) -> dict[str, Any]:
    """Of a job that failed, which needs no other file."""
    failure = {"step": "train", "file": None, "line": None, "message": "x", "advice": "y"}
    made = {
        "format": 1,
        "model": model,
        "language": "python",
        "head_sha": head,
        "base_sha": base,
        "source": "1" * 40,
        **dict.fromkeys(("fingerprint", "candidate", "bento", "bento_digest")),
        "files": {},
        "failure": failure,
        "seconds": {},
    }
    return {**made, **changes}


def nasty(model: str, head: str, base: str) -> bytes:
    failure = {"step": "train", "file": NASTY, "line": 3, "message": NASTY * 9, "advice": NASTY}
    return whole(manifest(model, head, base, failure=failure))


def whole(told: dict[str, Any], files: dict[str, bytes] | None = None) -> bytes:
    return zipped({**(files or {}), "manifest.json": json.dumps(told).encode()})


def link(model: str, head: str, base: str) -> bytes:
    target = io.BytesIO(whole(manifest(model, head, base)))
    with zipfile.ZipFile(target, "a") as archive:
        entry = zipfile.ZipInfo("params.yaml")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return target.getvalue()


def twice(model: str, head: str, base: str) -> bytes:
    content = whole(manifest(model, head, base), {"metrics.jsom": b"{}", "metrics.json": b"{}"})
    return content.replace(b"metrics.jsom", b"metrics.json")


def listed(content: bytes, claimed: bytes) -> Callable[[str, str, str], bytes]:
    """A file whose digest in the manifest is that of ``claimed``."""
    entry = {"sha256": hashlib.sha256(claimed).hexdigest(), "bytes": len(claimed)}

    def poison(model: str, head: str, base: str) -> bytes:
        told = manifest(model, head, base, files={"metrics.json": entry})
        return whole(told, {"metrics.json": content})

    return poison


def raw(text: bytes) -> Callable[[str, str, str], bytes]:
    return lambda *_names: zipped({"manifest.json": text})


def with_file(name: str) -> Callable[[str, str, str], bytes]:
    return lambda *names: whole(manifest(*names), {name: b"x"})


Poison = Callable[[str, str, str], bytes]
POISONS: dict[str, tuple[Poison, str]] = {
    "traversal": (with_file("../../../../tmp/x"), "is no file of a handover"),
    "absolute": (with_file("/etc/passwd"), "is no file of a handover"),
    "link": (link, "params.yaml in it is a link"),
    "twice": (twice, "it holds metrics.json twice"),
    "bomb": (with_file("bomb"), "is no file of a handover"),
    "huge": (listed(b" " * (1 << 26), b" "), "metrics.json in it is larger than"),
    "digest": (listed(b"[]", b"{}"), "is not what its manifest says"),
    "unlisted": (with_file("metrics.json"), "not listed in its manifest"),
    "binary": (raw(b"\xff\xfe"), "manifest.json is not valid"),
    "nested": (raw(b"[" * 100_000), "manifest.json is not valid"),
    "number": (raw(b'{"format": ' + b"9" * 9_999 + b"}"), "manifest.json is not valid"),
    "nan": (raw(b'{"format": NaN}'), "NaN is no number of JSON"),
    "no-zip": (lambda *_names: b"MZ" * 999, "it is not a whole zip file"),
    "other-commit": (lambda m, _h, b: whole(manifest(m, "2" * 40, b)), "another model or commit"),
    "other-model": (lambda _m, h, b: whole(manifest("twice", h, b)), "another model or commit"),
    "words": (nasty, "@\u200bkronkers/everyone"),
}


def test_each_kind_of_poisoned_artifact_is_refused_or_defused(make_world: MakeWorld) -> None:
    world = make_world(dict.fromkeys([*POISONS, "absent"], "python"))
    changes = {f"models/{name}/params.yaml": "train: {shrinkage: 0.1}\n" for name in POISONS}
    changes["models/absent/params.yaml"] = "train: {shrinkage: 0.1}\n"
    pull = world.open_pull("poison", {**changes}, fork=True)
    run = world.begin_pull_request(pull)
    run.document.update(status="completed", conclusion="success")
    for name, (poison, _said) in POISONS.items():
        content = poison(name, world.head(pull), world.main)
        add_artifact(world.github, run.id, f"handover-{name}", content)
    add_artifact(world.github, run.id, "verdict-" + world.head(pull), whole({"verdict": "pass"}))

    report = world.run_report(run)
    assert report.conclusion == "success"
    assert world.status(pull)["state"] == "failure"
    text = world.report(pull)
    assert f"{len(POISONS) + 1} of {len(POISONS) + 1} models must not go live" in text
    for name, (_poison, said) in POISONS.items():
        part = text[text.index(f"<summary><b>{name}</b>") :]
        assert said in part[: part.index("</details>")], name
    assert "Its job handed nothing over" in text
    for word in ("<img", "![x]", "[click](", "https://evil", "\u202e", "\x1b", "@kronkers", " #1"):
        assert word not in text, word
    shown = MarkdownIt("commonmark").enable("table").render(text)
    links = re.findall(r'(?:href|src)="([^"]+)"', shown)
    assert links
    assert {each for each in links if not each.startswith((world.url, "https://cml.dev/"))} == set()
    assert text.count("</details>") == text.count("<details")
    assert len(text) < 60_000
