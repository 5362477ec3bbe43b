/* SPDX-License-Identifier: MIT
 *
 * echo_tls: the least that an echo server over libuv and OpenSSL costs.
 *
 *   echo_tls CERTIFICATE KEY
 *
 * One memory BIO in each direction per connection; ciphertext is read into one shared buffer,
 * plaintext goes through another, and what a read produced leaves in one write.  Buffers of
 * OpenSSL are given back while a connection is idle.  Prints "ready PORT" when it listens.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#define SLAB (256 * 1024)
#define BACKLOG 1024

typedef struct {
    uv_tcp_t tcp;
    SSL *tls;       /* owned */
    BIO *in;        /* owned by tls */
    BIO *out;       /* owned by tls */
} Conn;

typedef struct {
    uv_write_t req;
    char bytes[];
} Rest;

static uv_loop_t *loop;
static SSL_CTX *context;
static char cipher[SLAB];   /* as it came */
static char plain[SLAB];

static void
check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "echo_tls: %s: %s\n", what, uv_strerror(rc));
        exit(1);
    }
}

static void
on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    (void)handle;
    (void)hint;
    *buf = uv_buf_init(cipher, sizeof(cipher));
}

static void
on_close(uv_handle_t *handle)
{
    Conn *conn = (Conn *)handle;
    SSL_free(conn->tls);
    free(conn);
}

static void
conn_close(Conn *conn)
{
    if (!uv_is_closing((uv_handle_t *)&conn->tcp)) {
        uv_close((uv_handle_t *)&conn->tcp, on_close);
    }
}

static void
on_written(uv_write_t *req, int status)
{
    (void)status;
    free(req);
}

static void
queue_rest(Conn *conn, const char *bytes, size_t size)
{
    Rest *rest = malloc(sizeof(*rest) + size);
    uv_buf_t buf;
    if (rest == NULL) {
        abort();
    }
    memcpy(rest->bytes, bytes, size);
    buf = uv_buf_init(rest->bytes, (unsigned)size);
    check(uv_write(&rest->req, (uv_stream_t *)&conn->tcp, &buf, 1, on_written), "write");
}

/* Send what OpenSSL wants to be sent, straight from its buffer. */
static void
flush_out(Conn *conn)
{
    char *bytes;
    long size = BIO_get_mem_data(conn->out, &bytes);
    uv_buf_t buf = uv_buf_init(bytes, (unsigned)size);
    int sent;

    if (size <= 0) {
        return;
    }
    sent = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
    sent = sent < 0 ? 0 : sent;
    if (sent < size) {
        queue_rest(conn, bytes + sent, (size_t)size - (size_t)sent);
    }
    (void)BIO_reset(conn->out);
}

static void
echo(Conn *conn)
{
    size_t have = 0;
    int n = 1, error;

    ERR_clear_error();
    while (have < sizeof(plain)
           && (n = SSL_read(conn->tls, plain + have, (int)(sizeof(plain) - have))) > 0) {
        have += (size_t)n;
    }
    error = n > 0 ? 0 : SSL_get_error(conn->tls, n);
    for (size_t done = 0; done < have; done += (size_t)n) {
        n = SSL_write(conn->tls, plain + done, (int)(have - done));
        if (n <= 0) {
            conn_close(conn);
            return;
        }
    }
    flush_out(conn);
    if (error && error != SSL_ERROR_WANT_READ) {
        conn_close(conn);
    }
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    Conn *conn = (Conn *)stream;
    if (n < 0) {
        conn_close(conn);
    }
    else if (n > 0) {
        BIO_write(conn->in, buf->base, (int)n);
        echo(conn);
    }
}

static void
conn_start(Conn *conn)
{
    conn->tls = SSL_new(context);
    conn->in = BIO_new(BIO_s_mem());
    conn->out = BIO_new(BIO_s_mem());
    if (conn->tls == NULL || conn->in == NULL || conn->out == NULL) {
        abort();
    }
    BIO_set_mem_eof_return(conn->in, -1);
    SSL_set_bio(conn->tls, conn->in, conn->out);
    SSL_set_accept_state(conn->tls);
}

static void
on_connection(uv_stream_t *listener, int status)
{
    Conn *conn = calloc(1, sizeof(*conn));
    check(status, "connection");
    if (conn == NULL) {
        abort();
    }
    check(uv_tcp_init(loop, &conn->tcp), "init");
    check(uv_accept(listener, (uv_stream_t *)&conn->tcp), "accept");
    uv_tcp_nodelay(&conn->tcp, 1);
    conn_start(conn);
    check(uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read), "read_start");
}

static void
prepare_tls(const char *certificate, const char *key)
{
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL
        || SSL_CTX_use_certificate_chain_file(context, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

static void
listen_tcp(uv_tcp_t *listener)
{
    struct sockaddr_in addr;
    int length = sizeof(addr);
    check(uv_tcp_init(loop, listener), "init");
    check(uv_ip4_addr("127.0.0.1", 0, &addr), "address");
    check(uv_tcp_bind(listener, (struct sockaddr *)&addr, 0), "bind");
    check(uv_listen((uv_stream_t *)listener, BACKLOG, on_connection), "listen");
    check(uv_tcp_getsockname(listener, (struct sockaddr *)&addr, &length), "getsockname");
    printf("ready %d\n", ntohs(addr.sin_port));
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    uv_tcp_t listener;

    if (argc != 3) {
        fputs("usage: echo_tls CERTIFICATE KEY\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    prepare_tls(argv[1], argv[2]);
    loop = uv_default_loop();
    listen_tcp(&listener);
    return uv_run(loop, UV_RUN_DEFAULT);
}
