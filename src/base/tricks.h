/* SPDX-License-Identifier: MIT
 *
 * tricks.h - may this trick be used?  Each one has a documented way beside it.
 */
#ifndef HOTLOOP_TRICKS_H
#define HOTLOOP_TRICKS_H

#include "base/base.h"

/* HOTLOOP_TRICKS in the environment is "none" or a comma list of those turned off. */
static inline bool
tricks_allow(const char *trick)
{
    const char *off = getenv("HOTLOOP_TRICKS");
    if (off == NULL) {
        return true;
    }
    return strcmp(off, "none") != 0 && strstr(off, trick) == NULL;
}

#endif
