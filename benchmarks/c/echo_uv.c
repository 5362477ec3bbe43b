/* SPDX-License-Identifier: MIT
 *
 * echo_uv: the least that an echo server over libuv costs, as the unit for the others.
 *
 *   echo_uv tcp | unix PATH | udp [--writes K]
 *
 * Reads into one shared buffer and writes at once; what the kernel does not take is
 * copied and queued.  With --writes K an answer goes out as K pieces in one system
 * call, which is what a server that corks its writes should reach.  Datagrams come in
 * by recvmmsg and go out by sendmmsg, which costs less than a uv_udp_t.  Prints
 * "ready PORT" (or the path) when it listens and runs until it is killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#define SLAB (256 * 1024)
#define MAX_WRITES 16
#define BACKLOG 1024
#define DATAGRAMS 32
#define DATAGRAM_ROOM (64 * 1024 + 17 * 64)

typedef union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
} Stream;

typedef struct {
    uv_write_t req;
    char bytes[];
} Rest;

static uv_loop_t *loop;
static char slab[SLAB];
static int writes = 1;
static int is_unix;

static void
check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "echo_uv: %s: %s\n", what, uv_strerror(rc));
        exit(1);
    }
}

static void
on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    (void)handle;
    (void)hint;
    buf->base = slab;
    buf->len = sizeof(slab);
}

static void
on_close(uv_handle_t *handle)
{
    free(handle);
}

static void
on_written(uv_write_t *req, int status)
{
    (void)status;
    free(req);
}

/* The kernel took `done` of `size` bytes: keep a copy of the others. */
static void
queue_rest(uv_stream_t *stream, size_t done, size_t size)
{
    Rest *rest = malloc(sizeof(*rest) + size - done);
    uv_buf_t buf;
    if (rest == NULL) {
        abort();
    }
    memcpy(rest->bytes, slab + done, size - done);
    buf = uv_buf_init(rest->bytes, (unsigned)(size - done));
    check(uv_write(&rest->req, stream, &buf, 1, on_written), "uv_write");
}

static void
answer(uv_stream_t *stream, size_t size)
{
    uv_buf_t bufs[MAX_WRITES];
    size_t piece = size / (size_t)writes;
    int rc;

    for (int i = 0; i < writes; i++) {
        size_t length = i == writes - 1 ? size - piece * (size_t)i : piece;
        bufs[i] = uv_buf_init(slab + piece * (size_t)i, (unsigned)length);
    }
    rc = uv_try_write(stream, bufs, (unsigned)writes);
    if (rc == UV_EAGAIN) {
        rc = 0;
    }
    if (rc >= 0 && (size_t)rc < size) {
        queue_rest(stream, (size_t)rc, size);
    }
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n > 0) {
        answer(stream, (size_t)n);
    }
    else if (n < 0) {
        uv_close((uv_handle_t *)stream, on_close);
    }
}

static void
stream_init(Stream *s)
{
    check(is_unix ? uv_pipe_init(loop, &s->pipe, 0) : uv_tcp_init(loop, &s->tcp),
          "init");
}

static void
on_connection(uv_stream_t *listener, int status)
{
    Stream *s = malloc(is_unix ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t));
    check(status, "connection");
    if (s == NULL) {
        abort();
    }
    stream_init(s);
    check(uv_accept(listener, &s->stream), "accept");
    if (!is_unix) {
        uv_tcp_nodelay(&s->tcp, 1);
    }
    check(uv_read_start(&s->stream, on_alloc, on_read), "read_start");
}

static void
listen_tcp(Stream *listener)
{
    struct sockaddr_in addr;
    int length = sizeof(addr);
    check(uv_ip4_addr("127.0.0.1", 0, &addr), "address");
    check(uv_tcp_bind(&listener->tcp, (struct sockaddr *)&addr, 0), "bind");
    check(uv_listen(&listener->stream, BACKLOG, on_connection), "listen");
    check(uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&addr, &length),
          "getsockname");
    printf("ready %d\n", ntohs(addr.sin_port));
}

static void
listen_unix(Stream *listener, const char *path)
{
    check(uv_pipe_bind(&listener->pipe, path), "bind");
    check(uv_listen(&listener->stream, BACKLOG, on_connection), "listen");
    printf("ready %s\n", path);
}

/* --- datagrams ------------------------------------------------------------ */

static int udp_fd;
static struct mmsghdr heads[DATAGRAMS];
static struct iovec pieces[DATAGRAMS];
static struct sockaddr_in names[DATAGRAMS];
static char datagrams[DATAGRAMS][DATAGRAM_ROOM];

static void
on_datagrams(uv_poll_t *poll, int status, int events)
{
    int n, sent = 0;
    (void)poll;
    (void)status;
    (void)events;
    for (int i = 0; i < DATAGRAMS; i++) {
        heads[i].msg_hdr.msg_namelen = sizeof(names[i]);
        pieces[i].iov_len = DATAGRAM_ROOM;
    }
    n = recvmmsg(udp_fd, heads, DATAGRAMS, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        pieces[i].iov_len = heads[i].msg_len;
    }
    while (sent < n) {
        int done = sendmmsg(udp_fd, heads + sent, (unsigned)(n - sent), MSG_DONTWAIT);
        if (done <= 0) {
            return;     /* the load generator sends lost ones again */
        }
        sent += done;
    }
}

static void
serve_udp(uv_poll_t *poll)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t length = sizeof(addr);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (udp_fd < 0 || bind(udp_fd, (struct sockaddr *)&addr, length) < 0) {
        check(-errno, "bind");
    }
    for (int i = 0; i < DATAGRAMS; i++) {
        pieces[i].iov_base = datagrams[i];
        heads[i].msg_hdr.msg_name = &names[i];
        heads[i].msg_hdr.msg_iov = &pieces[i];
        heads[i].msg_hdr.msg_iovlen = 1;
    }
    check(uv_poll_init(loop, poll, udp_fd), "poll_init");
    check(uv_poll_start(poll, UV_READABLE, on_datagrams), "poll_start");
    getsockname(udp_fd, (struct sockaddr *)&addr, &length);
    printf("ready %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
}

int
main(int argc, char **argv)
{
    uv_poll_t datagram_poll;
    struct rlimit files;
    Stream listener;

    is_unix = argc > 2 && strcmp(argv[1], "unix") == 0;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--writes") == 0) {
            writes = atoi(argv[i + 1]);
        }
    }
    if (argc < 2 || writes < 1 || writes > MAX_WRITES) {
        fputs("usage: echo_uv tcp | unix PATH | udp [--writes K]\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    loop = uv_default_loop();
    if (strcmp(argv[1], "udp") == 0) {
        serve_udp(&datagram_poll);
        return 0;
    }
    stream_init(&listener);
    is_unix ? listen_unix(&listener, argv[2]) : listen_tcp(&listener);
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
