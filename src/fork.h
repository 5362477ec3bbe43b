/* SPDX-License-Identifier: MIT
 *
 * fork.h - what a child of os.fork() must not share with its parent.
 */
#ifndef HOTLOOP_FORK_H
#define HOTLOOP_FORK_H

#include "base/base.h"

/* Module function for os.register_at_fork(after_in_child=). */
PyObject *fork_py_after(PyObject *module, PyObject *unused);

#endif
