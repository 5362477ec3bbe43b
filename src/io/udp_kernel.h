/* SPDX-License-Identifier: MIT
 *
 * udp_kernel.h - several datagrams in one system call, where there is one.
 */
#ifndef HOTLOOP_UDP_KERNEL_H
#define HOTLOOP_UDP_KERNEL_H

#include "base/base.h"

#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __linux__
typedef struct mmsghdr UdpHead;

static inline int
udp_kernel_receive(int fd, UdpHead *heads, unsigned count)
{
    return recvmmsg(fd, heads, count, MSG_DONTWAIT, NULL);
}

static inline int
udp_kernel_send(int fd, UdpHead *heads, unsigned count)
{
    return sendmmsg(fd, heads, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}
#else
typedef struct UdpHead {
    struct msghdr msg_hdr;
    unsigned msg_len;
} UdpHead;

/* As recvmmsg(): how many, or -1 with errno when there is not even one. */
static inline int
udp_kernel_receive(int fd, UdpHead *heads, unsigned count)
{
    unsigned done = 0;
    for (; done < count; done++) {
        ssize_t size = recvmsg(fd, &heads[done].msg_hdr, MSG_DONTWAIT);
        if (size < 0) {
            break;
        }
        heads[done].msg_len = (unsigned)size;
    }
    return done > 0 ? (int)done : -1;
}

static inline int
udp_kernel_send(int fd, UdpHead *heads, unsigned count)
{
    unsigned done = 0;
    while (done < count && sendmsg(fd, &heads[done].msg_hdr, MSG_DONTWAIT) >= 0) {
        done++;
    }
    return done > 0 ? (int)done : -1;
}
#endif

#endif
