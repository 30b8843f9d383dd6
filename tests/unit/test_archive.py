"""A Bento as one file, and archives made to do harm."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.package.archive import pack, unpack


def bento(root: Path) -> Path:
    (root / "src" / "model").mkdir(parents=True)
    (root / "bento.yaml").write_text("name: x\n")
    (root / "src" / "model" / "a.bin").write_bytes(bytes(range(256)))
    return root


def archive_of(path: Path, *entries: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w") as opened:
        for entry in entries:
            entry.size = len(content) if entry.isreg() else 0
            opened.addfile(entry, io.BytesIO(content))
    return path


def test_what_was_packed_comes_back_and_packs_to_the_same_bytes(tmp_path: Path) -> None:
    pack(bento(tmp_path / "one"), tmp_path / "one.tar")
    unpack(tmp_path / "one.tar", tmp_path / "two")
    pack(tmp_path / "two", tmp_path / "two.tar")
    assert (tmp_path / "two" / "src" / "model" / "a.bin").read_bytes() == bytes(range(256))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        entry("../outside"),
        entry("/outside"),
        entry("a/../../outside"),
        entry("a//b"),
        entry("a\\b"),
        entry("a\nb"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("link", tarfile.LNKTYPE, "ok"),
        entry("device", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
        entry("folder", tarfile.DIRTYPE),
        entry(f"{'a/' * 50}b"),
        entry("ok"),  # a second time
    ],
    ids=lambda each: repr(each.name) + each.type.decode(),
)
def test_a_hostile_entry_is_refused_and_nothing_is_left(
    tmp_path: Path, hostile: tarfile.TarInfo
) -> None:
    archive = archive_of(tmp_path / "x.tar", entry("ok"), hostile)
    (tmp_path / "into").mkdir()
    with pytest.raises(MlopsError) as caught:
        unpack(archive, tmp_path / "into" / "bento")
    assert caught.value.code == "bad_archive"
    assert list((tmp_path / "into").iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_too_many_bytes_are_refused_before_they_are_written(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "x.tar", entry("a"), entry("b"), content=b"x" * 600)
    with pytest.raises(MlopsError, match="larger"):
        unpack(archive, tmp_path / "bento", limit_bytes=1000)


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b" + b"0" * 1000])
def test_no_archive_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(MlopsError, match=r"x\.tar"):
        unpack(tmp_path / "x.tar", tmp_path / "bento")
    assert not (tmp_path / "bento").exists()


def test_a_cut_off_archive(tmp_path: Path) -> None:
    pack(bento(tmp_path / "one"), tmp_path / "one.tar")
    whole = (tmp_path / "one.tar").read_bytes()
    (tmp_path / "one.tar").write_bytes(whole[:700])
    with pytest.raises(MlopsError):
        unpack(tmp_path / "one.tar", tmp_path / "two")
    assert not (tmp_path / "two").exists()
