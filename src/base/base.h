/* SPDX-License-Identifier: MIT
 *
 * base.h - the only file that includes Python.h and uv.h.
 *
 * Every other file starts from here, so that the two libraries are seen with
 * the same macros everywhere.  Nothing below knows what a loop is.
 */
#ifndef HOTLOOP_BASE_H
#define HOTLOOP_BASE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <uv.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if UV_VERSION_HEX < 0x012c00
#error "hotloop needs libuv 1.44 or newer"
#endif

/* The struct that embeds `member`, from a pointer to that member. */
#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* For functions off the beaten track: inlined, they would make the hot function
 * around them save more registers (30 instructions per task switch). */
#define COLD __attribute__((cold, noinline))

/* A method body: METH_FASTCALL | METH_KEYWORDS wants this cast through void. */
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

#endif
