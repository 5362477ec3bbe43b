# SPDX-License-Identifier: MIT
"""get_extra_info and the TransportSocket, which offers no I/O."""

import asyncio
import gc
import os
import socket
import sys
import warnings

import pytest

from tests.tools import Recorder, connected, run, run_until


def test_names_and_peers(loop):
    with connected(loop, "tcp") as (transport, _, peer):
        assert transport.get_extra_info("peername") == peer.getsockname()
        assert transport.get_extra_info("sockname") == peer.getpeername()


def test_unix_names(loop):
    with connected(loop, "unix") as (transport, _, _):
        assert transport.get_extra_info("sockname") == ""
        assert transport.get_extra_info("peername") == ""


def test_ipv6_names_have_four_parts(loop):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        address = listener.getsockname()[:2]
        transport, protocol = run(loop, loop.create_connection(Recorder, *address))
        assert transport.get_extra_info("peername") == listener.getsockname()
        assert len(transport.get_extra_info("sockname")) == 4
        transport.abort()
        run_until(loop, lambda: protocol.lost)


def test_the_socket(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, peer):
        sock = transport.get_extra_info("socket")
        assert isinstance(sock, asyncio.trsock.TransportSocket)
        assert sock.family == peer.family and sock.type == socket.SOCK_STREAM
        assert sock.fileno() >= 0
        assert sock.getsockname() == transport.get_extra_info("sockname")
        assert sock.gettimeout() == 0
        assert transport.get_extra_info("socket") is sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert not hasattr(sock, "send") and not hasattr(sock, "recv")


def test_tcp_has_no_delay(loop):
    with connected(loop, "tcp") as (transport, _, _):
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_is_not_there(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, _, _):
        default = object()
        assert transport.get_extra_info("nothing") is None
        assert transport.get_extra_info("nothing", default) is default
        assert transport.get_extra_info("ssl_object") is None
        assert transport.get_extra_info("cipher", default) is default


def test_after_the_loss(loop):
    with connected(loop, "tcp") as (transport, protocol, _):
        names = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        sock = transport.get_extra_info("socket")
        transport.abort()
        run_until(loop, lambda: protocol.lost)
        assert names == (
            transport.get_extra_info("peername"),
            transport.get_extra_info("sockname"),
        )
        assert sock.fileno() == -1
        with pytest.raises(OSError):
            sock.getsockname()


def test_repr(loop, stream_kind):
    with connected(loop, stream_kind) as (transport, protocol, _):
        fd = transport.get_extra_info("socket").fileno()
        assert f"fd={fd}" in repr(transport) and "read=" in repr(transport)
        transport.close()
        assert "clos" in repr(transport)
        run_until(loop, lambda: protocol.lost)
        assert "closed" in repr(transport)


@pytest.mark.hotloop_only("asyncio has its socket from the beginning")
@pytest.mark.parametrize("how", ["close", "ask again"])
def test_the_socket_is_made_while_something_else_runs(loop, how):
    """socket.socket.__init__() is Python, so that a profiler or a thread gets its turn."""
    asked = []

    def profile(frame, event, _):
        code = frame.f_code
        if event == "return" and code.co_name == "__init__" and "socket.py" in code.co_filename:
            sys.setprofile(None)
            if how == "close":
                loop.close()
            else:
                asked.append(transport.get_extra_info("socket"))

    with warnings.catch_warnings(), socket.create_server(("127.0.0.1", 0)) as listener:
        warnings.simplefilter("ignore", ResourceWarning)
        address = listener.getsockname()
        transport, protocol = run(loop, loop.create_connection(Recorder, *address))
        sys.setprofile(profile)
        try:
            found = transport.get_extra_info("socket")
        finally:
            sys.setprofile(None)
        if how == "close":
            assert found is None
            number = os.open(os.devnull, os.O_RDONLY)
            del protocol.transport
            protocol = transport = None
            gc.collect()
            os.close(number)  # nobody else has closed it
        else:
            assert found is asked[0] and found is transport.get_extra_info("socket")
            assert found.fileno() >= 0
            transport.abort()
            run_until(loop, lambda: protocol.lost)
