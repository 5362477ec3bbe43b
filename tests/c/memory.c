/* SPDX-License-Identifier: MIT
 *
 * memory.c - the n-th allocation that our extension asks of Python, or with malloc.c preloaded
 * of libc, fails; alone or with all that follow it.
 *
 * "Asked by our extension" means that a frame of the C stack lies in it, and that neither
 * Python code nor another extension's runs between: the interpreter's own answer to lack of
 * memory is not what is tested.  Where Python code runs is asked of the interpreter: each of
 * its loops keeps something of its own on the C stack.  One thread only.
 */
#define _GNU_SOURCE
#define Py_BUILD_CORE 1
#include <Python.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe_structs.h>
#elif PY_VERSION_HEX >= 0x030D0000
#include <internal/pycore_frame.h>
#endif
#include <dlfcn.h>
#include <string.h>
#include <unwind.h>

#include "countdown.h"

typedef struct {
    uintptr_t loop;             /* where on the stack the interpreter's innermost loop is */
    int is_ours;
} Walk;

static PyMemAllocatorEx below[3]; /* what was installed before us, per domain */
static uintptr_t first, last;     /* the extension's code */

static uintptr_t
innermost_loop(PyThreadState *tstate)
{
#if PY_VERSION_HEX < 0x030D0000
    return (uintptr_t)tstate->cframe;
#else
    struct _PyInterpreterFrame *frame = tstate->current_frame;
    while (frame != NULL && frame->owner <= FRAME_OWNED_BY_FRAME_OBJECT) {
        frame = frame->previous;
    }
    /* 3.15 has one more at the bottom, which is not on the stack. */
    return (uintptr_t)frame < (uintptr_t)&frame ? UINTPTR_MAX : (uintptr_t)frame;
#endif
}

/* The stack grows downwards: what the interpreter's loop has called lies below it. */
static _Unwind_Reason_Code
walk_frame(struct _Unwind_Context *context, void *arg)
{
    Walk *walk = arg;
    Dl_info found;
    uintptr_t address = _Unwind_GetIP(context);
    if (_Unwind_GetCFA(context) >= walk->loop) {
        return _URC_END_OF_STACK;
    }
    walk->is_ours = address >= first && address < last;
    if (walk->is_ours
        || (dladdr((void *)address, &found) && strstr(found.dli_fname, "/lib-dynload/"))) {
        return _URC_END_OF_STACK;
    }
    return _URC_NO_REASON;
}

static int
is_ours(void)
{
    PyThreadState *tstate = PyGILState_GetThisThreadState();
    if (tstate == NULL) {
        return 0;
    }
    Walk walk = {.loop = innermost_loop(tstate)};
    _Unwind_Backtrace(walk_frame, &walk);
    return walk.is_ours;
}

/* Where a debugger stops to see which request fails. */
__attribute__((noinline)) int
memory_struck(void)
{
    __asm__ volatile("");
    return 1;
}

static int
strikes(void)
{
    return may_strike() && is_ours() && counts_down() && memory_struck();
}

/* For malloc.c: our own calls are ours, what Python and libuv ask for is not. */
static int
refuses(const void *caller)
{
    uintptr_t address = (uintptr_t)caller;
    return may_strike() && address >= first && address < last && counts_down()
           && memory_struck();
}

static void *
memory_malloc(void *ctx, size_t size)
{
    PyMemAllocatorEx *next = ctx;
    return strikes() ? NULL : next->malloc(next->ctx, size);
}

static void *
memory_calloc(void *ctx, size_t number, size_t size)
{
    PyMemAllocatorEx *next = ctx;
    return strikes() ? NULL : next->calloc(next->ctx, number, size);
}

static void *
memory_realloc(void *ctx, void *block, size_t size)
{
    PyMemAllocatorEx *next = ctx;
    return strikes() ? NULL : next->realloc(next->ctx, block, size);
}

static void
memory_free(void *ctx, void *block)
{
    PyMemAllocatorEx *next = ctx;
    next->free(next->ctx, block);
}

void
memory_install(uintptr_t from, uintptr_t to)
{
    const PyMemAllocatorDomain domains[3] = {
        PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
    first = from;
    last = to;
    int (**hook)(const void *) = dlsym(RTLD_DEFAULT, "malloc_refused");
    if (hook != NULL) {
        *hook = refuses;
    }
    for (int i = 0; i < 3; i++) {
        PyMem_GetAllocator(domains[i], &below[i]);
        PyMemAllocatorEx mine = {
            &below[i], memory_malloc, memory_calloc, memory_realloc, memory_free};
        PyMem_SetAllocator(domains[i], &mine);
    }
}
