/* SPDX-License-Identifier: MIT
 *
 * args.h - one data-driven parser for fastcall methods with keywords.
 */
#ifndef HOTLOOP_ARGS_H
#define HOTLOOP_ARGS_H

#include "base/base.h"

enum { ARGS_MAX = 12 };

/* What a method accepts.  Keyword-only names follow the positional ones. */
typedef struct ArgSpec {
    const char *function;     /* for messages: "create_task" */
    int required;             /* the first N positional must be given */
    int positional;           /* how many names may be given by position */
    const char *names[ARGS_MAX + 1];   /* NULL-terminated */
} ArgSpec;

/* Fill out[i] (borrowed, NULL when absent) for each name of the spec.
 * 0, or -1 with TypeError in CPython's words. */
int args_parse(const ArgSpec *spec, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, PyObject **out);

/* The same for tp_init's and tp_new's tuple and dict. */
int args_parse_tuple(const ArgSpec *spec, PyObject *args, PyObject *kwargs,
                     PyObject **out);

/* Take the keyword `name` out of a call whose other keywords do not matter.
 * Borrowed or NULL (absent, no exception). */
PyObject *args_keyword(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                       const char *name);

#endif
