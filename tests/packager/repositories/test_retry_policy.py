"""What a download decides: from answers that only a mock gives at will, and without any."""

from __future__ import annotations

import io
import time

import pytest
import requests_mock
from hypothesis import given
from hypothesis import strategies as st
from packager.base.errors import NotFound, ProtocolError
from packager.repositories import retry_policy
from packager.repositories.download import fetch
from packager.repositories.retry_policy import (
    Body,
    Policy,
    Refusal,
    Resumption,
    StartOver,
    TryAgain,
)
from requests.structures import CaseInsensitiveDict

URL = "https://repo.test/hello--1.0.tar"
POLICY = Policy(first_delay=0, longest_delay=0)


def fetched(**expected: object) -> bytes:
    file = io.BytesIO()
    fetch(URL, file, policy=POLICY, emit=lambda *_, **__: None, **expected)  # type: ignore[arg-type]
    return file.getvalue()


def test_a_redirect_may_not_leave_https() -> None:
    with requests_mock.Mocker() as mock:
        mock.get(URL, status_code=302, headers={"Location": "http://repo.test/hello--1.0.tar"})
        with pytest.raises(ProtocolError, match="from https to http"):
            fetched()
        assert mock.call_count == 1


def test_a_redirect_may_change_host_and_scheme_to_https() -> None:
    with requests_mock.Mocker() as mock:
        mock.get(URL, status_code=307, headers={"Location": "//cdn.test/x"})
        mock.get("https://cdn.test/x", content=b"tar")
        assert fetched() == b"tar"


def test_a_failure_behind_a_redirect_names_what_was_asked_for() -> None:
    with requests_mock.Mocker() as mock:
        mock.get(URL, status_code=302, headers={"Location": "https://cdn.test/x?key=secret"})
        mock.get("https://cdn.test/x", status_code=404)
        with pytest.raises(NotFound, match=r"^https://repo.test/hello--1.0.tar: .*404"):
            fetched()


def test_waits_double_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    answers = [{"status_code": 503}] * 3 + [{"status_code": 200, "content": b"tar"}]
    with requests_mock.Mocker() as mock:
        mock.get(URL, answers)
        file = io.BytesIO()
        fetch(URL, file, policy=Policy(first_delay=8), emit=lambda *_, **__: None)
    assert [4 <= waits[0] <= 8, 8 <= waits[1] <= 16, 15 <= waits[2] <= 30] == [True] * 3


def judged(status: int, *, offset: int = 0, validator: str = "", **headers: str) -> object:
    named = CaseInsensitiveDict({k.replace("_", "-"): v for k, v in headers.items()})
    resumption = Resumption(validator, 100) if validator else None
    return retry_policy.judge(status, "Said", named, offset=offset, resumption=resumption, now=0)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (judged(200, content_length="7"), Body(0, 7)),
        (judged(200, content_length="7, 7"), Body(0, None)),
        (judged(200, content_length="-7"), Body(0, None)),
        (judged(200, content_length="\u0667"), Body(0, None)),
        (judged(203), Body(0, None)),
        (
            judged(206, offset=60, validator='"a"', content_range="bytes 60-99/100"),
            Body(60, 100),
        ),
        (judged(206, offset=60, validator='"a"', content_range="bytes 60-99/*"), Body(60, 100)),
        (judged(206, offset=60, validator='"a"', content_range="bytes 60-98/100"), StartOver()),
        (judged(206, offset=60, validator='"a"', content_range="bytes 60-199/200"), StartOver()),
        (judged(206, offset=60, validator='"a"', content_range="bytes 59-99/100"), StartOver()),
        (judged(206, offset=60, validator='"a"', content_range="lines 60-99/100"), StartOver()),
        (
            judged(206, offset=60, validator='"a"', content_range="bytes 60-99/100", etag='"b"'),
            StartOver(),
        ),
        (judged(200, offset=60, validator='"a"', content_length="7"), Body(0, 7)),
        (judged(416, offset=60, validator='"a"'), StartOver()),
        (judged(503, retry_after="7"), TryAgain("the server answered 503 Said", 7.0)),
        (
            judged(503, retry_after="Thu, 01 Jan 1970 00:01:00 GMT"),
            TryAgain("the server answered 503 Said", 60.0),
        ),
        (judged(503, retry_after="soon"), TryAgain("the server answered 503 Said", None)),
        (judged(404), Refusal("not-found", "the server answered 404 Said")),
    ],
)
def test_judgements(verdict: object, expected: object) -> None:
    assert verdict == expected


@given(
    st.integers(100, 999),
    st.integers(0, 200),
    st.sampled_from(["", '"a"']),
    st.dictionaries(
        st.sampled_from(["Content-Range", "Content-Length", "ETag", "Retry-After"]), st.text()
    ),
)
def test_every_answer_is_judged(
    status: int, offset: int, validator: str, headers: dict[str, str]
) -> None:
    resumption = Resumption(validator, 100) if validator and offset else None
    verdict = retry_policy.judge(
        status,
        "",
        CaseInsensitiveDict(headers),
        offset=offset,
        resumption=resumption,
        now=0,
    )
    if isinstance(verdict, Body):
        assert verdict.start in (0, offset)
        assert status in (200, 203) or (resumption and status == 206)


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_back_off_is_bounded(attempt: int, jitter: float) -> None:
    assert 0.25 <= retry_policy.back_off(attempt, 0.5, 30, jitter) <= 30
