/* SPDX-License-Identifier: MIT
 *
 * loop_type.h - the Loop type as Python sees it.
 */
#ifndef HOTLOOP_LOOP_TYPE_H
#define HOTLOOP_LOOP_TYPE_H

#include "base/base.h"

extern PyType_Spec loop_spec;

#endif
