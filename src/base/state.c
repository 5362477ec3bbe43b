/* SPDX-License-Identifier: MIT
 *
 * state.c - makes, visits and drops what state.h lists.
 */
#include "base/state.h"

#include "base/pycompat.h"

/* The module definition is constant data, the same for every interpreter of the
 * process; state_of_type() looks for it in a type's bases. */
static PyModuleDef *state_def;

void
state_set_def(PyModuleDef *def)
{
    state_def = def;
}

/* import module; module.attribute, or the module itself; "Type.method" goes one step
 * further.  -> new or NULL */
static PyObject *
state_import(const char *module, const char *attribute)
{
    PyObject *imported = PyImport_ImportModule(module);
    if (imported == NULL || attribute == NULL) {
        return imported;
    }
    const char *dot = strchr(attribute, '.');
    int length = dot == NULL ? (int)strlen(attribute) : (int)(dot - attribute);
    PyObject *name = PyUnicode_FromStringAndSize(attribute, length);
    PyObject *value = name == NULL ? NULL : PyObject_GetAttr(imported, name);
    Py_XDECREF(name);
    Py_DECREF(imported);
    if (value != NULL && dot != NULL) {
        Py_SETREF(value, PyObject_GetAttrString(value, dot + 1));
    }
    return value;
}

typedef struct ImportRow {
    size_t offset;
    const char *module;
    const char *attribute;
} ImportRow;

static const ImportRow state_imports[] = {
#define STATE_ROW(field, module, attribute) \
    {offsetof(ModuleState, field), module, attribute},
    STATE_IMPORTS(STATE_ROW)
#undef STATE_ROW
};

static const ImportRow state_ssl[] = {
#define STATE_ROW(field, module, attribute) \
    {offsetof(ModuleState, field), module, attribute},
    STATE_SSL(STATE_ROW)
#undef STATE_ROW
};

typedef struct NameRow {
    size_t offset;
    const char *text;
} NameRow;

static const NameRow state_names[] = {
#define STATE_ROW(name) {offsetof(ModuleState, str_##name), #name},
    STATE_NAMES(STATE_ROW)
#undef STATE_ROW
};

/* Every owned object of the state but the names, for traverse and clear. */
static const size_t state_owned[] = {
#define STATE_ROW(name, ...) offsetof(ModuleState, name##_type),
    STATE_TYPES(STATE_ROW)
#undef STATE_ROW
#define STATE_ROW(name, ...) offsetof(ModuleState, name),
    STATE_IMPORTS(STATE_ROW)
    STATE_SSL(STATE_ROW)
#undef STATE_ROW
    offsetof(ModuleState, stock_handle_run),
    offsetof(ModuleState, current_tasks),
    offsetof(ModuleState, register_task),
    offsetof(ModuleState, unregister_task),
    offsetof(ModuleState, enter_task),
    offsetof(ModuleState, leave_task),
    offsetof(ModuleState, swap_current_task),
    offsetof(ModuleState, register_eager_task),
    offsetof(ModuleState, unregister_eager_task),
    offsetof(ModuleState, awaited_by_add),
    offsetof(ModuleState, awaited_by_discard),
    offsetof(ModuleState, eager_task_factory),
    offsetof(ModuleState, kwnames_context),
    offsetof(ModuleState, kwnames_msg),
    offsetof(ModuleState, openssl.bio_type),
    offsetof(ModuleState, openssl.context_type),
    offsetof(ModuleState, openssl.msg_callback),
    offsetof(ModuleState, openssl.late_auth),
    offsetof(ModuleState, openssl.keylog),
    offsetof(ModuleState, streams.members), /* first: without it the rest is not used */
    offsetof(ModuleState, streams.protocol),
    offsetof(ModuleState, streams.reader),
    offsetof(ModuleState, streams.native),
};

static PyObject **
state_field(ModuleState *state, size_t offset)
{
    return (PyObject **)((char *)state + offset);
}

/* 0 or -1 */
static int
state_import_rows(ModuleState *state, const ImportRow *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PyObject *value = state_import(rows[i].module, rows[i].attribute);
        if (value == NULL) {
            return -1;
        }
        Py_XSETREF(*state_field(state, rows[i].offset), value);
    }
    return 0;
}

int
state_import_ssl(ModuleState *state)
{
    return state_import_rows(state, state_ssl, Py_ARRAY_LENGTH(state_ssl));
}

int
state_setup(ModuleState *state, PyObject *module)
{
    state->module = module;
    list_init(&state->loops);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(state_names); i++) {
        PyObject *name = PyUnicode_InternFromString(state_names[i].text);
        if (name == NULL) {
            return -1;
        }
        *state_field(state, state_names[i].offset) = name;
    }
    if (state_import_rows(state, state_imports, Py_ARRAY_LENGTH(state_imports)) < 0) {
        return -1;
    }
    state->stock_handle_run = PyObject_GetAttr(state->AsyncioHandle, state->str__run);
    return state->stock_handle_run == NULL ? -1 : 0;
}

int
state_traverse(ModuleState *state, visitproc visit, void *arg)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(state_owned); i++) {
        Py_VISIT(*state_field(state, state_owned[i]));
    }
    return 0;
}

int
state_clear(ModuleState *state)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(state_owned); i++) {
        Py_CLEAR(*state_field(state, state_owned[i]));
    }
    return 0;
}

void
state_free(ModuleState *state)
{
    state_clear(state);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(state_names); i++) {
        Py_CLEAR(*state_field(state, state_names[i].offset));
    }
}

ModuleState *
state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, state_def);
    return module == NULL ? NULL : state_of_module(module);
}

ModuleState *
state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}
