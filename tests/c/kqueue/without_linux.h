/* SPDX-License-Identifier: MIT
 * Before all else: Python's headers as they were built, where Debian's ask for the system that
 * they are on. From here on it is another one. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#undef __linux__
