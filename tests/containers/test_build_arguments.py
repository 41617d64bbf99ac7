"""What a build is told of the network that this machine is in."""

from __future__ import annotations

from pathlib import Path

import pytest
from agentsim.containers.build_arguments import TooLong, build_arguments


@pytest.mark.parametrize("spelled", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_is_told_in_both_spellings(spelled: str) -> None:
    url = "http://proxy.example:3128"
    found = build_arguments({spelled: url, "NO_PROXY": ""}, {}, [])
    assert found == {"HTTP_PROXY": url, "http_proxy": url}


def test_spellings_that_differ_stay_as_they_are() -> None:
    given = {"HTTPS_PROXY": "http://one.example", "https_proxy": "http://other.example"}
    assert build_arguments(given, {}, []) == given


def test_an_index_of_the_environment_comes_before_that_of_the_configuration() -> None:
    configured = {"global.index-url": "https://a.example/simple", "global.trusted-host": "a"}
    found = build_arguments({"PIP_INDEX_URL": "https://b.example/simple"}, configured, [])
    assert found == {"PIP_INDEX_URL": "https://b.example/simple", "PIP_TRUSTED_HOST": "a"}


def test_certificates_are_told_one_after_the_other_if_they_are_not_too_many(tmp_path: Path) -> None:
    files = [tmp_path / "a.crt", tmp_path / "b.crt"]
    for file in files:
        file.write_text(f"{file.name}\n")
    assert build_arguments({}, {}, files) == {"CA_CERTIFICATES": "a.crt\nb.crt\n"}
    files[0].write_text("x" * 140_000)
    with pytest.raises(TooLong, match="--ca-file"):
        build_arguments({}, {}, files)
