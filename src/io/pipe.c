/* SPDX-License-Identifier: MIT
 *
 * pipe.c - UnixTransport: a stream over uv_pipe_t.
 *
 * Unix sockets are made, bound and connected with plain system calls; libuv only
 * gets the connected descriptor, so its limits on path names do not matter.
 */
#include "io/pipe.h"

#include "base/object.h"
#include "io/stream.h"

static PyTypeObject *
pipe_unix_type(ModuleState *state)
{
    return state->unix_transport_type;
}

static int
pipe_init(uv_loop_t *loop, Stream *self)
{
    return uv_pipe_init(loop, &self->uv.pipe, 0);
}

static int
pipe_open(Stream *self, int fd)
{
    return uv_pipe_open(&self->uv.pipe, fd);
}

const StreamKind unix_kind = {
    .name = "unix",
    .type = pipe_unix_type,
    .init = pipe_init,
    .open = pipe_open,
    .tune = NULL,
};

static PyType_Slot pipe_unix_slots[] = {
    {Py_tp_new, object_not_instantiable},
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_traverse, stream_traverse},
    {Py_tp_clear, stream_clear},
    {Py_tp_repr, stream_repr},
    {Py_tp_methods, stream_methods},
    {Py_tp_getset, stream_getset},
    {Py_tp_members, stream_members},
    {Py_tp_doc, "A unix socket connection: asyncio.Transport over libuv."},
    {0, NULL},
};

PyType_Spec unix_transport_spec = {
    .name = "hotloop._core.UnixTransport",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = pipe_unix_slots,
};
