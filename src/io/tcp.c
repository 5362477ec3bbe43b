/* SPDX-License-Identifier: MIT
 *
 * tcp.c - TcpTransport: a stream over uv_tcp_t.
 *
 * Also for other stream sockets that are not unix sockets (AF_VSOCK): libuv reads
 * and writes whatever descriptor it is given.
 */
#include "io/tcp.h"

#include "base/object.h"
#include "io/stream.h"

#include <netinet/tcp.h>

static PyTypeObject *
tcp_type(ModuleState *state)
{
    return state->tcp_transport_type;
}

static int
tcp_init(uv_loop_t *loop, Stream *self)
{
    return uv_tcp_init(loop, &self->uv.tcp);
}

static int
tcp_open(Stream *self, int fd)
{
    return uv_tcp_open(&self->uv.tcp, fd);
}

void
tcp_set_nodelay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

const StreamKind tcp_kind = {
    .name = "tcp",
    .type = tcp_type,
    .init = tcp_init,
    .open = tcp_open,
    .tune = tcp_set_nodelay,
};

static PyType_Slot tcp_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, stream_traverse},
    {Py_tp_clear, stream_clear},
    {Py_tp_repr, stream_repr},
    {Py_tp_methods, stream_methods},
    {Py_tp_getset, stream_getset},
    {Py_tp_members, stream_members},
    {Py_tp_doc, "A TCP connection: asyncio.Transport over libuv."},
    {0, NULL},
};

PyType_Spec tcp_transport_spec = {
    .name = "hotloop._core.TcpTransport",
    /* Idle connections are many: not a byte beyond the handle that is used. */
    .basicsize = offsetof(Stream, uv) + sizeof(uv_tcp_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = tcp_slots,
};
