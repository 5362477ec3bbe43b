/* SPDX-License-Identifier: MIT
 *
 * names.c - preloaded before libc: a name server that fails, or does not answer.
 *
 * The host "error-N.test" gives getaddrinfo()'s error -N at once; "slow.test" gives EAI_NONAME
 * when names_release() was called.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int released, asked;

void
names_release(void)
{
    pthread_mutex_lock(&lock);
    released = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* How many look-ups of slow.test have begun. */
int
names_asked(void)
{
    pthread_mutex_lock(&lock);
    int count = asked;
    pthread_mutex_unlock(&lock);
    return count;
}

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
            struct addrinfo **infos)
{
    static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    int is_number = hints != NULL && hints->ai_flags & AI_NUMERICHOST;
    if (host != NULL && !is_number && strncmp(host, "error-", 6) == 0) {
        return -atoi(host + 6);
    }
    if (host != NULL && !is_number && strcmp(host, "slow.test") == 0) {
        pthread_mutex_lock(&lock);
        asked++;
        while (!released) {
            pthread_cond_wait(&changed, &lock);
        }
        pthread_mutex_unlock(&lock);
        return EAI_NONAME;
    }
    if (next == NULL) {
        next = (__typeof__(next))dlsym(RTLD_NEXT, "getaddrinfo");
    }
    return next(host, service, hints, infos);
}
