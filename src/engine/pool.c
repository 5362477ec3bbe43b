/* SPDX-License-Identifier: MIT
 *
 * pool.c - libuv's threads, before the first of them is needed.
 *
 * libuv starts its whole pool with the first request, once per process, and calls
 * abort() when the system refuses one of the threads (a limit on processes, or on
 * memory).  A server is not to die of one name that it looks up.  So before that first
 * request as many threads as the pool will have are started here, and ended: what has
 * just gone well goes well again.  That costs a tenth of a millisecond, once.
 */
#include "engine/pool.h"

#include <stdlib.h>

/* As libuv reads its own settings. */
enum {
    POOL_SIZE = 4,
    POOL_SIZE_MOST = 1024,
    POOL_STACK = 8 << 20,
};

static int
pool_size(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    if (text == NULL) {
        return POOL_SIZE;
    }
    int size = atoi(text);
    return size == 0 ? 1 : size < 0 || size > POOL_SIZE_MOST ? POOL_SIZE_MOST : size;
}

static void
pool_wait(void *go_on)
{
    uv_sem_wait(go_on);
}

/* How many of `size` threads can live at the same time; none is left. */
static int
pool_try(uv_thread_t *threads, int size, uv_sem_t *go_on)
{
    const uv_thread_options_t options = {
        .flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = POOL_STACK};
    int count = 0;
    while (count < size
           && uv_thread_create_ex(&threads[count], &options, pool_wait, go_on) == 0) {
        count++;
    }
    for (int i = 0; i < count; i++) {
        uv_sem_post(go_on);
    }
    for (int i = 0; i < count; i++) {
        uv_thread_join(&threads[i]);
    }
    return count;
}

int
pool_check(ModuleState *state)
{
    if (LIKELY(state->pool_checked)) {
        return 0;
    }
    int size = pool_size();
    uv_thread_t *threads = PyMem_Calloc((size_t)size, sizeof(uv_thread_t));
    if (threads == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    uv_sem_t go_on;
    if (uv_sem_init(&go_on, 0) == 0) {
        state->pool_checked = pool_try(threads, size, &go_on) == size;
        uv_sem_destroy(&go_on);
    }
    PyMem_Free(threads);
    if (!state->pool_checked) {
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
        return -1;
    }
    return 0;
}

void
pool_after_fork(ModuleState *state)
{
    state->pool_checked = false;
}
