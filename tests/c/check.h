/* SPDX-License-Identifier: MIT
 *
 * check.h - the little that a C test needs: a check that says where it failed, and a
 * generator of numbers that are the same in every run.
 */
#ifndef HOTLOOP_TESTS_CHECK_H
#define HOTLOOP_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static uint64_t check_state = 88172645463325252ull;

/* xorshift64: enough to mix the operations of a test. */
static inline uint64_t
check_random(void)
{
    check_state ^= check_state << 13;
    check_state ^= check_state >> 7;
    check_state ^= check_state << 17;
    return check_state;
}

#endif
