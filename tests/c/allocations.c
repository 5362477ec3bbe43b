/* SPDX-License-Identifier: MIT
 * Counts the requests that reach Python's allocators, for the test that a task switch makes none.
 * One thread only: the counter is a plain integer under the GIL. */
#include <Python.h>

static PyMemAllocatorEx below[3]; /* what was installed before us, per domain */
static long asked;
static int counting;

static void *
count_malloc(void *ctx, size_t size)
{
    PyMemAllocatorEx *next = ctx;
    asked += counting;
    return next->malloc(next->ctx, size);
}

static void *
count_calloc(void *ctx, size_t number, size_t size)
{
    PyMemAllocatorEx *next = ctx;
    asked += counting;
    return next->calloc(next->ctx, number, size);
}

static void *
count_realloc(void *ctx, void *block, size_t size)
{
    PyMemAllocatorEx *next = ctx;
    asked += counting;
    return next->realloc(next->ctx, block, size);
}

static void
count_free(void *ctx, void *block)
{
    PyMemAllocatorEx *next = ctx;
    next->free(next->ctx, block);
}

void
allocations_install(void)
{
    const PyMemAllocatorDomain domains[3] = {
        PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
    for (int i = 0; i < 3; i++) {
        PyMem_GetAllocator(domains[i], &below[i]);
        PyMemAllocatorEx mine = {
            &below[i], count_malloc, count_calloc, count_realloc, count_free};
        PyMem_SetAllocator(domains[i], &mine);
    }
}

void
allocations_start(void)
{
    asked = 0;
    counting = 1;
}

long
allocations_stop(void)
{
    counting = 0;
    return asked;
}
