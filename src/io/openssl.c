/* SPDX-License-Identifier: MIT
 *
 * openssl.c - finds the OpenSSL behind the ssl module, and what is inside its objects.
 *
 * The functions come from the very library that `_ssl` is linked to: they are looked
 * up through `_ssl`'s own shared object.  Where an `_ssl._SSLSocket` keeps its SSL and
 * a MemoryBIO its BIO is not assumed but watched: OpenSSL tells us which SSL and which
 * BIO are born while `_ssl` makes one of each, and the object is searched for that
 * address.  If anything is not as expected, the ssl module does the work.
 */
#include "io/openssl.h"

#include <dlfcn.h>
#include <pthread.h>

#include "io/tls_wire.h"

OpenSsl openssl;

enum { OPENSSL_PROTOCOL_TLS_SERVER = 17 /* ssl.PROTOCOL_TLS_SERVER */ };

/* --------------------------------------------------------------- its functions */

typedef struct OpensslRow {
    const char *name;
    size_t place;
} OpensslRow;

static const OpensslRow openssl_rows[] = {
#define ROW(name)                      \
    {                                  \
#name, offsetof(OpenSsl, name) \
    }
    ROW(SSL_read),
    ROW(SSL_write),
    ROW(SSL_pending),
    ROW(SSL_get_error),
    ROW(SSL_get_shutdown),
    ROW(SSL_get_rbio),
    ROW(SSL_get_wbio),
    ROW(SSL_set0_rbio),
    ROW(SSL_set0_wbio),
    ROW(BIO_new),
    ROW(BIO_free),
    ROW(BIO_up_ref),
    ROW(BIO_read),
    ROW(BIO_write),
    ROW(BIO_ctrl_pending),
    ROW(BIO_get_data),
    ROW(BIO_set_data),
    ROW(BIO_set_init),
    ROW(BIO_set_flags),
    ROW(BIO_clear_flags),
    ROW(BIO_get_new_index),
    ROW(BIO_meth_new),
    ROW(BIO_meth_free),
    ROW(BIO_meth_set_read),
    ROW(BIO_meth_set_write),
    ROW(BIO_meth_set_ctrl),
    ROW(BIO_meth_set_destroy),
    ROW(ERR_peek_error),
    ROW(ERR_clear_error),
    ROW(CRYPTO_get_ex_new_index),
    ROW(CRYPTO_free_ex_index),
    ROW(OpenSSL_version_num),
    ROW(OpenSSL_version),
    ROW(BIO_ctrl),
    ROW(BUF_MEM_new),
    ROW(SSL_do_handshake),
#undef ROW
};

/* The shared object that _ssl came from, or the program itself where _ssl is built
 * in.  -> NULL if it cannot be had */
static void *
openssl_open(PyObject *module)
{
    PyObject *path = PyObject_GetAttrString(module, "__file__");
    void *library = NULL;
    if (path == NULL) {
        PyErr_Clear();
        library = dlopen(NULL, RTLD_LAZY);
    }
    else if (PyUnicode_Check(path)) {
        PyObject *encoded = PyUnicode_EncodeFSDefault(path);
        if (encoded != NULL) {
            library = dlopen(PyBytes_AS_STRING(encoded), RTLD_LAZY | RTLD_NOLOAD);
        }
        Py_XDECREF(encoded);
    }
    Py_XDECREF(path);
    PyErr_Clear();
    return library;
}

/* dlsym() of a handle also looks into what that library needs. */
static bool
openssl_load(OpenSsl *found, void *library)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(openssl_rows); i++) {
        void *function = dlsym(library, openssl_rows[i].name);
        if (function == NULL) {
            return false;
        }
        memcpy((char *)found + openssl_rows[i].place, &function, sizeof(function));
    }
    return true;
}

/* LibreSSL, AWS-LC and others have the same names, but other promises; 1.1.1 lets any
 * client begin a second handshake, and so call Python, inside of SSL_read(). */
static bool
openssl_is_known(const OpenSsl *found)
{
    unsigned long version = found->OpenSSL_version_num();
    return strncmp(found->OpenSSL_version(0), "OpenSSL ", 8) == 0
           && version >= 0x30000000UL && version < 0x40000000UL;
}

/* ------------------------------------------------------- what is in the objects */

/* What this thread has seen born during the probe; others' are not looked at. */
static _Thread_local bool openssl_watching;
static _Thread_local void *openssl_born;

static void
openssl_see_birth(void *parent, void *Py_UNUSED(ptr), CRYPTO_EX_DATA *Py_UNUSED(data),
                  int Py_UNUSED(index), long Py_UNUSED(argl), void *Py_UNUSED(argp))
{
    if (openssl_watching) {
        openssl_born = parent;
    }
}

/* The one place in the object's memory that holds `address`, or 0. */
static size_t
openssl_place_of(PyObject *object, const void *address)
{
    size_t found = 0;
    size_t end = (size_t)Py_TYPE(object)->tp_basicsize;
    for (size_t at = sizeof(PyObject); at + sizeof(void *) <= end; at += sizeof(void *))
    {
        if (openssl_pointer(object, at) == address) {
            if (found != 0) {
                return 0;
            }
            found = at;
        }
    }
    return found;
}

