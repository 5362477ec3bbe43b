/* SPDX-License-Identifier: MIT
 *
 * malloc.c - preloaded before libc: the n-th allocation that some libraries ask of libc fails,
 * alone or with all that follow it.
 *
 * Who asks is told by the return address.  Memory that Python asks for is not among it, though
 * a library's name be in Python's own code: memory.c is for that.  One thread only.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#include "countdown.h"

enum { MOST = 4 };

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

/* Set by memory.c, which then decides, and counts: is this request to fail? */
int (*malloc_refused)(const void *caller);

static uintptr_t first[MOST], last[MOST]; /* the libraries' code */
static int ranges;

static int
strikes(void *caller)
{
    int is_theirs = 0;
    if (malloc_refused != NULL) {
        return malloc_refused(caller);
    }
    if (!may_strike()) {
        return 0;
    }
    for (int i = 0; i < ranges; i++) {
        is_theirs |= (uintptr_t)caller >= first[i] && (uintptr_t)caller < last[i];
    }
    return is_theirs && counts_down();
}

void *
malloc(size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t number, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : __libc_calloc(number, size);
}

void *
realloc(void *block, size_t size)
{
    return strikes(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}

/* Always has memory: when it fails, CPython's ssl module looks for the context of a socket that
 * has none yet, and crashes (newPySSLSocket, 3.11 to 3.13). */
void *
SSL_new(void *context)
{
    void *library = dlopen("libssl.so.3", RTLD_LAZY | RTLD_NOLOAD);
    void *(*next)(void *) = (void *(*)(void *))dlsym(library, "SSL_new");
    int was_armed = armed;
    armed = 0;
    void *made = next(context);
    armed = was_armed;
    dlclose(library);
    return made;
}

/* Once for each library. */
void
memory_install(uintptr_t from, uintptr_t to)
{
    first[ranges] = from;
    last[ranges] = to;
    ranges += ranges < MOST - 1;
}
