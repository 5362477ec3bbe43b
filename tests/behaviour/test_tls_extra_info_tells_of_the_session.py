# SPDX-License-Identifier: MIT
"""get_extra_info of a TLS transport, and the transport's plain attributes."""

import asyncio
import ssl

import pytest

from tests.certificates import NAME
from tests.tls import contexts, secured, talk
from tests.tools import PY, Recorder, run_until


def test_what_a_client_knows(loop, certificates, version):
    context, _ = contexts(certificates, "client", version)
    with secured(loop, certificates, near=context, version=version) as (transport, _, peer):
        info = transport.get_extra_info
        assert info("sslcontext") is context
        tls = info("ssl_object")
        assert type(tls) is ssl.SSLObject and tls.context is context
        assert not tls.server_side and tls.server_hostname == NAME
        assert tls.version() == f"TLSv{version}"
        assert info("cipher") == tls.cipher() == peer.tls.cipher()
        assert info("compression") is None
        assert info("peercert") == tls.getpeercert()
        assert ("DNS", NAME) in info("peercert")["subjectAltName"]
        assert tls.getpeercert(binary_form=True)


def test_what_a_server_knows(loop, certificates, version):
    context, _ = contexts(certificates, "server", version)
    parts = secured(loop, certificates, side="server", near=context, version=version)
    with parts as (transport, _, peer):
        info = transport.get_extra_info
        assert info("sslcontext") is context
        assert info("ssl_object").server_side
        assert info("ssl_object").version() == peer.tls.version()
        assert info("cipher") == peer.tls.cipher()
        assert not info("peercert")  # it asked for none
        assert info("compression") is None


def test_what_it_tells_of_the_socket(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, _, peer):
        info = transport.get_extra_info
        assert info("peername") == peer.sock.getsockname()
        assert info("sockname") == peer.sock.getpeername()
        assert info("socket").fileno() >= 0
        assert info("nothing of the kind") is None
        assert info("nothing of the kind", 7) == 7


def test_in_connection_made_everything_is_known(loop, certificates, side):
    seen = {}

    class Asks(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            for name in ("ssl_object", "cipher", "sslcontext", "peername", "socket"):
                seen[name] = transport.get_extra_info(name)

    with secured(loop, certificates, side=side, protocol=Asks()):
        assert all(value is not None for value in seen.values()), seen


def test_what_kind_of_transport_it_is(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, _):
        assert isinstance(transport, asyncio.Transport)
        assert transport.get_protocol() is protocol
        assert transport.can_write_eof() is False
        assert not transport.is_closing() and transport.is_reading()
        assert transport._start_tls_compatible is True
        assert transport._sendfile_compatible.name == "FALLBACK"


def test_after_the_end_it_still_tells(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, protocol, peer):
        transport.close()
        talk(loop, peer, lambda: peer.notified or peer.ended)
        peer.sock.close()
        run_until(loop, lambda: protocol.lost)
        assert transport.is_closing()
        assert transport.get_extra_info("sslcontext") is not None


def test_write_eof_is_not_for_tls(loop, certificates, side):
    with secured(loop, certificates, side=side) as (transport, _, peer):
        with pytest.raises(NotImplementedError):
            transport.write_eof()
        transport.write(b"still open")
        talk(loop, peer, lambda: peer.data == b"still open")


def test_the_private_names_that_tools_read(loop, certificates):
    """aiohttp and uvicorn's users reach through a TLS transport to what lies below."""
    context, _ = contexts(certificates, "client", None)
    with secured(loop, certificates, near=context) as (transport, protocol, _peer):
        below = transport._ssl_protocol
        assert below._app_protocol is protocol and below._app_transport is transport
        assert transport._loop is loop and below._loop is loop
        assert below._transport.get_extra_info("socket") is not None
        assert below._extra["sslcontext"] is context
        below._extra = {**below._extra, "mark": 17}
        assert transport.get_extra_info("mark") == 17


def test_the_stream_below_may_be_given_its_protocol_once_more(loop, certificates):
    with secured(loop, certificates) as (transport, protocol, peer):
        below = transport._ssl_protocol._transport
        own = below.get_protocol()
        below.set_protocol(own)
        below.set_protocol(Recorder())
        below.set_protocol(own)
        peer.send(b"in")
        transport.write(b"out")
        talk(loop, peer, lambda: protocol.data == b"in" and peer.data == b"out")
        transport.abort()
        run_until(loop, lambda: protocol.lost)


@pytest.mark.skipif(PY < (3, 13), reason="asyncio's has another signature before")
def test_it_is_closed_by_force_once(loop, certificates):
    context, _ = contexts(certificates, "client", None)
    with secured(loop, certificates, near=context) as (transport, protocol, _peer):
        error = OSError("by hand")
        transport._force_close(error)
        run_until(loop, lambda: protocol.lost)
        assert protocol.error is error
        transport._force_close(None)
        assert protocol.names.count("lost") == 1


def test_debug_mode_tells_of_the_handshake(loop, certificates, caplog):
    caplog.set_level("DEBUG", logger="asyncio")
    loop.set_debug(True)
    context, _ = contexts(certificates, "client", None)
    with secured(loop, certificates, near=context):
        told = [record.getMessage() for record in caplog.records]
    assert sum("starts SSL handshake" in text for text in told) == 1
    assert sum("SSL handshake took" in text and text.endswith(" ms") for text in told) == 1


def test_what_tests_of_asyncio_put_into_the_backlog(loop, certificates):
    context, _ = contexts(certificates, "client", None)
    with secured(loop, certificates, near=context) as (transport, _protocol, peer):
        transport._test__append_write_backlog(b"before ")
        transport.write(b"after")
        run_until(loop, lambda: peer.step() and peer.data == b"before after")


def test_names_that_nothing_has_and_no_name_at_all(loop, certificates):
    with secured(loop, certificates) as (transport, _, _peer):
        assert transport.get_extra_info("\ud800", 7) == 7
        assert transport.get_extra_info(42, 7) == 7
        with pytest.raises(TypeError):
            transport.get_extra_info()
