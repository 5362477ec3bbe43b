/* SPDX-License-Identifier: MIT
 *
 * pycompat.h - every test of the Python version in the project.
 *
 * A reader of any other file meets no PY_VERSION_HEX.  Each entry says what
 * differs and which versions are meant.
 */
#ifndef HOTLOOP_PYCOMPAT_H
#define HOTLOOP_PYCOMPAT_H

#include "base/base.h"

#if PY_VERSION_HEX < 0x030b0000
#error "hotloop needs CPython 3.11 or newer"
#endif

/* Constants for code whose behaviour follows the interpreter's asyncio.  They
 * are ordinary expressions, so that both branches are always compiled. */
enum {
    PY_AT_LEAST_3_12 = PY_VERSION_HEX >= 0x030c0000,
    PY_AT_LEAST_3_13 = PY_VERSION_HEX >= 0x030d0000,
    PY_AT_LEAST_3_14 = PY_VERSION_HEX >= 0x030e0000,
    PY_AT_LEAST_3_15 = PY_VERSION_HEX >= 0x030f0000,
    PY_AT_LEAST_3_16 = PY_VERSION_HEX >= 0x03100000,
};

/* What isinstance() sees in the handles of call_soon_threadsafe(). */
#define PYCOMPAT_SHARED_HANDLE (PY_AT_LEAST_3_14 ? "_ThreadSafeHandle" : "Handle")

#ifdef Py_GIL_DISABLED
enum { PY_FREE_THREADED = 1 };
#else
enum { PY_FREE_THREADED = 0 };
#endif

/* The raised exception as one object (3.12+), normalised with its traceback. */
#if PY_VERSION_HEX < 0x030c0000
static inline PyObject *                                    /* -> new or NULL */
PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static inline void                                          /* steals exc */
PyErr_SetRaisedException(PyObject *exc)
{
    if (exc == NULL) {
        PyErr_Clear();
        return;
    }
    PyObject *type = Py_NewRef((PyObject *)Py_TYPE(exc));
    PyErr_Restore(type, exc, PyException_GetTraceback(exc));
}
#endif

/* The context of the calling thread, NULL while it has made none.  The struct is
 * public, and the field is where all versions from 3.7 to 3.15 have it. */
static inline PyObject *                                    /* -> borrowed or NULL */
pycompat_current_context(void)
{
    return PyThreadState_Get()->context;
}

/* Public since 3.13. */
#if PY_VERSION_HEX < 0x030d0000
static inline int
Py_IsFinalizing(void)
{
    return _Py_IsFinalizing();
}

static inline Py_hash_t
Py_HashPointer(const void *address)
{
    return _Py_HashPointer(address);
}

static inline int /* 1 and *op (new); 0 and NULL: gone */
PyWeakref_GetRef(PyObject *ref, PyObject **op)
{
    *op = PyWeakref_GET_OBJECT(ref);
    *op = *op == Py_None ? NULL : Py_NewRef(*op);
    return *op != NULL;
}
#endif

/* A debug interpreter keeps the sum of all reference counts: there an object must
 * die through its dealloc, and be born by the interpreter's own function. */
#if defined(Py_REF_DEBUG) || defined(Py_GIL_DISABLED)
enum { PYCOMPAT_COUNTS_REFERENCES = 1 };
#else
enum { PYCOMPAT_COUNTS_REFERENCES = 0 };
#endif

/* Resurrect memory from a free list: it gets its first reference back. */
static inline void
pycompat_new_reference(PyObject *op)
{
#if defined(Py_REF_DEBUG) || defined(Py_GIL_DISABLED)
    _Py_NewReference(op);
#else
    Py_SET_REFCNT(op, 1);        /* the same but for tracemalloc, in one store */
#endif
}

/* Do we hold the only reference?  Never sure where other threads run as well. */
static inline bool
pycompat_is_unique(PyObject *op)
{
#ifdef Py_GIL_DISABLED
    return PyUnstable_Object_IsUniquelyReferenced(op);
#else
    return Py_REFCNT(op) == 1;
#endif
}

/* The traverse of Future's and Task's bases visits the type, but it is called on
 * 3.14 and later only (see pycompat_visit_base_dict). */
#define PYCOMPAT_VISIT_SUBTYPE(self) Py_VISIT(PY_AT_LEAST_3_14 ? NULL : Py_TYPE(self))

/* Visit the __dict__ that asyncio's Future keeps for its subclasses: a plain slot up
 * to 3.12, managed by the interpreter since. */
static inline int
pycompat_visit_base_dict(PyObject *self, visitproc visit, void *arg)
{
#if PY_VERSION_HEX < 0x030d0000
    Py_VISIT(*(PyObject **)((char *)self + Py_TYPE(self)->tp_dictoffset));
    return 0;
#else
    return PyObject_VisitManagedDict(self, visit, arg);
#endif
}

/* Module slots that name what the module can do, where they exist. */
#if PY_VERSION_HEX >= 0x030c0000
#define PYCOMPAT_SLOT_INTERPRETERS \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define PYCOMPAT_SLOT_INTERPRETERS
#endif
/* Free threading: the paths are written for it (see docs/internals), but until
 * the audit is done importing the module turns the GIL on. */
#if PY_VERSION_HEX >= 0x030d0000
#define PYCOMPAT_SLOT_GIL {Py_mod_gil, Py_MOD_GIL_USED},
#else
#define PYCOMPAT_SLOT_GIL
#endif

#endif
