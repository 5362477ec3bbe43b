/* SPDX-License-Identifier: MIT
 *
 * openssl.h - the OpenSSL that the ssl module is linked to, without its headers.
 *
 * What is declared here is the same in every OpenSSL 3.  The extension is not
 * linked to it: which library the process uses is found out when TLS is first used,
 * and where it is none that we know, the ssl module does all the work (tls_ssl.c).
 */
#ifndef HOTLOOP_OPENSSL_H
#define HOTLOOP_OPENSSL_H

#include "base/pycompat.h"
#include "base/state.h"

typedef struct ssl_st SSL;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef struct buf_mem_st BUF_MEM;
typedef struct crypto_ex_data_st CRYPTO_EX_DATA;
typedef void CRYPTO_EX_new(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
                           long argl, void *argp);

enum {
    OPENSSL_WANT_READ = 2, /* what SSL_get_error() returns */
    OPENSSL_WANT_WRITE = 3,
    OPENSSL_ZERO_RETURN = 6,
    OPENSSL_RECEIVED_SHUTDOWN = 2, /* SSL_get_shutdown(): only the peer did */
    OPENSSL_BIO_SOURCE_SINK = 0x0400,
    OPENSSL_BIO_READ = 0x01, /* flags of a BIO */
    OPENSSL_BIO_RETRY = 0x08,
    OPENSSL_BIO_ALL_RETRY = 0x0f,
    OPENSSL_CTRL_PENDING = 10, /* commands to a BIO */
    OPENSSL_CTRL_FLUSH = 11,
    OPENSSL_CTRL_DUP = 12,
    OPENSSL_CTRL_WPENDING = 13,
    OPENSSL_CTRL_SET_BUFFER = 114, /* to a memory BIO: use this buffer, free the old */
    OPENSSL_EX_SSL = 0, /* kinds of objects that can carry extra data */
    OPENSSL_EX_BIO = 12,
};

/* Its functions, each under its own name, and what was found out about CPython's
 * objects.  One for the process, as the library is; never changed once it is full. */
typedef struct OpenSsl {
    int (*SSL_do_handshake)(SSL *ssl);
    int (*SSL_read)(SSL *ssl, void *room, int size);
    int (*SSL_write)(SSL *ssl, const void *data, int size);
    int (*SSL_pending)(const SSL *ssl);
    int (*SSL_get_error)(const SSL *ssl, int rc);
    int (*SSL_get_shutdown)(const SSL *ssl);
    BIO *(*SSL_get_rbio)(const SSL *ssl);
    BIO *(*SSL_get_wbio)(const SSL *ssl);
    void (*SSL_set0_rbio)(SSL *ssl, BIO *bio); /* steals bio */
    void (*SSL_set0_wbio)(SSL *ssl, BIO *bio); /* steals bio */
    BIO *(*BIO_new)(const BIO_METHOD *method); /* -> new */
    int (*BIO_free)(BIO *bio);                 /* drops one reference */
    int (*BIO_up_ref)(BIO *bio);
    int (*BIO_read)(BIO *bio, void *room, int size);
    int (*BIO_write)(BIO *bio, const void *data, int size);
    size_t (*BIO_ctrl_pending)(BIO *bio);
    long (*BIO_ctrl)(BIO *bio, int command, long number, void *pointer);
    BUF_MEM *(*BUF_MEM_new)(void); /* -> new */
    void *(*BIO_get_data)(BIO *bio);
    void (*BIO_set_data)(BIO *bio, void *data);
    void (*BIO_set_init)(BIO *bio, int ready);
    void (*BIO_set_flags)(BIO *bio, int flags);
    void (*BIO_clear_flags)(BIO *bio, int flags);
    int (*BIO_get_new_index)(void);
    BIO_METHOD *(*BIO_meth_new)(int type, const char *name);
    void (*BIO_meth_free)(BIO_METHOD *method);
    int (*BIO_meth_set_read)(BIO_METHOD *method, int (*)(BIO *, char *, int));
    int (*BIO_meth_set_write)(BIO_METHOD *method, int (*)(BIO *, const char *, int));
    int (*BIO_meth_set_ctrl)(BIO_METHOD *method, long (*)(BIO *, int, long, void *));
    int (*BIO_meth_set_destroy)(BIO_METHOD *method, int (*)(BIO *));
    unsigned long (*ERR_peek_error)(void);
    void (*ERR_clear_error)(void);
    int (*CRYPTO_get_ex_new_index)(int kind, long argl, void *argp, CRYPTO_EX_new *born,
                                   void *copied, void *freed);
    int (*CRYPTO_free_ex_index)(int kind, int index);
    unsigned long (*OpenSSL_version_num)(void);
    const char *(*OpenSSL_version)(int what);

    size_t ssl_place; /* of the SSL * in an _ssl._SSLSocket, in bytes */
    size_t bio_place; /* of the BIO * in an _ssl.MemoryBIO */
    BIO_METHOD *wire; /* owned: our kind of BIO (tls_wire.c) */
} OpenSsl;

extern OpenSsl openssl;

/* Find all of it, the first time; state_import_ssl() has been called.  NULL: it can
 * be used; or why not, in a few words. */
const char *openssl_find(ModuleState *state);

/* What a C object of the ssl module keeps at `place`.  Borrowed. */
static inline void *
openssl_pointer(PyObject *object, size_t place)
{
    return *(void **)((char *)object + place);
}

/* Errors of other users of the library in this thread are not ours. */
static inline void
openssl_forget_errors(void)
{
    if (UNLIKELY(openssl.ERR_peek_error() != 0)) {
        openssl.ERR_clear_error();
    }
}

#endif
