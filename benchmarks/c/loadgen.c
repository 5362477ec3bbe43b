/* SPDX-License-Identifier: MIT
 *
 * loadgen: how fast, and for how much CPU, does a server answer?
 *
 * One thread, epoll, edge-triggered.  Every connection keeps exactly one message
 * in flight (closed loop), a UDP socket --flight.  With two cores it spins, so that a
 * wake-up of this process is never part of the server's answer.  The CPU time of
 * the server is read from outside, from the kernel's clock of that process, at the
 * start and at the end of each burst: the server takes no part in the measurement.
 *
 *   loadgen echo  --tcp PORT | --unix PATH --size BYTES ...   same bytes come back
 *   loadgen reply ...          as echo, but only the length of the answer is checked
 *   loadgen http  --path /x    keep-alive requests; 200 and Content-Length are checked
 *   loadgen churn ...          connect, one echo, close, again
 *   loadgen idle  ...          connect --conns, print, wait for the end of stdin
 *   loadgen echo  --udp PORT --flight N ...   datagrams; lost ones are sent again
 *
 * Common: --conns N --pid SERVER --cpu CORE --spin --warmup S --seconds S --bursts K
 *         --messages M (exactly M answers in one burst without warm-up)
 * Prints one JSON line per burst: messages, wall_ns, cpu_ns.
 *
 * Compiled with WITH_TLS all of it goes through OpenSSL; churn is then a handshake each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#  include <openssl/err.h>
#  include <openssl/ssl.h>
#endif

#define PORTS_PER_SOURCE 8000   /* then churn moves on to the next 127.x address */
#define SCRATCH (512 * 1024)
#define HEAD_MAX 4096

typedef enum { ECHO, REPLY, HTTP, CHURN, IDLE } Mode;

typedef struct {
    int fd;
#ifdef WITH_TLS
    SSL *tls;             /* owned */
#endif
    size_t sent;          /* bytes of the message that are out; UDP: datagrams */
    size_t got;           /* bytes of the answer that are in */
    size_t expected;      /* length of the answer; 0 while unknown (http) */
    char head[HEAD_MAX];  /* the start of an http answer */
} Conn;

static struct {
    Mode mode;
    int port;
    bool is_udp;
    size_t flight;        /* datagrams under way per UDP socket */
    const char *unix_path;
    const char *path;
    size_t conns;
    size_t size;
    pid_t pid;
    int cpu;
    bool spin;
    double warmup;
    double seconds;
    int bursts;
    uint64_t messages;
} opt = {.conns = 1, .flight = 1, .size = 1024, .cpu = -1, .warmup = 0.05, .seconds = 0.1,
         .bursts = 3, .path = "/"};

static int epfd;
static Conn *conns;         /* owned, opt.conns of them */
static char *message;       /* owned, message_len bytes */
static size_t message_len;
static char scratch[SCRATCH];
static uint64_t answers;
static uint64_t opened;     /* connections made so far */
static clockid_t server_clock;

