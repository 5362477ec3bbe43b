/* SPDX-License-Identifier: MIT
 *
 * resource.h - life of an object that owns a uv handle.
 *
 *   unborn -- uv_X_init, resource_open --> open -- resource_close --> closing
 *                                            -- resource_on_close --> closed
 *
 * libuv counts as an owner: it holds one reference to `owner` from open to
 * closed, so an open handle can never be freed under libuv's feet.  uv_close is
 * called in one place, resource.c.
 */
#ifndef HOTLOOP_RESOURCE_H
#define HOTLOOP_RESOURCE_H

#include "engine/loop.h"

/* After uv_X_init() has succeeded: uv->data becomes `self`, libuv gets its
 * reference.  `owner` may be NULL for what belongs to the loop itself. */
void resource_open(Resource *self, Loop *loop, PyObject *owner, uv_handle_t *uv);

/* Begin to close; a second call is a no-op.  The owner's memory lives on until
 * libuv's callback, even when every other reference goes. */
void resource_close(Resource *self);

static inline bool
resource_is_open(const Resource *self)
{
    return self->state == RESOURCE_OPEN;
}

/* After uv_run: close the uv_poll handles that were closed inside it.  libuv
 * before 1.52.1 may still read such a handle later in the same batch. */
void resource_close_polls(Loop *loop);

/* Close everything that is open and turn libuv until all is closed. */
void resource_close_all(Loop *loop);

#endif
