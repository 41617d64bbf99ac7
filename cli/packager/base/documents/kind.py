"""What kind of document it is, for messages."""

from __future__ import annotations


class DocumentKind:
    """noun: "profile"; plural: "profiles". extra: that of mesos-packager which has the libraries
    to read them."""

    __slots__ = ("extra", "noun", "plural")

    def __init__(self, noun: str, plural: str, *, extra: str) -> None:
        self.noun = noun
        self.plural = plural
        self.extra = extra