static void die(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

static void
die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("loadgen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t
read_clock(clockid_t id)
{
    struct timespec t;
    if (clock_gettime(id, &t) < 0) {
        die("the server is gone (%s)", strerror(errno));
    }
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- bytes: -1 with errno like the system's calls ------------------------------- */

#ifdef WITH_TLS

static SSL_CTX *context;

/* Encryption is what is measured, not trust: the certificate is not verified. */
static void
tls_prepare(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        die("no TLS");
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE
                              | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_quiet_shutdown(context, 1);
}

static void
conn_attach(Conn *conn)
{
    conn->tls = SSL_new(context);
    if (conn->tls == NULL || !SSL_set_fd(conn->tls, conn->fd)) {
        die("no memory for TLS");
    }
    SSL_set_connect_state(conn->tls);
}

static void
conn_close(Conn *conn)
{
    SSL_free(conn->tls);
    close(conn->fd);
}

static ssize_t
tls_result(Conn *conn, int n)
{
    int error;
    if (n > 0) {
        return n;
    }
    error = SSL_get_error(conn->tls, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    die("TLS: %s", ERR_error_string(ERR_get_error(), NULL));
}

static ssize_t
conn_write(Conn *conn, const char *data, size_t size)
{
    ERR_clear_error();
    return tls_result(conn, SSL_write(conn->tls, data, (int)size));
}

/* Until the kernel has no more, since what OpenSSL holds back causes no event. */
static ssize_t
conn_read(Conn *conn)
{
    ERR_clear_error();
    return tls_result(conn, SSL_read(conn->tls, scratch, SCRATCH));
}

static bool
conn_shaken(Conn *conn)
{
    if (!SSL_is_init_finished(conn->tls)) {
        tls_result(conn, SSL_do_handshake(conn->tls));
    }
    return SSL_is_init_finished(conn->tls);
}

#else

static void tls_prepare(void) {}
static void conn_attach(Conn *conn) { (void)conn; }
static void conn_close(Conn *conn) { close(conn->fd); }
static bool conn_shaken(Conn *conn) { (void)conn; return true; }

static ssize_t
conn_write(Conn *conn, const char *data, size_t size)
{
    return send(conn->fd, data, size, MSG_NOSIGNAL);
}

static ssize_t
conn_read(Conn *conn)
{
    return recv(conn->fd, scratch, SCRATCH, 0);
}

#endif

/* --- connections ---------------------------------------------------------- */

/* A closed connection blocks its port for a minute.  Spreading the source over
 * 127.x.y.z keeps churn from running out of ports. */
static void
bind_to_fresh_source(int fd)
{
    uint64_t nth = opened / PORTS_PER_SOURCE;
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;
    source.sin_addr.s_addr = htonl(0x7f000001u + 0x100u * (uint32_t)(
        ((uint64_t)getpid() * 64 + nth) % 65000));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0) {
        die("bind: %s", strerror(errno));
    }
}

static int
open_tcp(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket: %s", strerror(errno));
    }
    to.sin_port = htons((uint16_t)opt.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (opt.mode == CHURN) {
        bind_to_fresh_source(fd);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        die("connect to port %d: %s", opt.port, strerror(errno));
    }
    return fd;
}

static int
open_udp(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    to.sin_port = htons((uint16_t)opt.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        die("UDP to port %d: %s", opt.port, strerror(errno));
    }
    return fd;
}

static int
open_unix(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(opt.unix_path) >= sizeof(to.sun_path)) {
        die("cannot open a unix socket for %s", opt.unix_path);
    }
    strcpy(to.sun_path, opt.unix_path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        die("connect to %s: %s", opt.unix_path, strerror(errno));
    }
    return fd;
}

static void
conn_open(Conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                .data.ptr = conn};
    conn->fd = opt.is_udp ? open_udp() : opt.unix_path ? open_unix() : open_tcp();
    opened++;
    if (fcntl(conn->fd, F_SETFL, O_NONBLOCK) < 0
        || epoll_ctl(epfd, EPOLL_CTL_ADD, conn->fd, &event) < 0) {
        die("epoll: %s", strerror(errno));
    }
    conn_attach(conn);
    conn->sent = conn->got = 0;
    conn->expected = opt.mode == HTTP ? 0 : message_len;
}

/* --- datagrams ------------------------------------------------------------ */

static void
udp_fill(Conn *conn)
{
    while (conn->sent < opt.flight) {
        if (send(conn->fd, message, message_len, 0) < 0) {
            if (errno == EAGAIN) {
                return;
            }
            die("send: %s", strerror(errno));
        }
        conn->sent++;
    }
}

static void
udp_receive(Conn *conn)
{
    for (;;) {
        ssize_t n = recv(conn->fd, scratch, sizeof(scratch), 0);
        if (n < 0) {
            if (errno == EAGAIN) {
                return;
            }
            die("recv: %s", strerror(errno));
        }
        if ((size_t)n != message_len || memcmp(scratch, message, message_len) != 0) {
            die("another datagram came back than was sent");
        }
        answers++;
        if (opt.messages && answers >= opt.messages) {
            return;
        }
        conn->sent -= conn->sent > 0;
        udp_fill(conn);
    }
}

/* Datagrams may get lost: when nothing has come for a second, all are sent again. */
static void
udp_revive(void)
{
    static uint64_t seen, since;
    uint64_t now = read_clock(CLOCK_MONOTONIC);
    if (answers != seen || since == 0) {
        seen = answers;
        since = now;
    }
    else if (now - since > 1000000000u) {
        since = now;
        for (size_t i = 0; i < opt.conns; i++) {
            conns[i].sent = 0;
            udp_fill(&conns[i]);
        }
    }
}

/* --- one exchange --------------------------------------------------------- */

static void
conn_send(Conn *conn)
{
    if (opt.is_udp) {
        udp_fill(conn);
        return;
    }
    while (conn->sent < message_len) {
        ssize_t n = conn_write(conn, message + conn->sent, message_len - conn->sent);
        if (n < 0) {
            if (errno == EAGAIN) {
                return;
            }
            die("send: %s", strerror(errno));
        }
        conn->sent += (size_t)n;
    }
}

/* Learn the length of an http answer as soon as its head is complete. */
static void
http_learn_length(Conn *conn)
{
    static const char name[] = "content-length:";
    size_t have = conn->got < HEAD_MAX - 1 ? conn->got : HEAD_MAX - 1;
    char *end, *field;

    conn->head[have] = 0;
    end = strstr(conn->head, "\r\n\r\n");
    if (end == NULL) {
        if (have == HEAD_MAX - 1) {
            die("the head of the answer is too long");
        }
        return;
    }
    if (strncmp(conn->head, "HTTP/1.1 200", 12) != 0) {
        die("the answer is not a 200: %.40s", conn->head);
    }
    field = strcasestr(conn->head, name);
    if (field == NULL || field > end) {
        die("the answer has no Content-Length");
    }
    conn->expected = (size_t)(end + 4 - conn->head)
                     + strtoul(field + sizeof(name) - 1, NULL, 10);
}

static void
take_bytes(Conn *conn, size_t n)
{
    if (opt.mode == HTTP) {
        if (conn->got < HEAD_MAX - 1) {
            size_t room = HEAD_MAX - 1 - conn->got;
            memcpy(conn->head + conn->got, scratch, n < room ? n : room);
        }
    }
    else if (conn->got + n > conn->expected) {
        die("more bytes came back than were sent");
    }
    else if (opt.mode != REPLY && memcmp(scratch, message + conn->got, n) != 0) {
        die("other bytes came back than were sent");
    }
    conn->got += n;
    if (conn->expected == 0) {
        http_learn_length(conn);
    }
}

static void
conn_answered(Conn *conn)
{
    if (conn->got != conn->expected) {
        die("the answer is longer than announced");
    }
    answers++;
    if (opt.messages && answers >= opt.messages) {
        return;
    }
    if (opt.mode == CHURN) {
        conn_close(conn);
        conn_open(conn);
    }
    conn->sent = conn->got = 0;
    conn->expected = opt.mode == HTTP ? 0 : message_len;
    conn_send(conn);
}

/* Read until the kernel has no more.  A short read says so without asking again. */
static void
conn_receive(Conn *conn)
{
    if (opt.is_udp) {
        udp_receive(conn);
        return;
    }
    for (;;) {
        ssize_t n = conn_read(conn);
        if (n < 0) {
            if (errno == EAGAIN) {
                return;
            }
            die("recv: %s", strerror(errno));
        }
        if (n == 0) {
            die("the server closed the connection");
        }
        take_bytes(conn, (size_t)n);
        if (conn->expected && conn->got >= conn->expected) {
            conn_answered(conn);
            return;     /* edge-triggered: the next answer brings a new event */
        }
#ifndef WITH_TLS
        if ((size_t)n < sizeof(scratch)) {
            return;
        }
#endif
    }
}

static void
turn(void)
{
    struct epoll_event events[256];
    int n = epoll_wait(epfd, events, 256, opt.spin ? 0 : 10);
    if (n <= 0 && opt.is_udp) {
        udp_revive();
    }
    for (int i = 0; i < n; i++) {
        Conn *conn = events[i].data.ptr;
        if (conn->sent < message_len && !opt.is_udp) {
            conn_send(conn);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            conn_receive(conn);
        }
        if (opt.messages && answers >= opt.messages) {
            return;
        }
    }
}

/* --- bursts --------------------------------------------------------------- */

static void
run_for(double seconds)
{
    uint64_t end = read_clock(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
    while (read_clock(CLOCK_MONOTONIC) < end) {
        turn();
    }
}

static void
burst(void)
{
    uint64_t count = answers;
    uint64_t wall = read_clock(CLOCK_MONOTONIC);
    uint64_t cpu = opt.pid ? read_clock(server_clock) : 0;

    if (opt.messages) {
        uint64_t limit = wall + 300u * 1000000000ull;
        while (answers < opt.messages) {
            turn();
            if (read_clock(CLOCK_MONOTONIC) > limit) {
                die("only %llu answers in 300 s", (unsigned long long)answers);
            }
        }
    }
    else {
        run_for(opt.seconds);
    }
    cpu = opt.pid ? read_clock(server_clock) - cpu : 0;
    wall = read_clock(CLOCK_MONOTONIC) - wall;
    printf("{\"messages\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu}\n",
           (unsigned long long)(answers - count), (unsigned long long)wall,
           (unsigned long long)cpu);
    fflush(stdout);
}

/* The handshakes of all connections, one after the other, and tickets that follow. */
static void
shake_hands(void)
{
    for (size_t i = 0; i < opt.conns; i++) {
        while (!conn_shaken(&conns[i])) {
            struct epoll_event event;
            epoll_wait(epfd, &event, 1, 1);
        }
    }
}

static void
wait_idle(void)
{
    printf("{\"connected\": %zu}\n", opt.conns);
    fflush(stdout);
    while (getchar() != EOF) {
    }
}

/* --- start ---------------------------------------------------------------- */

static void
build_message(void)
{
    if (opt.mode == HTTP) {
        if (asprintf(&message, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                     "Accept: */*\r\n\r\n", opt.path) < 0) {
            die("no memory");
        }
        message_len = strlen(message);
        return;
    }
    message_len = opt.size;
    message = malloc(message_len);
    if (message == NULL || message_len == 0) {
        die("bad --size");
    }
    for (size_t i = 0; i < message_len; i++) {
        message[i] = (char)('a' + i % 23);
    }
    message[message_len - 1] = '\n';    /* a line, for servers that read lines */
}

static Mode
parse_mode(const char *name)
{
    static const char *names[] = {"echo", "reply", "http", "churn", "idle"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (Mode)i;
        }
    }
    die("unknown mode %s", name);
}

static void
parse_option(const char *name, const char *value)
{
    if (!strcmp(name, "--tcp")) opt.port = atoi(value);
    else if (!strcmp(name, "--udp")) opt.is_udp = true, opt.port = atoi(value);
    else if (!strcmp(name, "--flight")) opt.flight = strtoul(value, NULL, 10);
    else if (!strcmp(name, "--unix")) opt.unix_path = value;
    else if (!strcmp(name, "--path")) opt.path = value;
    else if (!strcmp(name, "--conns")) opt.conns = strtoul(value, NULL, 10);
    else if (!strcmp(name, "--size")) opt.size = strtoul(value, NULL, 10);
    else if (!strcmp(name, "--pid")) opt.pid = atoi(value);
    else if (!strcmp(name, "--cpu")) opt.cpu = atoi(value);
    else if (!strcmp(name, "--warmup")) opt.warmup = atof(value);
    else if (!strcmp(name, "--seconds")) opt.seconds = atof(value);
    else if (!strcmp(name, "--bursts")) opt.bursts = atoi(value);
    else if (!strcmp(name, "--messages")) opt.messages = strtoull(value, NULL, 10);
    else die("unknown option %s", name);
}

static void
parse(int argc, char **argv)
{
    if (argc < 2) {
        die("usage: loadgen MODE --tcp PORT|--unix PATH|--udp PORT [options]");
    }
    opt.mode = parse_mode(argv[1]);
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--spin")) {
            opt.spin = true;
        }
        else if (i + 1 < argc) {
            parse_option(argv[i], argv[i + 1]);
            i++;
        }
        else {
            die("%s needs a value", argv[i]);
        }
    }
    if (opt.conns == 0 || (opt.port == 0 && opt.unix_path == NULL)) {
        die("say where to connect and how often");
    }
}

static void
prepare_process(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (opt.cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(opt.cpu, &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
    if (opt.pid && clock_getcpuclockid(opt.pid, &server_clock) != 0) {
        die("process %d has no CPU clock", opt.pid);
    }
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    prepare_process();
    build_message();
    tls_prepare();
    epfd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(opt.conns, sizeof(*conns));
    if (epfd < 0 || conns == NULL) {
        die("cannot start");
    }
    for (size_t i = 0; i < opt.conns; i++) {
        conn_open(&conns[i]);
    }
    if (opt.mode == IDLE) {
        shake_hands();
        wait_idle();
        return 0;
    }
    for (size_t i = 0; i < opt.conns; i++) {
        conn_send(&conns[i]);
    }
    if (opt.messages == 0) {
        run_for(opt.warmup);
    }
    for (int i = 0; i < (opt.messages ? 1 : opt.bursts); i++) {
        burst();
    }
    return 0;
}