/* Where `object`, which a call of ours is to make, keeps what OpenSSL makes for it. */
static size_t
openssl_watch(const OpenSsl *found, int kind, PyObject **object, PyObject *callable,
              PyObject *args)
{
    *object = NULL;
    if (callable == NULL || args == NULL) {
        return 0;
    }
    int index =
        found->CRYPTO_get_ex_new_index(kind, 0, NULL, openssl_see_birth, NULL, NULL);
    if (index < 0) {
        return 0;
    }
    openssl_born = NULL;
    openssl_watching = true;
    *object = PyObject_Call(callable, args, NULL);
    openssl_watching = false;
    PyErr_Clear();
    found->CRYPTO_free_ex_index(kind, index);
    if (*object == NULL || openssl_born == NULL) {
        return 0;
    }
    return openssl_place_of(*object, openssl_born);
}

/* -> new, or NULL without an exception */
static PyObject *
openssl_attribute(PyObject *object, const char *name)
{
    PyObject *value = object == NULL ? NULL : PyObject_GetAttrString(object, name);
    PyErr_Clear();
    return value;
}

/* The types, and the attributes of a context that tls_direct.c asks for. */
static bool
openssl_import(ModuleState *state, PyObject *module)
{
    state->openssl.bio_type = openssl_attribute(module, "MemoryBIO");
    state->openssl.context_type = openssl_attribute(module, "_SSLContext");
    PyObject *type = state->openssl.context_type;
    if (type == NULL || !PyType_Check(type)) {
        return false;
    }
    state->openssl.msg_callback = openssl_attribute(type, "_msg_callback");
    state->openssl.late_auth = openssl_attribute(type, "post_handshake_auth");
    state->openssl.keylog = openssl_attribute(type, "keylog_filename");
    return state->openssl.bio_type != NULL && state->openssl.msg_callback != NULL
           && state->openssl.late_auth != NULL && state->openssl.keylog != NULL;
}

/* _ssl._SSLContext(PROTOCOL_TLS_SERVER)._wrap_bio(bio, bio, True), step by step. */
static bool
openssl_probe(OpenSsl *found, const ModuleState *state)
{
    PyObject *nothing = PyTuple_New(0);
    PyObject *bio = NULL, *sock = NULL;
    found->bio_place =
        openssl_watch(found, OPENSSL_EX_BIO, &bio, state->openssl.bio_type, nothing);
    PyObject *context = PyObject_CallFunction(state->openssl.context_type, "i",
                                              OPENSSL_PROTOCOL_TLS_SERVER);
    PyErr_Clear();
    PyObject *wrap = openssl_attribute(context, "_wrap_bio");
    PyObject *args = bio == NULL ? NULL : Py_BuildValue("(OOi)", bio, bio, 1);
    found->ssl_place = openssl_watch(found, OPENSSL_EX_SSL, &sock, wrap, args);
    bool good = found->bio_place != 0 && found->ssl_place != 0;
    if (good) {
        SSL *ssl = openssl_pointer(sock, found->ssl_place);
        BIO *inside = openssl_pointer(bio, found->bio_place);
        good = found->SSL_get_rbio(ssl) == inside && found->SSL_get_wbio(ssl) == inside;
    }
    Py_XDECREF(nothing);
    Py_XDECREF(bio);
    Py_XDECREF(context);
    Py_XDECREF(wrap);
    Py_XDECREF(args);
    Py_XDECREF(sock);
    PyErr_Clear();
    return good;
}

/* --------------------------------------------------------------------- finding */

/* The first interpreter's findings are everybody's: of kinds of BIOs a process can make
 * 127 in all, so there is one of ours.  -> NULL, or why not */
static const char *
openssl_keep(OpenSsl *found)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const char *why = NULL;
    pthread_mutex_lock(&lock);
    if (openssl.wire == NULL) {
        found->wire = tls_wire_kind(found);
        if (found->wire != NULL) {
            openssl = *found;
        }
        else {
            why = "there is no memory for it";
        }
    }
    else if (memcmp(found, &openssl, offsetof(OpenSsl, wire)) != 0) {
        why = "another interpreter has another one";
    }
    pthread_mutex_unlock(&lock);
    return why;
}

static const char *
openssl_look(OpenSsl *found, ModuleState *state)
{
    PyObject *module = PyImport_ImportModule("_ssl");
    if (module == NULL) {
        PyErr_Clear();
        return "there is no ssl module";
    }
    const char *why = NULL;
    void *library = openssl_open(module);
    if (library == NULL || !openssl_load(found, library)) {
        why = "its functions cannot be reached";
    }
    else if (!openssl_is_known(found)) {
        why = "it is another library, or of another version";
    }
    else if (!openssl_import(state, module) || !openssl_probe(found, state)) {
        why = "the objects of the ssl module are not as expected";
    }
    else {
        why = openssl_keep(found);
    }
    if (library != NULL) {
        dlclose(library); /* _ssl keeps it */
    }
    Py_DECREF(module);
    return why;
}

const char *
openssl_find(ModuleState *state)
{
    if (!state->openssl.was_sought) {
        OpenSsl found = {0};
        state->openssl.refused =
            PY_FREE_THREADED ? "this Python has no GIL" : openssl_look(&found, state);
        state->openssl.was_sought = true;
    }
    return state->openssl.refused;
}
