/* SPDX-License-Identifier: MIT
 *
 * addr_cache.c - address tuples that were seen before, per loop.
 *
 * Two tables without collision chains, a newer entry replaces an older one: `seen`
 * by the kernel's address, `given` by the tuple's identity.  Only exact tuples of
 * exact str and int are kept, which nobody can change and whose end runs no code.
 */
#include "io/addr_cache.h"

enum { ADDR_CACHE_ENTRIES = 128 };

typedef struct AddrEntry {
    PyObject *tuple;             /* owned; NULL: nothing here */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
} AddrEntry;

typedef struct AddrCache {
    AddrEntry seen[ADDR_CACHE_ENTRIES];
    AddrEntry given[ADDR_CACHE_ENTRIES];
} AddrCache;

/* The tables, made on first use: they are only for speed, so without memory there are
 * none.  Borrowed, or NULL without an exception. */
static inline AddrCache *
addr_cache_tables(Loop *loop)
{
    if (UNLIKELY(loop->addresses == NULL) && loop->phase != LOOP_CLOSED) {
        loop->addresses = PyMem_Calloc(1, sizeof(AddrCache));
    }
    return loop->addresses;
}

/* Bytes that matter in an address of this family; 0: not one we keep. */
static inline size_t
addr_cache_size(int family)
{
    return family == AF_INET    ? offsetof(struct sockaddr_in, sin_zero)
           : family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                : 0;
}

static inline bool
addr_cache_is_same(const AddrEntry *entry, const Addr *addr, size_t size)
{
    return entry->tuple != NULL && memcmp(&entry->in6, &addr->in6, size) == 0;
}

static inline size_t
addr_cache_hash(const Addr *addr)
{
    uint32_t host = addr->in.sin_addr.s_addr;
    if (addr->any.sa_family == AF_INET6) {
        memcpy(&host, &addr->in6.sin6_addr.s6_addr[12], sizeof(host));
    }
    uint32_t mixed = (host ^ (uint32_t)addr->in.sin_port << 16) * 0x9e3779b1u;
    return mixed >> 16 & (ADDR_CACHE_ENTRIES - 1);
}

static inline size_t
addr_cache_hash_object(const PyObject *tuple)
{
    return (uintptr_t)tuple >> 4 & (ADDR_CACHE_ENTRIES - 1);
}

static void
addr_cache_put(AddrEntry *entry, PyObject *tuple, const Addr *addr, size_t size)
{
    memcpy(&entry->in6, &addr->in6, size);
    Py_XSETREF(entry->tuple, Py_NewRef(tuple));
}

PyObject *
addr_cache_to_python(Loop *loop, const Addr *addr)
{
    if (UNLIKELY(addr->length == 0)) {
        Py_RETURN_NONE;              /* a unix socket that has no name */
    }
    size_t size = addr_cache_size(addr->any.sa_family);
    AddrCache *tables = size == 0 ? NULL : addr_cache_tables(loop);
    if (tables == NULL) {
        return addr_to_python(addr);
    }
    AddrEntry *entry = &tables->seen[addr_cache_hash(addr)];
    if (LIKELY(addr_cache_is_same(entry, addr, size))) {
        return Py_NewRef(entry->tuple);
    }
    PyObject *tuple = addr_to_python(addr);
    if (tuple != NULL) {
        addr_cache_put(entry, tuple, addr, size);
        entry = &tables->given[addr_cache_hash_object(tuple)];
        addr_cache_put(entry, tuple, addr, size);
    }
    return tuple;
}

/* Will this tuple mean the same address for ever?  An interface's name need not. */
static bool
addr_cache_is_lasting(PyObject *address)
{
    if (!PyTuple_CheckExact(address)) {
        return false;
    }
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(address); i++) {
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(address, i))) {
            return false;
        }
    }
    PyObject *host = PyTuple_GET_ITEM(address, 0);
    return PyUnicode_CheckExact(host)
           && PyUnicode_FindChar(host, '%', 0, PyUnicode_GET_LENGTH(host), 1) == -1;
}

int
addr_cache_parse(Loop *loop, Addr *addr, int family, PyObject *address)
{
    size_t size = addr_cache_size(family);
    AddrCache *tables = size == 0 ? NULL : addr_cache_tables(loop);
    if (tables == NULL) {
        return addr_parse(addr, family, address);
    }
    AddrEntry *entry = &tables->given[addr_cache_hash_object(address)];
    if (LIKELY(entry->tuple == address && entry->any.sa_family == family)) {
        addr->in6 = entry->in6;
        addr->length = family == AF_INET ? sizeof(entry->in) : sizeof(entry->in6);
        return 1;
    }
    int rc = addr_parse(addr, family, address);
    if (rc == 1 && addr_cache_is_lasting(address)) {
        addr_cache_put(entry, address, addr, size);
    }
    return rc;
}

void
addr_cache_close(Loop *loop)
{
    AddrCache *tables = loop->addresses;
    loop->addresses = NULL;
    for (size_t i = 0; tables != NULL && i < ADDR_CACHE_ENTRIES; i++) {
        Py_XDECREF(tables->seen[i].tuple);
        Py_XDECREF(tables->given[i].tuple);
    }
    PyMem_Free(tables);
}
