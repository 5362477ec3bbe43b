/* SPDX-License-Identifier: MIT
 *
 * descriptor.h - put another file behind a descriptor's number.
 */
#ifndef HOTLOOP_DESCRIPTOR_H
#define HOTLOOP_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What `fd` stands for moves to the number `old`, closed on exec; `fd` is closed.
 * Who knows the number (a uv handle) need not learn a new one.  0 or errno. */
static inline int
descriptor_replace(int fd, int old)
{
    int error = dup2(fd, old) < 0 || fcntl(old, F_SETFD, FD_CLOEXEC) < 0 ? errno : 0;
    close(fd);
    return error;
}

#endif
