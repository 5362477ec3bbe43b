/* SPDX-License-Identifier: MIT
 *
 * resource.c - life of an object that owns a uv handle.
 *
 * Unborn, open, closing, closed: never back.  From open to closed the resource holds
 * a reference to its owner, for libuv keeps a pointer into the owner's memory; the
 * close callback gives it back, and may free both of us.
 *
 * The only uv_close of the project.
 */
#include "engine/resource.h"

#include "engine/gate.h"

void
resource_open(Resource *self, Loop *loop, PyObject *owner, uv_handle_t *uv)
{
    assert(self->state == RESOURCE_UNBORN);
    uv->data = self;
    self->loop = loop;
    self->owner = Py_XNewRef(owner);
    self->uv = uv;
    self->state = RESOURCE_OPEN;
    list_init(&self->node);
    list_append(&loop->resources, &self->node);
}

/* libuv has let go.  Dropping its reference may free the owner, and us in it. */
static int
resource_closed(Resource *self)
{
    PyObject *owner = self->owner;
    self->owner = NULL;
    self->state = RESOURCE_CLOSED;
    list_remove(&self->node);
    Py_XDECREF(owner);
    return 0;
}

static void
resource_on_close(uv_handle_t *uv)
{
    Loop *loop = ((Resource *)gate_enter(uv))->loop;
    gate_leave(loop, resource_closed(uv->data), "Closing a handle failed");
}

void
resource_close(Resource *self)
{
    if (self->state != RESOURCE_OPEN) {
        return;
    }
    self->state = RESOURCE_CLOSING;
    if (self->before_close != NULL) {
        self->before_close(self);
    }
    if (self->uv->type == UV_POLL && self->loop->in_poll) {
        uv_poll_stop((uv_poll_t *)self->uv);
        list_remove(&self->node);
        list_append(&self->loop->closing_polls, &self->node);
        return;
    }
    uv_close(self->uv, resource_on_close);
}

void
resource_close_polls(Loop *loop)
{
    while (!list_is_empty(&loop->closing_polls)) {
        Resource *self = container_of(loop->closing_polls.next, Resource, node);
        list_remove(&self->node);
        list_append(&loop->resources, &self->node);
        uv_close(self->uv, resource_on_close);
    }
}

/* libuv forgets a handle only inside a turn.  The turns are not bounded by a count:
 * each handle needs one, and what a callback opens meanwhile is refused by the loop's
 * phase. */
void
resource_close_all(Loop *loop)
{
    ListNode *node = loop->resources.next;
    while (node != &loop->resources) {
        Resource *self = container_of(node, Resource, node);
        node = node->next;
        resource_close(self);
    }
    while (!list_is_empty(&loop->resources)) {
        loop_turn_uv(loop->uv);
    }
}
