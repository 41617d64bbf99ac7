"""A repository with its keys, served on loopback, and a host that trusts some of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from packager.base.errors import DataError
from packager.repositories import configuration_file, key_files, tuf_signing
from packager.repositories.candidates import Opened, Repositories
from packager.repositories.index_build import index, opened
from packager.repositories.retry_policy import Policy
from securesystemslib.signer import CryptoSigner

from tests.support.repository_site import Site

QUICK = Policy(connect_timeout=2, read_timeout=2, retries=0, first_delay=0.001)


@dataclass
class World:
    """A repository with its keys, a host that believes them, and what it was told."""

    path: Path
    site: Site
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def repo(self) -> Path:
        return self.path / "repo"

    @property
    def metadata(self) -> Path:
        return self.repo / "metadata"

    def key(self, name: str) -> CryptoSigner:
        path = self.path / f"{name}.key"
        if not path.exists():
            key_files.make(str(path))
        return key_files.load(str(path))

    def public(self, *names: str) -> list[str]:
        return [key_files.word(self.key(name).public_key) for name in names]

    def sign(self, *names: str, days: int = 30) -> None:
        with opened(str(self.repo)) as top:
            made = index(top, lambda event, /, **fields: None)
            tuf_signing.sign(top, made.content, [self.key(each) for each in names], days=days)

    def trust(self, *names: str, **more: object) -> None:
        arguments: dict[str, object] = {
            "root_keys": None,
            "signing_keys": None,
            "threshold": None,
            "days": 365,
            **more,
        }
        with opened(str(self.repo)) as top:
            tuf_signing.trust(top, [self.key(each) for each in names], **arguments)  # type: ignore[arg-type]

    def publics(self, *names: str) -> list[object]:
        return [self.key(each).public_key for each in names]

    def read(self, *trusted: str, remember: bool = True, **more: object) -> Opened:
        """What a host sees that trusts these keys."""
        repository = configuration_file.Repository(
            "main",
            (self.site.url,),
            keys=tuple(w.removeprefix("ed25519:") for w in self.public(*(trusted or ("own",)))),
            **more,  # type: ignore[arg-type]
        )
        repositories = Repositories(
            (repository,),
            str(self.path / "root"),
            policy=QUICK,
            emit=lambda event, /, **fields: self.told.append((event, fields)),
            scratch=str(self.path) if remember else None,
        )
        return repositories.open(repository)

    @contextmanager
    def refused(self, reason: str, *trusted: str) -> Iterator[None]:
        """Inside it the repository is as an attacker made it."""
        yield
        with pytest.raises(DataError, match=reason):
            self.read(*trusted)

    def edit(self, name: str, change: Callable[[dict[str, object]], None]) -> None:
        path = self.metadata / name
        document = json.loads(path.read_bytes())
        change(document["signed"])
        path.write_text(json.dumps(document))
