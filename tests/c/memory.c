/* SPDX-License-Identifier: MIT
 *
 * memory.c - the n-th allocation that our extension asks of Python fails, alone or with all
 * that follow it.
 *
 * "Asked by our extension" means that one of the innermost frames of the C stack lies in it,
 * and no Python code runs between: the interpreter's own answer to lack of memory is not what is
 * tested. One thread only.
 */
#define _GNU_SOURCE
#include <Python.h>
#include <dlfcn.h>
#include <execinfo.h>

enum { DEPTH = 9 };             /* three of these, Python's allocator, gc, PyTuple_New, ours */

static PyMemAllocatorEx below[3]; /* what was installed before us, per domain */
static uintptr_t first, last;     /* the extension's code */
static long countdown, asked;
static int armed, going_on;

static int
is_ours(void)
{
    void *frames[DEPTH];
    int count = backtrace(frames, DEPTH);
    for (int i = 2; i < count; i++) {
        uintptr_t address = (uintptr_t)frames[i];
        Dl_info found;
        if (address >= first && address < last) {
            return 1;
        }
        if (dladdr(frames[i], &found) && found.dli_saddr == (void *)_PyEval_EvalFrameDefault) {
            return 0;
        }
    }
    return 0;
}

static int
strikes(void)
{
    int is_over = countdown <= 0 && !going_on;
    if (!armed || is_over || !is_ours()) {
        return 0;
    }
    asked++;
    countdown--;
    return countdown == 0 || (going_on && countdown < 0);
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
    is_ours();                  /* backtrace() loads a library the first time */
    for (int i = 0; i < 3; i++) {
        PyMem_GetAllocator(domains[i], &below[i]);
        PyMemAllocatorEx mine = {
            &below[i], memory_malloc, memory_calloc, memory_realloc, memory_free};
        PyMem_SetAllocator(domains[i], &mine);
    }
}

/* The nth request fails; with `on` all that follow too. */
void
memory_arm(long nth, int on)
{
    asked = 0;
    countdown = nth;
    going_on = on;
    armed = 1;
}

/* How many there were, up to the one that failed alone. */
long
memory_disarm(void)
{
    armed = 0;
    return asked;
}
