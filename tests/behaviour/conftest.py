# SPDX-License-Identifier: MIT
"""Fixtures of the behaviour tests alone."""

from __future__ import annotations

import pytest

from tests.certificates import OPENSSL, Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """An authority and what it signed, made once."""
    if OPENSSL is None:
        pytest.skip("the command openssl is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["client", "server"])
def side(request) -> str:
    """Which end of a TLS connection the loop under test is."""
    return request.param


@pytest.fixture(params=["1.2", "1.3"])
def version(request) -> str:
    """Both versions of TLS in use."""
    return request.param
